//! A route: a match rule that leads to a service.

pub mod canonical;
pub mod host;
mod limits;
pub mod path;
mod protocol;
mod rank;
mod shadow;
mod sni;
mod source;
pub mod split;
mod validate;
mod value;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::ServiceId;
use crate::name::Name;

pub use host::{HostName, HostPattern};
pub use limits::{AccessLog, DEFAULT_BODY_BYTES, Timeouts};
pub use path::{PathPattern, Segment};
pub use protocol::{Layer, Protocol, RequestKind};
pub use rank::Rank;
pub use sni::SniPattern;
pub use source::SourceNetwork;
pub use value::{Case, ValuePattern, Values};

crate::draft! {
    /// A route as it is sent. All kinds of condition that are given must match, within a kind any entry may; at least
    /// one of `hosts`, `paths`, `methods`, `headers`, `queries`, `snis` and `sources` must be given, for `tls` one of
    /// `snis` and `ports`, for `tcp` `ports`.
    pub struct RouteDraft {
        /// Unique name.
        #[schema(example = "list-orders")]
        pub name: Option<String>,
        /// Id or name of the service it leads to.
        #[schema(example = "orders")]
        pub service: Option<String>,
        /// How clients may connect; default `http` and `https`, which take every HTTP request. `grpc`, `grpcs`, `ws`
        /// and `wss` take gRPC calls and WebSockets only. `tls` passes a connection through by its server name, `tcp`
        /// by its port; each of these two stands alone.
        #[schema(example = json!(["https"]))]
        pub protocols: Vec<String>,
        /// Host names; one `*` may stand at the left or right end; a port matches that port only.
        #[schema(example = json!(["api.example.com", "*.example.org"]))]
        pub hosts: Vec<String>,
        /// Paths: `/prefix`, `=/exact`, `/users/{id}/{*rest}`, or `~^/regex`.
        #[schema(example = json!(["/v1/orders"]))]
        pub paths: Vec<String>,
        /// Request methods, upper case.
        #[schema(example = json!(["GET"]))]
        pub methods: Vec<String>,
        /// Header name to accepted values; a value may be exact, `*` (present) or `~regex`.
        pub headers: BTreeMap<String, Vec<String>>,
        /// Query parameter to accepted values, like `headers`, with regard to case; values are decoded once.
        #[schema(example = json!({"version": ["2"]}))]
        pub queries: BTreeMap<String, Vec<String>>,
        /// Server names of the client's TLS handshake: `api.example.com`, or `*.example.com` for all below it.
        #[schema(example = json!(["*.example.com"]))]
        pub snis: Vec<String>,
        /// Client addresses: networks such as `10.0.0.0/8`, or single addresses.
        #[schema(example = json!(["10.0.0.0/8"]))]
        pub sources: Vec<String>,
        /// With `tls` and `tcp`: the gateway's ports that the connection may have come to.
        pub ports: Vec<u16>,
        /// Wins over everything else when higher; default 0.
        pub priority: Option<i32>,
        /// Orders regex paths among themselves, higher first; default 0.
        pub regex_priority: Option<i32>,
        /// Whether the matched prefix is removed before forwarding; default true.
        pub strip_path: Option<bool>,
        /// Whether the service sees the client's `Host`; default false.
        pub preserve_host: Option<bool>,
        /// What happens to `%2F` in a path: `reject` (default) or `keep`.
        pub encoded_slashes: Option<String>,
        /// Whether `//` in a path counts as `/`; default true.
        pub merge_slashes: Option<bool>,
        /// Several services with weights, of which one gets each request instead of `service`.
        pub split: Option<split::SplitDraft>,
        /// Time to open a connection to the service, in milliseconds; default is the service's.
        pub connect_timeout_ms: Option<u32>,
        /// Time to the response header, in milliseconds; default is the service's.
        pub response_timeout_ms: Option<u32>,
        /// Longest silence between two reads or writes, in milliseconds; default is the service's.
        pub idle_timeout_ms: Option<u32>,
        /// Time for the whole exchange with all its retries, in milliseconds; default is without bound.
        pub timeout_ms: Option<u32>,
        /// Largest request body, in bytes; default 10485760 (10 MiB), 0 is without bound.
        pub max_body_bytes: Option<u64>,
        /// Which requests are written to the access log: `inherit` (default: as the gateway is set), `off`, `sampled`
        /// or `full`.
        pub access_log: Option<String>,
        /// Share of requests that are traced, from 0 to 1; default is the gateway's.
        pub trace_sampling: Option<f64>,
        /// Labels to find and group by.
        pub tags: Vec<String>,
        /// Whether it matches traffic; default true.
        pub enabled: Option<bool>,
    }
}

/// What happens to an encoded slash in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EncodedSlashes {
    /// The request is refused.
    Reject,
    /// It is matched and forwarded as a literal `%2F`.
    Keep,
}

/// A valid route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RouteSpec {
    /// Unique name.
    pub name: Name,
    /// The service it leads to.
    pub service: ServiceId,
    /// How clients may connect.
    pub protocols: Vec<Protocol>,
    /// Host names, any of which matches; empty matches all.
    #[schema(value_type = Vec<String>)]
    pub hosts: Vec<HostPattern>,
    /// Paths, any of which matches; empty matches all.
    #[schema(value_type = Vec<String>)]
    pub paths: Vec<PathPattern>,
    /// Methods, any of which matches; empty matches all.
    pub methods: Vec<String>,
    /// Headers, all of which must match, by lower-case name.
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub headers: Values,
    /// Query parameters, all of which must match, by decoded name.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub queries: Values,
    /// Server names of the TLS handshake, any of which matches; empty matches all, also none.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub snis: Vec<SniPattern>,
    /// Networks of clients, any of which matches; empty matches all.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub sources: Vec<SourceNetwork>,
    /// With `tls` and `tcp`: ports of the gateway, any of which matches; empty matches all.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Wins over everything else when higher.
    pub priority: i32,
    /// Orders regex paths, higher first.
    pub regex_priority: i32,
    /// Whether the matched prefix is removed.
    pub strip_path: bool,
    /// Whether the service sees the client's `Host`.
    pub preserve_host: bool,
    /// What happens to `%2F`.
    pub encoded_slashes: EncodedSlashes,
    /// Whether `//` counts as `/`.
    pub merge_slashes: bool,
    /// The services that requests are split over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<split::Split>,
    /// Time to open a connection, in milliseconds, instead of the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout_ms: Option<u32>,
    /// Time to the response header, in milliseconds, instead of the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_timeout_ms: Option<u32>,
    /// Longest silence, in milliseconds, instead of the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u32>,
    /// Time for the whole exchange, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// Largest request body, in bytes; 0 is without bound.
    #[serde(default = "limits::default_body_bytes")]
    pub max_body_bytes: u64,
    /// Which requests are written to the access log.
    #[serde(default)]
    pub access_log: AccessLog,
    /// Share of requests that are traced, from 0 to 1, instead of the gateway's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_sampling: Option<f64>,
    /// Labels.
    pub tags: Vec<String>,
    /// Whether it matches traffic.
    pub enabled: bool,
}

impl RouteSpec {
    /// Whether it leads HTTP requests, TLS connections or TCP connections.
    pub fn layer(&self) -> Layer {
        self.protocols.first().map_or(Layer::Http, |protocol| protocol.layer())
    }
}

#[cfg(test)]
mod tests;
