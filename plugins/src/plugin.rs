//! What a plugin is, and what its compiled form may do with a request.

use bytes::Bytes;
use model::Errors;
use model::id::PluginId;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::exchange::{Exchange, Facts, Flow, Outcome, ResponseExchange};
use crate::services::Services;

/// When in the life of a request a plugin runs; phases run in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Size, address, origin: before anything is known of the caller.
    Guard,
    /// Finds out who calls.
    Authenticate,
    /// Decides whether they may.
    Authorize,
    /// Decides whether they may now.
    Limit,
    /// Checks what they sent.
    Validate,
    /// Changes what is forwarded.
    Transform,
    /// Answers from a cache.
    Cache,
    /// Answers in place of the service.
    Backend,
    /// Looks on.
    Observe,
}

impl Phase {
    /// Whether the caller is known by then, so that plugins of a consumer or a plan can apply.
    pub fn knows_consumer(self) -> bool {
        self > Self::Authenticate
    }
}

/// What happens when instances of one plugin apply at several scopes of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// All of them run.
    All,
    /// Only those at the nearest scope run: route before service before global.
    Nearest,
}

/// The configuration of a plugin, and how it becomes a filter.
///
/// The type is the plugin: its fields are the members that people set, with `#[serde(deny_unknown_fields)]`,
/// and its doc comments are the manual.
pub trait Plugin: DeserializeOwned + Serialize + JsonSchema + Send + Sync + 'static {
    /// The word that names it in the API.
    const NAME: &'static str;
    /// What people call it.
    const TITLE: &'static str;
    /// What it does, in one sentence.
    const SUMMARY: &'static str;
    /// The icon in the console, a lucide name.
    const ICON: &'static str;
    /// When it runs.
    const PHASE: Phase;
    /// What happens at several scopes.
    const COMBINE: Combine;
    /// Whether it finds out who calls: then subscriptions are checked after it.
    const AUTHENTICATES: bool = false;

    /// Checks what the types cannot; paths are those of the members, such as `limits.0.requests`.
    fn validate(&self, _errors: &mut Errors) {}

    /// One sentence about this configuration, for the console's chain: `600 per minute for each consumer`.
    fn describe(&self) -> String;

    /// Compiles a valid configuration; done once per change, not per request.
    fn filter(self, context: &Context<'_>) -> Result<Box<dyn Filter>, String>;
}

/// What a plugin may use while it compiles.
#[derive(Debug)]
pub struct Context<'a> {
    /// Which instance this is; counters are kept under it, so that they outlive a change of configuration.
    pub instance: PluginId,
    /// Time, counters and the like, which tests replace.
    pub services: &'a Services,
}

/// A compiled plugin instance. Every hook may be left out.
///
/// A hook must not block. Requests run through it in parallel.
pub trait Filter: Send + Sync {
    /// The request header is complete.
    fn on_request<'a>(&'a self, _exchange: &'a mut Exchange<'_>) -> Outcome<'a> {
        Outcome::Ready(Flow::Continue)
    }

    /// A piece of the request body; the last one comes with `end`.
    fn on_request_body(&self, _facts: &mut Facts, _piece: &mut Option<Bytes>, _end: bool) -> Flow {
        Flow::Continue
    }

    /// The response header is complete, also one that the gateway made itself.
    fn on_response(&self, _exchange: &mut ResponseExchange<'_>) {}

    /// A piece of the response body; the last one comes with `end`.
    fn on_response_body(&self, _facts: &mut Facts, _piece: &mut Option<Bytes>, _end: bool) {}

    /// The request is over.
    fn on_log(&self, _facts: &Facts) {}

    /// Query parameters that it reads credentials from; their values are never written down.
    fn secret_parameters(&self) -> &[String] {
        &[]
    }

    /// Whether it looks at request bodies; those that do not cost nothing per piece.
    fn reads_request_body(&self) -> bool {
        false
    }

    /// Whether it looks at response bodies.
    fn reads_response_body(&self) -> bool {
        false
    }
}
