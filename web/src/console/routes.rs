//! Routes: which requests lead to which service.

use actix_web::web;
use askama::Template;
use control::names;
use control::usage::{TopBy, UsageFilter};
use model::clock::Timestamp;
use model::route::{DEFAULT_BODY_BYTES, Layer, Protocol, RouteSpec};
use model::{Kind, Stored, Warning};
use plugins::REGISTRY;
use serde_json::{Value, json};

use super::history::{self, Recent};
use super::listing::Listing;
use super::matching::{self, Matching};
use super::objects::{self, FormState, Screen};
use super::references;
use super::traffic::{self, Traffic};
use crate::diff::Diff;
use crate::fields::Field;
use crate::times::{self, Time};
use crate::{Area, Choice, Console, ConsolePage, Fields, PageError, PageResult, Query};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/routes", web::get().to(list));
    objects::configure::<RouteSpec>(config);
    config.route("/routes/{id}", web::get().to(show));
}

/// Methods that the form offers; automation may use others.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[derive(Template)]
#[template(path = "console/routes/list.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Row>,
    now: Timestamp,
}

struct Row {
    stored: Stored<RouteSpec>,
    service: String,
    requests: i64,
    warning: Option<Warning>,
}

#[derive(Template)]
#[template(path = "console/routes/form.html")]
pub(super) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<RouteSpec>>,
    preview: Option<Diff>,
    service: Field,
}

#[derive(Template)]
#[template(path = "console/routes/show.html")]
struct ShowPage {
    page: ConsolePage,
    route: Stored<RouteSpec>,
    service: String,
    warning: Option<Warning>,
    traffic: Traffic,
    recent: Recent,
    call: String,
    now: Timestamp,
}

impl Screen for RouteSpec {
    const AREA: Area = Area::Routes;
    type FormPage = FormPage;

    async fn form_page(console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            page,
            fields,
            stored,
            preview,
        } = state;
        let member = ("service", "Service");
        let service = references::field(console, &fields, member, Kind::Service, "Choose a service").await?;
        Ok(FormPage {
            page,
            fields,
            stored,
            preview,
            service,
        })
    }

    fn prefill(query: &Query) -> Value {
        json!({ "service": query.get("service") })
    }
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&["service"])?;
    let found = control::list::<RouteSpec>(console.control(), console.actor(), &asked).await?;
    let services = found.items.iter().map(|stored| stored.spec.service.0);
    let services = names::of(console.control(), Kind::Service, services).await?;
    let counts = traffic::counts(&console, TopBy::Route, &found.items).await?;
    let mut warnings = control::routes::warnings(console.control(), console.actor(), &found.items).await?;
    let page = found.map(|stored| Row {
        service: services.get(&stored.spec.service.0).cloned().unwrap_or_default(),
        requests: counts.get(&stored.id.0).copied().unwrap_or(0),
        warning: warnings.remove(&stored.id),
        stored,
    });
    let service = references::shown(&console, Kind::Service, query.get("service")).await?;
    let listing = Listing::new(page, &asked, query, Area::Routes.url()).chip("Service", "service", service);
    let page = console.page("Routes", Area::Routes).await?;
    console.html(&ListPage {
        page,
        listing,
        now: console.control().now(),
    })
}

async fn show(console: Console, id: web::Path<String>) -> PageResult {
    let route = control::get::<RouteSpec>(console.control(), console.actor(), &id).await?;
    let service = route.spec.service.0;
    let service = names::of(console.control(), Kind::Service, [service])
        .await?
        .remove(&service);
    let alone = std::slice::from_ref(&route);
    let mut warnings = control::routes::warnings(console.control(), console.actor(), alone).await?;
    let page = console.page(route.spec.name.to_string(), Area::Routes).await?;
    let filter = UsageFilter {
        route: Some(route.id),
        ..UsageFilter::default()
    };
    console.html(&ShowPage {
        page: page.crumb(Area::Routes.title(), Area::Routes.url()),
        service: service.unwrap_or_default(),
        warning: warnings.remove(&route.id),
        traffic: traffic::of(&console, filter).await?,
        recent: history::recent(&console, route.id.0).await?,
        call: matching::call(
            &route.spec,
            &console.control().settings().proxy_url,
            asks_for_key(&console, &route).await?,
        ),
        route,
        now: console.control().now(),
    })
}

/// Whether a plugin of the route finds out who calls.
pub(super) async fn asks_for_key(console: &Console, route: &Stored<RouteSpec>) -> Result<bool, PageError> {
    let (id, service) = (Some(route.id), Some(route.spec.service));
    let chain = control::plugins::chain(console.control(), console.actor(), id, service).await?;
    let authenticates = |name: &str| REGISTRY.find(name).is_some_and(|plugin| plugin.authenticates);
    Ok(chain
        .iter()
        .any(|link| link.stored.spec.enabled && authenticates(&link.stored.spec.plugin)))
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

    fn has_no_service(&self) -> bool {
        self.service.offers() == 1
    }

    fn methods(&self) -> Vec<Choice> {
        let mut methods: Vec<String> = METHODS.map(str::to_owned).to_vec();
        // A method that automation set has its box too, so that saving keeps it.
        let set = self
            .stored
            .iter()
            .flat_map(|stored| stored.spec.methods.iter().cloned());
        methods.extend(set.filter(|method| !METHODS.contains(&method.as_str())));
        methods
            .into_iter()
            .map(|method| Choice::new(method.clone(), method))
            .collect()
    }

    fn protocols() -> Vec<Choice> {
        let choice = |protocol: Protocol| Choice::new(protocol.as_str(), protocol.as_str());
        Protocol::ALL.map(choice).to_vec()
    }

    fn logs() -> Vec<Choice> {
        vec![
            Choice::new("inherit", "As the gateway is set"),
            Choice::new("off", "No requests"),
            Choice::new("sampled", "Errors and a sample"),
            Choice::new("full", "All requests"),
        ]
    }

    fn slashes() -> Vec<Choice> {
        vec![
            Choice::new("reject", "Refuse the request"),
            Choice::new("keep", "Keep it as %2F"),
        ]
    }

    /// Whether what is folded away needs to be seen: something of it is set, at fault, or about to get a row.
    fn is_open(&self, members: &[&str]) -> bool {
        members.iter().any(|member| {
            let below = format!("{member}.");
            let is_at_fault = |path: &str| path == *member || path.starts_with(&below);
            self.is_set(member)
                || self.fields.wants_row(member)
                || self.fields.errors().iter().any(|error| is_at_fault(&error.path))
        })
    }

    fn is_set(&self, member: &str) -> bool {
        let default = match member {
            "priority" | "regex_priority" => "0",
            "encoded_slashes" => "reject",
            "merge_slashes" => "true",
            "protocols" => "http, https",
            "access_log" => "inherit",
            "max_body_bytes" => {
                return self.fields.shown(member).parse() != Ok(DEFAULT_BODY_BYTES) && self.is_filled(member);
            }
            _ => "",
        };
        self.is_filled(member) && self.fields.shown(member) != default
    }

    fn is_filled(&self, member: &str) -> bool {
        !matches!(self.fields.shown(member).as_str(), "" | "{}")
    }
}

impl ShowPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn matching(&self) -> Matching<'_> {
        Matching(&self.route.spec)
    }

    fn headers(&self) -> Vec<String> {
        let lines = self.route.spec.headers.iter();
        lines.map(|(name, values)| matching::header(name, values)).collect()
    }

    fn queries(&self) -> Vec<String> {
        let lines = self.route.spec.queries.iter();
        lines.map(|(name, values)| matching::query(name, values)).collect()
    }

    fn is_http(&self) -> bool {
        self.route.spec.layer() == Layer::Http
    }

    fn protocols(&self) -> String {
        let words = self.route.spec.protocols.iter().map(|protocol| protocol.as_str());
        words.collect::<Vec<_>>().join(", ")
    }

    fn ports(&self) -> String {
        let ports = self.route.spec.ports.iter().map(ToString::to_string);
        ports.collect::<Vec<_>>().join(", ")
    }

    /// What the route sets of the times, by what people call them.
    fn timeouts(&self) -> Vec<(&'static str, u32)> {
        let spec = &self.route.spec;
        let all = [
            ("To connect", spec.connect_timeout_ms),
            ("To the response", spec.response_timeout_ms),
            ("Silence", spec.idle_timeout_ms),
            ("In total", spec.timeout_ms),
        ];
        all.into_iter()
            .filter_map(|(words, value)| Some((words, value?)))
            .collect()
    }

    fn body_limit(&self) -> String {
        let bytes = self.route.spec.body_limit();
        bytes.map_or_else(|| "without bound".to_owned(), |bytes| format!("{bytes} bytes"))
    }
}
