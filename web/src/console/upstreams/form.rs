//! The form of an upstream: how it shares requests out, and when it trusts a target.

use askama::Template;
use model::upstream::{Health, UpstreamSpec};
use model::{Kind, Stored};
use serde_json::{Value, json};

use super::super::objects::{self, FormState, Screen};
use super::super::references;
use crate::diff::Diff;
use crate::fields::Field;
use crate::{Area, Choice, Console, ConsolePage, Fields, PageError, Query};

#[derive(Template)]
#[template(path = "console/upstreams/form.html")]
pub(in crate::console) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<UpstreamSpec>>,
    preview: Option<Diff>,
    authorities: Field,
    client_certificate: Field,
}

impl Screen for UpstreamSpec {
    const AREA: Area = Area::Upstreams;
    type FormPage = FormPage;

    async fn form_page(console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            page,
            fields,
            stored,
            preview,
        } = state;
        let signers = (
            "health.active.ca_certificates",
            "CA certificates that may have signed theirs",
        );
        let authorities = references::checks(console, &fields, signers, Kind::CaCertificate).await?;
        let shown = ("health.active.client_certificate", "Certificate that checks show");
        let client_certificate = references::field(console, &fields, shown, Kind::Certificate, "None").await?;
        Ok(FormPage {
            page,
            fields,
            stored,
            preview,
            authorities,
            client_certificate: client_certificate.help("For targets that ask who calls."),
        })
    }

    /// Lists have no empty input that stands for their default, so they begin with it.
    fn prefill(_query: &Query) -> Value {
        let statuses = Health::default().passive.failure_statuses;
        json!({ "health": { "passive": { "failure_statuses": statuses } } })
    }
}

/// What is folded away with its usual values, by the name of the fold.
const FOLDS: [(&str, &[(&str, &str)]); 4] = [
    (
        "checks",
        &[
            ("health.active.host", ""),
            ("health.active.interval_ms", "5000"),
            ("health.active.timeout_ms", "1000"),
            ("health.active.healthy_threshold", "2"),
            ("health.active.unhealthy_threshold", "3"),
            ("health.active.statuses", ""),
        ],
    ),
    (
        "trust",
        &[
            ("health.active.tls_verify", "true"),
            ("health.active.tls_server_name", ""),
            ("health.active.ca_certificates", ""),
            ("health.active.client_certificate", ""),
        ],
    ),
    (
        "ejection",
        &[
            ("health.passive.failure_statuses", "502, 503, 504"),
            ("health.passive.status_failures", "5"),
            ("health.passive.timeouts", "5"),
            ("health.passive.resets", "3"),
            ("health.passive.ejection_ms", "10000"),
            ("health.passive.max_ejection_ms", "300000"),
        ],
    ),
    (
        "breaker",
        &[
            ("breaker.consecutive_failures", "7"),
            ("breaker.success_rate", "0.8"),
            ("breaker.window_ms", "10000"),
            ("breaker.min_requests", "20"),
            ("breaker.backoff_ms", "1000"),
            ("breaker.max_backoff_ms", "60000"),
        ],
    ),
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

    fn algorithms() -> [Choice; 5] {
        [
            Choice::new("round_robin", "Round robin: each in its turn"),
            Choice::new("least_connections", "Least connections: the least busy"),
            Choice::new("peak_ewma", "Peak EWMA: the quicker of two"),
            Choice::new("consistent_hash", "Consistent hash: same value, same one"),
            Choice::new("sticky_cookie", "Sticky cookie: the one from before"),
        ]
    }

    fn hashed() -> [Choice; 7] {
        [
            Choice::new("", "Not set"),
            Choice::new("consumer", "The consumer"),
            Choice::new("ip", "The client's address"),
            Choice::new("header", "A header"),
            Choice::new("cookie", "A cookie"),
            Choice::new("path", "The path"),
            Choice::new("query", "A query parameter"),
        ]
    }

    fn fallbacks() -> [Choice; 4] {
        [
            Choice::new("", "None: round robin"),
            Choice::new("consumer", "The consumer"),
            Choice::new("ip", "The client's address"),
            Choice::new("path", "The path"),
        ]
    }

    fn checks() -> [Choice; 6] {
        [
            Choice::new("", "No checks"),
            Choice::new("http", "HTTP: GET a path"),
            Choice::new("https", "HTTPS: GET a path over TLS"),
            Choice::new("tcp", "TCP: open a connection"),
            Choice::new("grpc", "gRPC: its health protocol"),
            Choice::new("grpcs", "gRPC: its health protocol over TLS"),
        ]
    }
}
