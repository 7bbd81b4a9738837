//! A plugin that panics costs one request its answer, and nothing else.

mod support;

use bytes::Bytes;
use gateway::Gateway;
use plugins::{
    Combine, Context, Exchange, Facts, Filter, Flow, Outcome, Phase, Plugin, PluginType, Registry, ResponseExchange,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use support::{Configuration, Upstream, get};

/// A plugin that breaks where it is told to.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Broken {
    place: String,
}

impl Plugin for Broken {
    const NAME: &'static str = "broken";
    const TITLE: &'static str = "Broken";
    const SUMMARY: &'static str = "Breaks.";
    const ICON: &'static str = "zap";
    const PHASE: Phase = Phase::Guard;
    const COMBINE: Combine = Combine::All;

    fn describe(&self) -> String {
        format!("breaks on {}", self.place)
    }

    fn filter(self, _context: &Context<'_>) -> Result<Box<dyn Filter>, String> {
        Ok(Box::new(self))
    }
}

impl Broken {
    fn here(&self, place: &str) {
        assert!(self.place != place, "this plugin breaks on {place}");
    }
}

impl Filter for Broken {
    fn on_request<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Outcome<'a> {
        self.here("request");
        if self.place == "later" {
            let path = exchange.facts.path.clone();
            return Outcome::Later(Box::pin(async move { panic!("this plugin breaks later on {path}") }));
        }
        Outcome::Ready(Flow::Continue)
    }

    fn on_response(&self, _exchange: &mut ResponseExchange<'_>) {
        self.here("response");
    }

    fn on_response_body(&self, _facts: &mut Facts, _piece: &mut Option<Bytes>, _end: bool) {
        self.here("body");
    }

    fn on_log(&self, _facts: &Facts) {
        self.here("log");
    }

    fn reads_response_body(&self) -> bool {
        true
    }
}

static PLUGINS: Registry = Registry::new(&[PluginType::of::<Broken>()]);

fn gateway_that_breaks(upstream: &Upstream, places: &[&str]) -> gateway::Running {
    let mut configuration = Configuration::new().service(1, &format!("http://{}", upstream.address));
    for (number, place) in (10..).zip(places) {
        let scope: Value = json!({"route": support::id(number)});
        configuration = configuration.route(number, 1, &format!("/{place}"));
        configuration = configuration.plugin(number + 100, "broken", scope, json!({"place": place}));
    }
    let mut config = configuration.route(2, 1, "/fine").config();
    config.plugins = &PLUGINS;
    Gateway::start(config).expect("a gateway")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_before_the_response_is_an_answer_with_the_id_of_the_request() {
    let upstream = Upstream::start().await;
    let running = gateway_that_breaks(&upstream, &["request", "later", "response"]);
    let address = running.proxy_addresses()[0];
    for place in ["request", "later", "response"] {
        let answer = get(address, &format!("/{place}"), &[]).await;
        assert_eq!(answer.status, 500, "{place}: {answer:?}");
        let problem: Value = serde_json::from_str(&answer.body).expect("a problem");
        assert_eq!(problem["reason"], "internal_error", "{place}");
        assert_eq!(
            Some(problem["request_id"].as_str().expect("an id")),
            answer.header("x-request-id")
        );
        assert_eq!(get(address, "/fine", &[]).await.status, 200, "after {place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_midst_of_a_response_breaks_it_visibly() {
    let upstream = Upstream::start().await;
    let running = gateway_that_breaks(&upstream, &["body"]);
    let address = running.proxy_addresses()[0];
    let answer = get(address, "/body", &[]).await;
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("2")));
    assert_eq!(answer.body, "", "less than was promised");
    assert_eq!(get(address, "/fine", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_after_the_response_changes_nothing() {
    let upstream = Upstream::start().await;
    let running = gateway_that_breaks(&upstream, &["log"]);
    let address = running.proxy_addresses()[0];
    let answer = get(address, "/log", &[]).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
}
