//! Upstreams and their targets.

mod form;
mod live;
mod targets;

use actix_web::web;
use askama::Template;
use control::{ListQuery, upstreams};
use model::clock::Timestamp;
use model::service::ServiceSpec;
use model::upstream::{Algorithm, CheckKind, HashOn, TargetSpec, UpstreamSpec};
use model::{Kind, Stored};

use super::history::{self, Recent};
use super::listing::Listing;
use super::objects;
use crate::times::{self, Time};
use crate::{Area, Console, ConsolePage, PageResult, Query, text};
use live::Live;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/upstreams", web::get().to(list));
    objects::configure::<UpstreamSpec>(config);
    targets::configure(config);
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
#[template(path = "console/upstreams/show.html")]
struct ShowPage {
    page: ConsolePage,
    upstream: Stored<UpstreamSpec>,
    targets: Vec<Stored<TargetSpec>>,
    live: Live,
    total_weight: u64,
    services: Vec<Stored<ServiceSpec>>,
    recent: Recent,
    now: Timestamp,
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
    let health = upstreams::health(control, actor, &upstream.id.to_string()).await?;
    console.html(&ShowPage {
        page: page.crumb(Area::Upstreams.title(), Area::Upstreams.url()),
        total_weight: targets.iter().map(|target| u64::from(ShowPage::weight(target))).sum(),
        live: Live::of(health, control.now()),
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

fn hashed(on: Option<HashOn>, name: Option<&str>) -> String {
    let name = name.unwrap_or_default();
    match on {
        Some(HashOn::Consumer) => "the consumer".to_owned(),
        Some(HashOn::Header) => format!("the header {name}"),
        Some(HashOn::Cookie) => format!("the cookie {name}"),
        Some(HashOn::Path) => "the path".to_owned(),
        Some(HashOn::Query) => format!("the parameter {name}"),
        Some(HashOn::Ip) | None => "the client's address".to_owned(),
    }
}

impl ShowPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    /// The weight that counts: what is switched off or drains gets nothing.
    fn weight(target: &Stored<TargetSpec>) -> u16 {
        if target.spec.enabled && !target.spec.drain {
            target.spec.weight
        } else {
            0
        }
    }

    /// How requests are shared out, in words.
    fn balance(&self) -> String {
        let balance = &self.upstream.spec.balance;
        let words = match balance.algorithm {
            Algorithm::RoundRobin => "by weight, round robin".to_owned(),
            Algorithm::LeastConnections => "by weight and requests in flight".to_owned(),
            Algorithm::PeakEwma => "by latency and requests in flight".to_owned(),
            Algorithm::ConsistentHash => {
                format!("by a hash of {}", hashed(balance.hash_on, balance.hash_name.as_deref()))
            }
            Algorithm::StickyCookie => "by a cookie that keeps clients with their target".to_owned(),
        };
        format!("Requests are shared {words}")
    }

    /// What the upstream is set to, by what people call it.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let spec = &self.upstream.spec;
        let mut all = Vec::new();
        if spec.balance.slow_start_ms > 0 {
            all.push(("Slow start", text::milliseconds(spec.balance.slow_start_ms)));
        }
        all.push(("Checks", self.checks()));
        let passive = &spec.health.passive;
        let first = text::milliseconds(passive.ejection_ms);
        all.push((
            "Ejection",
            if passive.enabled {
                format!("for {first} and longer")
            } else {
                "off".to_owned()
            },
        ));
        let breaker = &spec.breaker;
        let opens = format!("opens after {} failures in a row", breaker.consecutive_failures);
        all.push(("Breaker", if breaker.enabled { opens } else { "off".to_owned() }));
        all.push(("All used below", format!("{}% healthy", spec.panic_threshold)));
        all
    }

    fn checks(&self) -> String {
        let Some(active) = &self.upstream.spec.health.active else {
            return "none".to_owned();
        };
        let kind = match active.kind {
            CheckKind::Http => "HTTP",
            CheckKind::Https => "HTTPS",
            CheckKind::Tcp => "TCP",
            CheckKind::Grpc => "gRPC",
            CheckKind::Grpcs => "gRPC over TLS",
        };
        let path = active
            .path
            .as_deref()
            .map(|path| format!(" {path}"))
            .unwrap_or_default();
        format!("{kind}{path} every {}", text::milliseconds(active.interval_ms))
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
