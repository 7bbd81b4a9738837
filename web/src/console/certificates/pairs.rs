//! Certificates with their keys: the list with what is left of each, the form to paste PEM into, the page with its names.

use actix_web::web;
use askama::Template;
use control::ListQuery;
use model::certificate::{CertificateSpec, Details};
use model::clock::Timestamp;
use model::sni::{ClientAuth, SniSpec};
use model::{Kind, Stored};

use super::super::history::{self, Recent};
use super::super::listing::Listing;
use super::super::objects::{self, FormState, Screen};
use super::life::Life;
use crate::times::{self, Time};
use crate::{Area, Console, ConsolePage, Fields, PageError, PageResult, Query};

/// Names that a row shows.
const NAMES: usize = 2;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/certificates", web::get().to(list));
    objects::configure::<CertificateSpec>(config);
    config.route("/certificates/{id}", web::get().to(show));
}

#[derive(Template)]
#[template(path = "console/certificates/list.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Stored<CertificateSpec>>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "console/certificates/form.html")]
pub(in crate::console) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<CertificateSpec>>,
}

#[derive(Template)]
#[template(path = "console/certificates/show.html")]
struct ShowPage {
    page: ConsolePage,
    certificate: Stored<CertificateSpec>,
    snis: Vec<Stored<SniSpec>>,
    recent: Recent,
    now: Timestamp,
}

impl Screen for CertificateSpec {
    const AREA: Area = Area::Certificates;
    type FormPage = FormPage;

    async fn form_page(_console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            page, fields, stored, ..
        } = state;
        Ok(FormPage { page, fields, stored })
    }
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&["expires_before"])?;
    let found = control::list::<CertificateSpec>(console.control(), console.actor(), &asked).await?;
    let listing =
        Listing::new(found, &asked, query, Area::Certificates.url()).chip("Ends before", "expires_before", None);
    let page = console.page(Area::Certificates.title(), Area::Certificates).await?;
    console.html(&ListPage {
        page,
        listing,
        now: console.control().now(),
    })
}

async fn show(console: Console, id: web::Path<String>) -> PageResult {
    let (control, actor) = (console.control(), console.actor());
    let certificate = control::get::<CertificateSpec>(control, actor, &id).await?;
    let its = ListQuery::all().with("certificate", certificate.id);
    let snis = control::list::<SniSpec>(control, actor, &its).await?.items;
    let page = console
        .page(certificate.spec.name.to_string(), Area::Certificates)
        .await?;
    console.html(&ShowPage {
        page: page.crumb(Area::Certificates.title(), Area::Certificates.url()),
        recent: history::recent(&console, certificate.id.0).await?,
        certificate,
        snis,
        now: control.now(),
    })
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    /// Of two certificates the one that ends first.
    fn life(&self, certificate: &CertificateSpec) -> Life {
        let info = &certificate.info;
        let first = info.all().min_by_key(|details| details.not_after);
        Life::of(first.unwrap_or(&info.certificate), self.now)
    }

    /// The first names, and how many more there are.
    fn names(certificate: &CertificateSpec) -> String {
        let names = &certificate.info.certificate.names;
        let shown = names
            .iter()
            .take(NAMES)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        match names.len() {
            0 => "no names".to_owned(),
            count if count > NAMES => format!("{shown} and {} more", count - NAMES),
            _ => shown,
        }
    }

    fn key_types(certificate: &CertificateSpec) -> String {
        let types = certificate.info.all().map(|details| details.key_type.as_str());
        types.collect::<Vec<_>>().join(" + ")
    }
}

impl FormPage {
    fn action(&self) -> String {
        objects::action(self.stored.as_ref())
    }

    fn back(&self) -> String {
        objects::back(self.stored.as_ref())
    }

    fn key_help(&self) -> &'static str {
        if !self.fields.errors().is_empty() {
            "Paste it again: a key is never shown, so it is not here any more."
        } else if self.stored.is_some() {
            "It is never shown. Leave it empty to keep the stored one."
        } else {
            "Without passphrase. It is sealed before it is stored, and never shown again."
        }
    }
}

impl ShowPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn life(&self, details: &Details) -> Life {
        Life::of(details, self.now)
    }

    /// Both certificates under what they are called.
    fn pairs(&self) -> Vec<(&'static str, &Details)> {
        let info = &self.certificate.spec.info;
        let second = info.alternative.as_ref().map(|details| ("Second certificate", details));
        std::iter::once(("Certificate", &info.certificate))
            .chain(second)
            .collect()
    }

    fn is_default(&self) -> bool {
        self.certificate.spec.name.as_str() == "default"
    }

    fn clients(sni: &SniSpec) -> &'static str {
        match sni.client_auth {
            ClientAuth::Off => "Not asked",
            ClientAuth::Optional => "May show a certificate",
            ClientAuth::Required => "Must show a certificate",
        }
    }
}
