//! From an empty installation to the first request.

use control::overview::Counts;
use control::{ListQuery, list};
use model::Kind;
use model::actor::Resource;
use model::route::{PathPattern, Protocol, RouteSpec};

use crate::console::matching;
use crate::console::routes::asks_for_key;
use crate::{Console, PageError, urls};

/// Routes that are looked at for one that is easy to call.
const LOOKED_AT: i64 = 20;

/// One thing to do before there can be traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) done: bool,
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    /// Where it is done, for who may.
    pub(super) href: Option<String>,
    pub(super) button: &'static str,
}

/// What is done, what is to do, and a call to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) steps: Vec<Step>,
    /// A call through the gateway, when there is a route for it.
    pub(super) call: String,
    /// Where the gateway answers.
    pub(super) proxy: String,
}

impl Start {
    pub(super) async fn find(console: &Console, counts: Counts) -> Result<Self, PageError> {
        let proxy = &console.control().settings().proxy_url;
        let query = ListQuery::first(LOOKED_AT);
        let routes = list::<RouteSpec>(console.control(), console.actor(), &query).await?;
        let route = routes.items.iter().find(|route| is_callable(&route.spec));
        let call = match route {
            Some(route) => matching::call(&route.spec, proxy, asks_for_key(console, route).await?),
            None => String::new(),
        };
        Ok(Self {
            steps: steps(console, counts),
            call,
            proxy: proxy.clone(),
        })
    }

    /// Whether this is the first thing that is still to do.
    pub(super) fn is_next(&self, step: &Step) -> bool {
        self.steps.iter().find(|step| !step.done) == Some(step)
    }
}

fn steps(console: &Console, counts: Counts) -> Vec<Step> {
    let make = |resource: Resource, kind: Kind| console.may(resource).then(|| urls::console::new(kind));
    vec![
        Step {
            done: true,
            title: "Make the first account",
            text: "Others are invited in the settings.",
            href: None,
            button: "",
        },
        Step {
            done: counts.services > 0,
            title: "Describe a service",
            text: "Where requests shall go: the URL of an API that you run.",
            href: make(Resource::Services, Kind::Service),
            button: "New service",
        },
        Step {
            done: counts.routes > 0,
            title: "Add a route to it",
            text: "Which requests go there, by path, host, method or header.",
            href: make(Resource::Routes, Kind::Route),
            button: "New route",
        },
    ]
}

/// Whether an example of what the route takes can be told from its rules.
fn is_callable(route: &RouteSpec) -> bool {
    let takes_anybody = route.snis.is_empty() && route.sources.is_empty() && route.protocols.contains(&Protocol::Http);
    route.enabled && takes_anybody && !matches!(route.paths.first(), Some(PathPattern::Regex(_)))
}
