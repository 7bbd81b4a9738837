//! From an empty installation to the first request.

use control::overview::Counts;
use control::{ListQuery, list};
use model::Kind;
use model::actor::Resource;
use model::route::{PathPattern, RouteSpec};

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
        let call = routes.items.iter().find_map(|route| call(&route.spec, proxy));
        Ok(Self {
            steps: steps(console, counts),
            call: call.unwrap_or_default(),
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

/// A line for the shell that a route answers, if one can be told from its rules alone.
fn call(route: &RouteSpec, proxy: &str) -> Option<String> {
    let get = route.methods.is_empty() || route.methods.iter().any(|method| method == "GET");
    if !route.enabled || !get || !route.headers.is_empty() {
        return None;
    }
    let path = match route.paths.first() {
        None => "/".to_owned(),
        Some(PathPattern::Prefix(path) | PathPattern::Exact(path)) => path.clone(),
        Some(PathPattern::Regex(_) | PathPattern::Parameters(_)) => return None,
    };
    let host = match route.hosts.first().map(ToString::to_string) {
        None => String::new(),
        Some(host) if host.contains('*') => return None,
        Some(host) => format!(" \\\n  -H 'Host: {host}'"),
    };
    Some(format!("curl -i {proxy}{path}{host}"))
}

#[cfg(test)]
mod tests {
    use model::{Draft as _, Errors, Noun as _};
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    fn of(mut route: Value) -> Option<String> {
        route["name"] = json!("a");
        route["service"] = json!(Uuid::nil());
        let submission = <RouteSpec as model::Noun>::Draft::read(&route);
        let spec = RouteSpec::validate(&submission.draft, &mut Errors::new()).expect("valid");
        call(&spec, "http://gate")
    }

    #[test]
    fn a_call_is_offered_only_where_the_route_tells_how() {
        assert_eq!(
            of(json!({"paths": ["/shop"]})).as_deref(),
            Some("curl -i http://gate/shop")
        );
        assert_eq!(
            of(json!({"hosts": ["shop.example"]})).as_deref(),
            Some("curl -i http://gate/ \\\n  -H 'Host: shop.example'")
        );
        for dark in [
            json!({"paths": ["/a/{id}"]}),
            json!({"hosts": ["*.example.com"]}),
            json!({"paths": ["/a"], "methods": ["POST"]}),
            json!({"paths": ["/a"], "enabled": false}),
        ] {
            assert_eq!(of(dark.clone()), None, "{dark}");
        }
    }
}
