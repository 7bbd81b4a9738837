//! Accounts with certificate authorities that speak ACME.

use actix_web::web;
use askama::Template;
use control::ListQuery;
use model::acme_account::AcmeAccountSpec;
use model::certificate::CertificateSpec;
use model::clock::Timestamp;
use model::{Kind, Stored};

use super::super::history::{self, Recent};
use super::super::listing::Listing;
use super::super::objects::{self, FormState, Screen};
use super::super::references;
use super::life::Life;
use crate::diff::Diff;
use crate::fields::Field;
use crate::times::{self, Time};
use crate::{Area, Console, ConsolePage, Fields, PageError, PageResult, Query, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/acme-accounts", web::get().to(list));
    objects::configure::<AcmeAccountSpec>(config);
    config.route("/acme-accounts/{id}", web::get().to(show));
}

#[derive(Template)]
#[template(path = "console/certificates/accounts.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Stored<AcmeAccountSpec>>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "console/certificates/account_form.html")]
pub(in crate::console) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<AcmeAccountSpec>>,
    preview: Option<Diff>,
    authority: Field,
}

#[derive(Template)]
#[template(path = "console/certificates/account.html")]
struct ShowPage {
    page: ConsolePage,
    account: Stored<AcmeAccountSpec>,
    authority: Option<String>,
    certificates: Vec<Stored<CertificateSpec>>,
    recent: Recent,
    now: Timestamp,
}

impl Screen for AcmeAccountSpec {
    const AREA: Area = Area::Certificates;
    type FormPage = FormPage;

    async fn form_page(console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            page,
            fields,
            stored,
            preview,
        } = state;
        let label = ("ca_certificate", "CA certificate of the directory");
        let authority = references::field(console, &fields, label, Kind::CaCertificate, "What the system trusts");
        let authority = authority.await?;
        Ok(FormPage {
            page,
            fields,
            stored,
            preview,
            authority: authority.help("For an authority of your own, whose directory no public authority vouches for."),
        })
    }
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&["ca_certificate"])?;
    let found = control::list::<AcmeAccountSpec>(console.control(), console.actor(), &asked).await?;
    let shown = references::shown(&console, Kind::CaCertificate, query.get("ca_certificate")).await?;
    let listing = Listing::new(found, &asked, query, urls::console::list(Kind::AcmeAccount));
    let page = console.page("ACME accounts", Area::Certificates).await?;
    console.html(&ListPage {
        page: page.crumb(Area::Certificates.title(), Area::Certificates.url()),
        listing: listing.chip("CA certificate", "ca_certificate", shown),
        now: console.control().now(),
    })
}

async fn show(console: Console, id: web::Path<String>) -> PageResult {
    let (control, actor) = (console.control(), console.actor());
    let account = control::get::<AcmeAccountSpec>(control, actor, &id).await?;
    let its = ListQuery::all().with("acme_account", account.id);
    let certificates = control::list::<CertificateSpec>(control, actor, &its).await?.items;
    let authority = match account.spec.ca_certificate {
        Some(id) => references::shown(&console, Kind::CaCertificate, &id.to_string()).await?,
        None => None,
    };
    let page = console.page(account.spec.name.to_string(), Area::Certificates).await?;
    console.html(&ShowPage {
        page: page
            .crumb(Area::Certificates.title(), Area::Certificates.url())
            .crumb("ACME accounts", urls::console::list(Kind::AcmeAccount)),
        recent: history::recent(&console, account.id.0).await?,
        account,
        authority,
        certificates,
        now: control.now(),
    })
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
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
        let binding = self
            .stored
            .as_ref()
            .map(|stored| stored.spec.external_account.is_some());
        if binding == Some(true) {
            "It is never shown. Leave it empty to keep the stored one."
        } else {
            "As the authority shows it. It is sealed before it is stored, and never shown again."
        }
    }

    fn has_binding(&self) -> bool {
        let filled = |path: &str| !self.fields.shown(path).is_empty() || !self.fields.error(path).is_empty();
        ["external_account.kid", "external_account.hmac_key"]
            .into_iter()
            .any(filled)
    }
}

impl ShowPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn life(&self, certificate: &CertificateSpec) -> Life {
        Life::of_certificate(certificate, self.now)
    }
}
