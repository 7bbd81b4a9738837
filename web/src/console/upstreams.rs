//! Upstreams and their targets.

use actix_web::web;
use askama::Template;
use control::ListQuery;
use model::clock::Timestamp;
use model::service::ServiceSpec;
use model::upstream::{TargetSpec, UpstreamSpec};
use model::{Kind, Stored};
use serde_json::{Value, json};

use super::history::{self, Recent};
use super::listing::Listing;
use super::objects::{self, FormState, Screen};
use crate::diff::Diff;
use crate::times::{self, Time};
use crate::{Area, Console, ConsolePage, Fields, PageError, PageResult, Query, text, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/upstreams", web::get().to(list));
    objects::configure::<UpstreamSpec>(config);
    objects::configure::<TargetSpec>(config);
    config.route("/upstreams/{id}", web::get().to(show));
}

#[derive(Template)]
#[template(path = "console/upstreams/list.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Stored<UpstreamSpec>>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "console/upstreams/form.html")]
pub(super) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<UpstreamSpec>>,
    preview: Option<Diff>,
}

#[derive(Template)]
#[template(path = "console/upstreams/target.html")]
pub(super) struct TargetPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<TargetSpec>>,
    preview: Option<Diff>,
    back: String,
}

#[derive(Template)]
#[template(path = "console/upstreams/show.html")]
struct ShowPage {
    page: ConsolePage,
    upstream: Stored<UpstreamSpec>,
    targets: Vec<Stored<TargetSpec>>,
    total_weight: u64,
    services: Vec<Stored<ServiceSpec>>,
    recent: Recent,
    now: Timestamp,
}

impl Screen for UpstreamSpec {
    const AREA: Area = Area::Upstreams;
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

    fn prefill(_query: &Query) -> Value {
        json!({})
    }
}

impl Screen for TargetSpec {
    const AREA: Area = Area::Upstreams;
    type FormPage = TargetPage;

    async fn form_page(_console: &Console, state: FormState<Self>) -> Result<TargetPage, PageError> {
        let FormState {
            page,
            fields,
            stored,
            preview,
        } = state;
        let upstream = fields.shown("upstream");
        let back = if upstream.is_empty() {
            Area::Upstreams.url()
        } else {
            home(&upstream)
        };
        Ok(TargetPage {
            page,
            fields,
            stored,
            preview,
            back,
        })
    }

    fn prefill(query: &Query) -> Value {
        json!({ "upstream": query.get("upstream") })
    }

    fn place(stored: &Stored<Self>) -> String {
        home(stored.spec.upstream)
    }

    fn after_delete(stored: &Stored<Self>) -> String {
        home(stored.spec.upstream)
    }

    fn title(stored: &Stored<Self>) -> String {
        stored.spec.address.as_str().to_owned()
    }
}

fn home(upstream: impl std::fmt::Display) -> String {
    urls::console::object(Kind::Upstream, upstream)
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&[])?;
    let found = control::list::<UpstreamSpec>(console.control(), console.actor(), &asked).await?;
    let listing = Listing::new(found, &asked, query, Area::Upstreams.url());
    let page = console.page("Upstreams", Area::Upstreams).await?;
    console.html(&ListPage {
        page,
        listing,
        now: console.control().now(),
    })
}

async fn show(console: Console, id: web::Path<String>) -> PageResult {
    let (control, actor) = (console.control(), console.actor());
    let upstream = control::get::<UpstreamSpec>(control, actor, &id).await?;
    let its = ListQuery::all().with("upstream", upstream.id);
    let targets = control::list::<TargetSpec>(control, actor, &its).await?.items;
    let services = control::list::<ServiceSpec>(control, actor, &its).await?.items;
    let page = console.page(upstream.spec.name.to_string(), Area::Upstreams).await?;
    let serving = targets.iter().filter(|target| target.spec.enabled);
    console.html(&ShowPage {
        page: page.crumb(Area::Upstreams.title(), Area::Upstreams.url()),
        total_weight: serving.map(|target| u64::from(target.spec.weight)).sum(),
        targets,
        services,
        recent: history::recent(&console, upstream.id.0).await?,
        upstream,
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
}

impl TargetPage {
    fn action(&self) -> String {
        objects::action(self.stored.as_ref())
    }
}

impl ShowPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    /// The weight that counts: what is switched off gets nothing.
    fn weight(target: &Stored<TargetSpec>) -> u16 {
        if target.spec.enabled { target.spec.weight } else { 0 }
    }

    fn share(&self, target: &Stored<TargetSpec>) -> String {
        let weight = u64::from(Self::weight(target));
        if self.total_weight == 0 {
            return "0%".to_owned();
        }
        format!("{}%", (weight * 100 + self.total_weight / 2) / self.total_weight)
    }

    fn serves(&self) -> String {
        let serving = self.targets.iter().filter(|target| Self::weight(target) > 0).count();
        format!(
            "{serving} of {}",
            text::plural(
                i64::try_from(self.targets.len()).unwrap_or(i64::MAX),
                "target",
                "targets"
            )
        )
    }
}
