//! The authorities whose client certificates are accepted.

use actix_web::web;
use askama::Template;
use control::ListQuery;
use model::ca_certificate::CaCertificateSpec;
use model::clock::Timestamp;
use model::sni::SniSpec;
use model::{Kind, Stored};

use super::super::history::{self, Recent};
use super::super::listing::Listing;
use super::super::objects::{self, FormState, Screen};
use super::life::Life;
use crate::diff::Diff;
use crate::times::{self, Time};
use crate::{Area, Console, ConsolePage, Fields, PageError, PageResult, Query, text, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/ca-certificates", web::get().to(list));
    objects::configure::<CaCertificateSpec>(config);
    config.route("/ca-certificates/{id}", web::get().to(show));
}

#[derive(Template)]
#[template(path = "console/certificates/authorities.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Stored<CaCertificateSpec>>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "console/certificates/authority_form.html")]
pub(in crate::console) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<CaCertificateSpec>>,
    preview: Option<Diff>,
}

#[derive(Template)]
#[template(path = "console/certificates/authority.html")]
struct ShowPage {
    page: ConsolePage,
    authority: Stored<CaCertificateSpec>,
    snis: Vec<Stored<SniSpec>>,
    recent: Recent,
    now: Timestamp,
}

impl Screen for CaCertificateSpec {
    const AREA: Area = Area::Certificates;
    type FormPage = FormPage;

    async fn form_page(_console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            page,
            fields,
            stored,
            preview,
        } = state;
        Ok(FormPage {
            page,
            fields,
            stored,
            preview,
        })
    }
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&["expires_before"])?;
    let found = control::list::<CaCertificateSpec>(console.control(), console.actor(), &asked).await?;
    let listing = Listing::new(found, &asked, query, urls::console::list(Kind::CaCertificate));
    let page = console.page("CA certificates", Area::Certificates).await?;
    console.html(&ListPage {
        page: page.crumb(Area::Certificates.title(), Area::Certificates.url()),
        listing: listing.chip("Ends before", "expires_before", None),
        now: console.control().now(),
    })
}

async fn show(console: Console, id: web::Path<String>) -> PageResult {
    let (control, actor) = (console.control(), console.actor());
    let authority = control::get::<CaCertificateSpec>(control, actor, &id).await?;
    let its = ListQuery::all().with("ca_certificate", authority.id);
    let snis = control::list::<SniSpec>(control, actor, &its).await?.items;
    let page = console
        .page(authority.spec.name.to_string(), Area::Certificates)
        .await?;
    let list = urls::console::list(Kind::CaCertificate);
    console.html(&ShowPage {
        page: page
            .crumb(Area::Certificates.title(), Area::Certificates.url())
            .crumb("CA certificates", list),
        recent: history::recent(&console, authority.id.0).await?,
        authority,
        snis,
        now: control.now(),
    })
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn life(&self, authority: &CaCertificateSpec) -> Life {
        Life::of(&authority.info.certificate, self.now)
    }
}

impl FormPage {
    fn action(&self) -> String {
        objects::action(self.stored.as_ref())
    }

    fn back(&self) -> String {
        objects::back(self.stored.as_ref())
    }
}

impl ShowPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn day(at: &Timestamp) -> String {
        text::date(*at)
    }

    fn life(&self) -> Life {
        Life::of(&self.authority.spec.info.certificate, self.now)
    }
}
