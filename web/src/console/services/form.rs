//! The form of a service: where it is, how long it may take, and how the gateway and its targets trust each other.

use askama::Template;
use model::service::{Retry, ServiceProtocol, ServiceSpec};
use model::{Kind, Stored};
use serde_json::{Value, json};

use super::super::objects::{self, FormState, Screen};
use super::super::references;
use crate::diff::Diff;
use crate::fields::Field;
use crate::{Area, Choice, Console, ConsolePage, Fields, PageError, Query};

#[derive(Template)]
#[template(path = "console/services/form.html")]
pub(in crate::console) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<ServiceSpec>>,
    preview: Option<Diff>,
    upstream: Field,
    authorities: Field,
    client_certificate: Field,
    mirror: Field,
}

impl Screen for ServiceSpec {
    const AREA: Area = Area::Services;
    type FormPage = FormPage;

    async fn form_page(console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            page,
            fields,
            stored,
            preview,
        } = state;
        let one = async |member, kind, none| references::field(console, &fields, member, kind, none).await;
        let upstream = one(
            ("upstream", "Upstream"),
            Kind::Upstream,
            "None, the URL says where it is",
        )
        .await?;
        let shown = ("client_certificate", "Certificate that the gateway shows");
        let client_certificate = one(shown, Kind::Certificate, "None").await?;
        let mirror = one(("mirror.service", "Service that gets copies"), Kind::Service, "None").await?;
        let signers = ("ca_certificates", "CA certificates that may have signed its own");
        let authorities = references::checks(console, &fields, signers, Kind::CaCertificate).await?;
        let trust = if authorities.offers() == 0 {
            "Those that the system trusts. Others can be ticked here once they are stored below Certificates."
        } else {
            "None ticked means those that the system trusts."
        };
        Ok(FormPage {
            page,
            fields,
            stored,
            preview,
            upstream,
            authorities: authorities.help(trust),
            client_certificate: client_certificate.help("For services that ask who calls."),
            mirror: mirror.help("Its answers are thrown away.").decides(),
        })
    }

    /// Lists have no empty input that stands for their default, so they begin with it.
    fn prefill(query: &Query) -> Value {
        json!({ "upstream": query.get("upstream"), "retry_on": Retry::default().retry_on })
    }
}

/// What is folded away with its usual values, by the name of the fold.
const FOLDS: [(&str, &[(&str, &str)]); 6] = [
    (
        "upstream",
        &[("upstream", ""), ("protocol", ""), ("path", ""), ("host", "")],
    ),
    (
        "timeouts",
        &[
            ("connect_timeout_ms", "2000"),
            ("response_timeout_ms", "15000"),
            ("idle_timeout_ms", "60000"),
            ("timeout_ms", ""),
        ],
    ),
    (
        "retries",
        &[
            ("retries", "1"),
            ("retry_on", "connect_failure, reset"),
            ("retry_budget_percent", "20"),
            ("retry_budget_min_per_second", "10"),
        ],
    ),
    (
        "tls",
        &[
            ("tls_verify", "true"),
            ("tls_server_name", ""),
            ("ca_certificates", ""),
            ("client_certificate", ""),
        ],
    ),
    ("protocol", &[("http_version", "auto"), ("proxy_protocol", "off")]),
    ("mirror", &[("mirror.service", ""), ("mirror.percent", "100")]),
];

impl FormPage {
    fn action(&self) -> String {
        objects::action(self.stored.as_ref())
    }

    fn back(&self) -> String {
        objects::back(self.stored.as_ref())
    }

    fn opens(&self, fold: &str) -> bool {
        let members = FOLDS.iter().find(|(name, _)| *name == fold);
        members.is_some_and(|(_, members)| self.fields.opens(members))
    }

    fn protocols() -> Vec<Choice> {
        let mut all = vec![Choice::new("", "Not set: http")];
        all.extend(ServiceProtocol::WORDS.map(|word| Choice::new(word, word)));
        all
    }

    fn versions() -> [Choice; 3] {
        [
            Choice::new("auto", "What TLS agrees on, else HTTP/1.1"),
            Choice::new("1", "HTTP/1.1"),
            Choice::new("2", "HTTP/2, without TLS as well"),
        ]
    }

    fn client_addresses() -> [Choice; 3] {
        [
            Choice::new("off", "No"),
            Choice::new("v1", "PROXY protocol, version 1"),
            Choice::new("v2", "PROXY protocol, version 2"),
        ]
    }

    fn conditions() -> [Choice; 6] {
        [
            Choice::new("connect_failure", "No connection"),
            Choice::new("reset", "Broken connection"),
            Choice::new("timeout", "Timeout"),
            Choice::new("502", "502"),
            Choice::new("503", "503"),
            Choice::new("504", "504"),
        ]
    }
}
