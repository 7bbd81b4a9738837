//! Services: the APIs behind the gateway.

use actix_web::web;
use askama::Template;
use control::usage::{TopBy, UsageFilter};
use control::{ListQuery, names};
use model::clock::Timestamp;
use model::route::RouteSpec;
use model::service::{Scheme, ServiceSpec};
use model::{Kind, Stored};
use serde_json::{Value, json};

use super::history::{self, Recent};
use super::listing::Listing;
use super::objects::{self, FormState, Screen};
use super::references;
use super::traffic::{self, Traffic};
use crate::diff::Diff;
use crate::fields::Field;
use crate::times::{self, Time};
use crate::{Area, Choice, Console, ConsolePage, Fields, PageError, PageResult, Query, text};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/services", web::get().to(list));
    objects::configure::<ServiceSpec>(config);
    config.route("/services/{id}", web::get().to(show));
}

#[derive(Template)]
#[template(path = "console/services/list.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Row>,
    now: Timestamp,
}

struct Row {
    stored: Stored<ServiceSpec>,
    leads_to: String,
    requests: i64,
}

#[derive(Template)]
#[template(path = "console/services/form.html")]
pub(super) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<ServiceSpec>>,
    preview: Option<Diff>,
    upstream: Field,
}

#[derive(Template)]
#[template(path = "console/services/show.html")]
struct ShowPage {
    page: ConsolePage,
    service: Stored<ServiceSpec>,
    leads_to: String,
    routes: Vec<Stored<RouteSpec>>,
    more_routes: bool,
    traffic: Traffic,
    recent: Recent,
    now: Timestamp,
}

/// Routes that the page of a service shows.
const ROUTES_SHOWN: i64 = 50;

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
        let (member, none) = (("upstream", "Upstream"), "None, the URL says where it is");
        let upstream = references::field(console, &fields, member, Kind::Upstream, none).await?;
        Ok(FormPage {
            page,
            fields,
            stored,
            preview,
            upstream,
        })
    }

    fn prefill(query: &Query) -> Value {
        json!({ "upstream": query.get("upstream") })
    }
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&["upstream"])?;
    let found = control::list::<ServiceSpec>(console.control(), console.actor(), &asked).await?;
    let ids = found
        .items
        .iter()
        .filter_map(|stored| stored.spec.upstream)
        .map(|id| id.0);
    let upstreams = names::of(console.control(), Kind::Upstream, ids).await?;
    let counts = traffic::counts(&console, TopBy::Service, &found.items).await?;
    let page = found.map(|stored| Row {
        leads_to: leads_to(&stored.spec, |id| upstreams.get(&id).cloned()),
        requests: counts.get(&stored.id.0).copied().unwrap_or(0),
        stored,
    });
    let upstream = references::shown(&console, Kind::Upstream, query.get("upstream")).await?;
    let listing = Listing::new(page, &asked, query, Area::Services.url()).chip("Upstream", "upstream", upstream);
    let page = console.page("Services", Area::Services).await?;
    console.html(&ListPage {
        page,
        listing,
        now: console.control().now(),
    })
}

/// Where requests go, as people read it.
fn leads_to(service: &ServiceSpec, upstream: impl Fn(uuid::Uuid) -> Option<String>) -> String {
    match (&service.url, service.upstream) {
        (Some(url), _) => url.as_str().trim_end_matches('/').to_owned(),
        (None, Some(id)) => {
            let name = upstream(id.0).unwrap_or_else(|| id.to_string());
            format!("{}://{name}{}", service.scheme().as_str(), service.base_path())
        }
        (None, None) => String::new(),
    }
}

async fn show(console: Console, id: web::Path<String>) -> PageResult {
    let service = control::get::<ServiceSpec>(console.control(), console.actor(), &id).await?;
    let upstream = names::of(console.control(), Kind::Upstream, service.spec.upstream.map(|id| id.0)).await?;
    let mut routes = ListQuery::default().with("service", service.id);
    routes.limit = ROUTES_SHOWN;
    let routes = control::list::<RouteSpec>(console.control(), console.actor(), &routes).await?;
    let page = console.page(service.spec.name.to_string(), Area::Services).await?;
    console.html(&ShowPage {
        page: page.crumb(Area::Services.title(), Area::Services.url()),
        leads_to: leads_to(&service.spec, |id| upstream.get(&id).cloned()),
        more_routes: routes.next_cursor.is_some(),
        routes: routes.items,
        traffic: traffic::of(
            &console,
            UsageFilter {
                service: Some(service.id),
                ..Default::default()
            },
        )
        .await?,
        recent: history::recent(&console, service.id.0).await?,
        service,
        now: console.control().now(),
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

    fn protocols() -> Vec<Choice> {
        vec![
            Choice::new("", "Not set: http"),
            Choice::new("http", "http"),
            Choice::new("https", "https"),
        ]
    }

    /// Whether what is folded away needs to be seen.
    fn has_limits(&self) -> bool {
        let folded = [
            "connect_timeout_ms",
            "response_timeout_ms",
            "idle_timeout_ms",
            "retries",
        ];
        folded.iter().any(|path| self.fields.errors().at(path).is_some())
    }

    fn with_upstream(&self) -> bool {
        !self.fields.shown("upstream").is_empty()
    }
}

impl ShowPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    /// The timeouts, by what they are for.
    fn timeouts(&self) -> [(&'static str, String); 3] {
        let spec = &self.service.spec;
        let words = |milliseconds| text::duration(std::time::Duration::from_millis(u64::from(milliseconds)));
        [
            ("Connect within", words(spec.connect_timeout_ms)),
            ("Response within", words(spec.response_timeout_ms)),
            ("Longest silence", words(spec.idle_timeout_ms)),
        ]
    }

    fn is_encrypted(&self) -> bool {
        self.service.spec.scheme() == Scheme::Https
    }
}
