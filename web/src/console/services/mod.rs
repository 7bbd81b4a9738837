//! Services: the APIs behind the gateway.

mod form;

use actix_web::web;
use askama::Template;
use control::usage::{TopBy, UsageFilter};
use control::{ListQuery, names};
use model::clock::Timestamp;
use model::route::RouteSpec;
use model::service::{HttpVersion, ProxyProtocol, RetryOn, Scheme, ServiceSpec};
use model::{Kind, Stored};

use super::history::{self, Recent};
use super::listing::Listing;
use super::objects;
use super::references;
use super::traffic::{self, Traffic};
use crate::times::{self, Time};
use crate::{Area, Console, ConsolePage, PageError, PageResult, Query, text, urls};

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
#[template(path = "console/services/show.html")]
struct ShowPage {
    page: ConsolePage,
    service: Stored<ServiceSpec>,
    leads_to: String,
    links: Vec<Link>,
    routes: Vec<Stored<RouteSpec>>,
    more_routes: bool,
    traffic: Traffic,
    recent: Recent,
    now: Timestamp,
}

/// Another object that the service needs, and what for.
struct Link {
    what: &'static str,
    name: String,
    href: String,
}

/// Routes that the page of a service shows.
const ROUTES_SHOWN: i64 = 50;

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
        links: links(&console, &service.spec).await?,
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

/// The objects that a service refers to; those that are gone are left out.
async fn links(console: &Console, service: &ServiceSpec) -> Result<Vec<Link>, PageError> {
    let mirror: Vec<_> = service.mirror.iter().map(|mirror| mirror.service.0).collect();
    let client_certificate: Vec<_> = service.tls.client_certificate.into_iter().collect();
    let all = [
        ("Copies to", Kind::Service, &mirror),
        ("Trusted CA", Kind::CaCertificate, &service.tls.ca_certificates),
        ("Shows", Kind::Certificate, &client_certificate),
    ];
    let mut links = Vec::new();
    for (what, kind, ids) in all {
        let known = names::of(console.control(), kind, ids.iter().copied()).await?;
        links.extend(ids.iter().filter_map(|id| known.get(id)).map(|name| Link {
            what,
            name: name.clone(),
            href: urls::console::object(kind, name),
        }));
    }
    Ok(links)
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}

impl ShowPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    /// What it is set to, by what people call it; what is usual goes without saying but for times and retries.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let spec = &self.service.spec;
        let mut all = vec![
            ("Connect within", text::milliseconds(spec.connect_timeout_ms)),
            ("Response within", text::milliseconds(spec.response_timeout_ms)),
            ("Longest silence", text::milliseconds(spec.idle_timeout_ms)),
        ];
        if let Some(total) = spec.timeout_ms {
            all.push(("In total", text::milliseconds(total)));
        }
        all.push(("Retries", self.retries()));
        match spec.http_version {
            HttpVersion::Auto => {}
            HttpVersion::One => all.push(("Version", "HTTP/1.1".to_owned())),
            HttpVersion::Two => all.push(("Version", "HTTP/2".to_owned())),
        }
        match spec.proxy_protocol {
            ProxyProtocol::Off => {}
            ProxyProtocol::V1 => all.push(("PROXY protocol", "version 1".to_owned())),
            ProxyProtocol::V2 => all.push(("PROXY protocol", "version 2".to_owned())),
        }
        if let Some(mirror) = &spec.mirror {
            all.push(("Mirrored", format!("{}% of requests", mirror.percent)));
        }
        if let Some(name) = &spec.tls.tls_server_name {
            all.push(("Must prove", name.clone()));
        }
        all
    }

    fn retries(&self) -> String {
        let retry = &self.service.spec.retry;
        if retry.retries == 0 || retry.retry_on.is_empty() {
            return "none".to_owned();
        }
        let words = retry.retry_on.iter().map(|condition| match condition {
            RetryOn::ConnectFailure => "no connection",
            RetryOn::Reset => "broken connection",
            RetryOn::Timeout => "timeout",
            RetryOn::Status502 => "502",
            RetryOn::Status503 => "503",
            RetryOn::Status504 => "504",
        });
        format!("{}, after {}", retry.retries, words.collect::<Vec<_>>().join(", "))
    }

    fn is_encrypted(&self) -> bool {
        self.service.spec.scheme() == Scheme::Https
    }
}
