//! The names that a certificate answers; each is seen on the certificate's page.

use actix_web::web;
use askama::Template;
use control::names;
use model::sni::SniSpec;
use model::{Kind, Stored};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::objects::{self, FormState, Screen};
use super::super::references;
use crate::diff::Diff;
use crate::fields::Field;
use crate::{Area, Choice, Console, ConsolePage, Fields, PageError, PageResult, Query, urls};

/// Authorities that the form offers.
const AUTHORITIES: i64 = 100;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    objects::configure::<SniSpec>(config);
    config.route("/snis/{id}", web::get().to(open));
}

#[derive(Template)]
#[template(path = "console/certificates/sni.html")]
pub(in crate::console) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<SniSpec>>,
    preview: Option<Diff>,
    certificate: Field,
    authorities: Vec<Choice>,
    back: String,
}

impl Screen for SniSpec {
    const AREA: Area = Area::Certificates;
    type FormPage = FormPage;

    async fn form_page(console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            page,
            fields,
            stored,
            preview,
        } = state;
        let certificate = references::field(
            console,
            &fields,
            ("certificate", "Certificate"),
            Kind::Certificate,
            "Choose one",
        );
        let certificate = certificate.await?;
        let chosen = stored.iter().flat_map(|stored| &stored.spec.ca_certificates);
        let authorities = authorities(console, chosen.map(|id| id.0).collect()).await?;
        let shown = fields.shown("certificate");
        let back = if shown.is_empty() {
            Area::Certificates.url()
        } else {
            home(&shown)
        };
        Ok(FormPage {
            page,
            fields,
            stored,
            preview,
            certificate,
            authorities,
            back,
        })
    }

    fn prefill(query: &Query) -> Value {
        json!({ "certificate": query.get("certificate") })
    }

    fn place(stored: &Stored<Self>) -> String {
        home(stored.spec.certificate)
    }

    fn after_delete(stored: &Stored<Self>) -> String {
        home(stored.spec.certificate)
    }
}

fn home(certificate: impl std::fmt::Display) -> String {
    urls::console::object(Kind::Certificate, certificate)
}

/// The authorities to choose from; what is chosen has its box, so that saving keeps it.
async fn authorities(console: &Console, chosen: Vec<Uuid>) -> Result<Vec<Choice>, PageError> {
    let (mut known, _) = names::choices(console.control(), Kind::CaCertificate, AUTHORITIES).await?;
    let is_hidden = |id: &Uuid| !known.iter().any(|(shown, _)| shown == id);
    let hidden: Vec<Uuid> = chosen.into_iter().filter(is_hidden).collect();
    known.extend(names::of(console.control(), Kind::CaCertificate, hidden).await?);
    Ok(known
        .into_iter()
        .map(|(id, name)| Choice::new(id.to_string(), name))
        .collect())
}

/// The page of a name is that of its certificate.
async fn open(console: Console, id: web::Path<String>) -> PageResult {
    let stored = control::get::<SniSpec>(console.control(), console.actor(), &id).await?;
    console.redirect(SniSpec::place(&stored))
}

impl FormPage {
    fn action(&self) -> String {
        objects::action(self.stored.as_ref())
    }

    fn client_auths() -> [Choice; 3] {
        [
            Choice::new("off", "Clients are not asked"),
            Choice::new("optional", "Clients may show a certificate"),
            Choice::new("required", "Clients must show a certificate"),
        ]
    }

    fn versions() -> [Choice; 2] {
        [Choice::new("1.2", "TLS 1.2"), Choice::new("1.3", "TLS 1.3")]
    }
}
