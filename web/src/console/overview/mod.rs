//! The first page: how the traffic goes, what needs somebody, and what changed last.

mod attention;
mod figures;
mod start;

use actix_web::web;
use askama::Template;
use control::overview::{self, BusyRoute, Counts};
use control::revisions::{self, Revision};
use control::usage::{self, Span, UsageFilter};
use control::{ListQuery, gateways};
use model::Kind;
use model::actor::Resource;
use model::clock::Timestamp;
use time::Duration;

use super::matching::Matching;
use crate::charts::Chart;
use crate::times::{self, Time};
use crate::{Area, Console, ConsolePage, PageError, PageResult, Query, text, urls};
use attention::Attention;
use figures::{Tile, Traffic};
use start::Start;

/// Routes in the table of the busiest.
const BUSIEST: usize = 6;
/// Revisions in the list of recent changes.
const RECENT: i64 = 5;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("", web::get().to(show));
}

/// A span of time to look at: its word in the address, what people read, its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    word: &'static str,
    label: &'static str,
    length: Duration,
}

const RANGES: [Range; 3] = [
    Range {
        word: "1h",
        label: "last hour",
        length: Duration::hours(1),
    },
    Range {
        word: "24h",
        label: "last 24 hours",
        length: Duration::hours(24),
    },
    Range {
        word: "7d",
        label: "last 7 days",
        length: Duration::days(7),
    },
];

impl Range {
    /// The one that the address asks for; a day without or with an unknown word.
    fn of(word: &str) -> Self {
        RANGES.into_iter().find(|range| range.word == word).unwrap_or(RANGES[1])
    }
}

#[derive(Template)]
#[template(path = "console/overview/show.html")]
struct OverviewPage {
    page: ConsolePage,
    range: Range,
    tiles: Vec<Tile>,
    traffic: Chart,
    latency: Chart,
    requests: i64,
    /// What is still to be done before the first request, or how to send one.
    start: Start,
    attention: Vec<Attention>,
    busiest: Vec<BusyRoute>,
    counts: Counts,
    recent: Vec<Revision>,
    now: Timestamp,
}

async fn show(console: Console, query: Query) -> PageResult {
    let (control, actor, now) = (console.control(), console.actor(), console.control().now());
    let range = Range::of(query.get("span"));
    let span = Span::last(now, range.length);
    let counts = overview::counts(control, actor).await?;
    let traffic = traffic(&console, span).await?;
    let recent = revisions::list(control, actor, &ListQuery::first(RECENT)).await?.items;
    let all = gateways::list(control, actor).await?;
    let conditions = overview::conditions(control, actor).await?;
    let failing = overview::failing_targets(control, actor).await?;
    let state = attention::State {
        gateways: &all,
        newest: recent.first(),
        conditions: &conditions,
        failing: &failing,
    };
    console.html(&OverviewPage {
        page: console.page("Overview", Area::Overview).await?,
        range,
        tiles: figures::tiles(&traffic),
        traffic: figures::by_status(&traffic, range.label),
        latency: figures::latency(&traffic.points, range.label),
        requests: traffic.now.requests,
        start: Start::find(&console, counts).await?,
        attention: attention::find(&state, now),
        busiest: overview::busiest_routes(control, actor, span, BUSIEST).await?,
        counts,
        recent,
        now,
    })
}

async fn traffic(console: &Console, span: Span) -> Result<Traffic, PageError> {
    let (control, actor, all) = (console.control(), console.actor(), UsageFilter::default());
    Ok(Traffic {
        now: usage::summary(control, actor, span, all).await?,
        before: usage::summary(control, actor, span.before(), all).await?,
        points: usage::series(control, actor, span, all).await?,
        consumers: overview::active_consumers(control, actor, span).await?,
        consumers_before: overview::active_consumers(control, actor, span.before()).await?.total,
    })
}

impl OverviewPage {
    fn is_new(&self) -> bool {
        self.counts.services == 0 || self.counts.routes == 0
    }

    fn welcome(&self) -> &'static str {
        if self.counts.services == 0 {
            "Two steps, and the first request goes through the gateway."
        } else {
            "One more step, and the first request goes through the gateway."
        }
    }

    fn lead(&self) -> String {
        format!("All traffic in the {}.", self.range.label)
    }

    fn is_quiet(&self) -> bool {
        self.requests == 0
    }

    fn quiet(&self) -> String {
        format!("Nothing came through the gateway in the {}.", self.range.label)
    }

    fn all_routes(&self) -> String {
        match self.counts.routes {
            1 => "The route".to_owned(),
            many => format!("All {} routes", text::count(many)),
        }
    }

    fn ranges(&self) -> Vec<(&'static str, String, bool)> {
        let link = |range: Range| urls::with_query(urls::console::HOME, &[("span", range.word)]);
        RANGES
            .into_iter()
            .map(|range| (range.word, link(range), range == self.range))
            .collect()
    }

    /// How much of all traffic a route has, in percent.
    fn share(&self, busy: &BusyRoute) -> i64 {
        busy.top.requests * 100 / self.requests.max(1)
    }

    /// The part of its requests that failed, and the class for it.
    fn errors(busy: &BusyRoute) -> (String, &'static str) {
        let percent = figures::percent(busy.top.errors, busy.top.requests).unwrap_or(0.0);
        (
            format!("{}%", text::trim(percent)),
            if percent >= 5.0 { "bad-t" } else { "" },
        )
    }

    fn p95(busy: &BusyRoute) -> String {
        let shown = |ms: f64| format!("{} ms", text::trim(ms));
        busy.top.p95_ms.map_or_else(|| "–".to_owned(), shown)
    }

    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}
