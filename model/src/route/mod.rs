//! A route: a match rule that leads to a service.

pub mod header;
pub mod host;
pub mod path;
pub mod split;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::{RouteId, ServiceId};
use crate::name::{Name, validate_tags};
use crate::noun::{Kind, Noun};
use crate::validation::{Code, Errors, unknown_word};

pub use header::HeaderPattern;
pub use host::{HostName, HostPattern};
pub use path::{PathPattern, Segment};

/// The most entries in one list of a route.
const MAX_LIST: usize = 100;

crate::draft! {
    /// A route as it is sent; at least one of `hosts`, `paths`, `methods` and `headers` must be given.
    pub struct RouteDraft {
        /// Unique name.
        #[schema(example = "list-orders")]
        pub name: Option<String>,
        /// Id or name of the service it leads to.
        #[schema(example = "orders")]
        pub service: Option<String>,
        /// How clients may connect: `http`, `https`; default both.
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
        /// Labels to find and group by.
        pub tags: Vec<String>,
        /// Whether it matches traffic; default true.
        pub enabled: Option<bool>,
    }
}

/// How a client may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Protocol {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
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
    pub headers: BTreeMap<String, Vec<HeaderPattern>>,
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
    /// Labels.
    pub tags: Vec<String>,
    /// Whether it matches traffic.
    pub enabled: bool,
}

impl RouteSpec {
    /// Whether no request can tell this route from `other`: then neither could be said to win.
    pub fn indistinguishable(&self, other: &Self) -> bool {
        let protocols_meet = self.protocols.iter().any(|protocol| other.protocols.contains(protocol));
        let methods_meet = if self.methods.is_empty() || other.methods.is_empty() {
            self.methods.is_empty() && other.methods.is_empty()
        } else {
            self.methods.iter().any(|method| other.methods.contains(method))
        };
        let meet = |empty: bool, other_empty: bool, any: bool| (empty && other_empty) || any;
        protocols_meet
            && methods_meet
            && self.priority == other.priority
            && self.regex_priority == other.regex_priority
            && self.headers == other.headers
            && meet(
                self.hosts.is_empty(),
                other.hosts.is_empty(),
                self.hosts.iter().any(|h| other.hosts.contains(h)),
            )
            && meet(
                self.paths.is_empty(),
                other.paths.is_empty(),
                self.paths.iter().any(|p| other.paths.contains(p)),
            )
    }
}

impl Noun for RouteSpec {
    type Id = RouteId;
    type Draft = RouteDraft;
    const KIND: Kind = Kind::Route;

    fn validate(draft: &RouteDraft, errors: &mut Errors) -> Option<Self> {
        let name = Name::validate(draft.name.as_deref(), errors);
        let service = validate_service(draft.service.as_deref(), errors);
        let protocols = validate_protocols(&draft.protocols, errors);
        let hosts = validate_list("hosts", &draft.hosts, HostPattern::parse, errors);
        let paths = validate_list("paths", &draft.paths, PathPattern::parse, errors);
        let methods = validate_list("methods", &draft.methods, validate_method, errors);
        let headers = header::validate(&draft.headers, errors);
        let encoded_slashes = validate_encoded_slashes(draft.encoded_slashes.as_deref(), errors);
        let tags = validate_tags(&draft.tags, errors);
        if draft.hosts.is_empty() && draft.paths.is_empty() && draft.methods.is_empty() && draft.headers.is_empty() {
            errors.add(
                "",
                Code::Required,
                "matches everything: give at least one of `hosts`, `paths`, `methods` and `headers`",
            );
        }
        Some(Self {
            name: name?,
            service: service?,
            protocols,
            hosts,
            paths,
            methods,
            headers,
            priority: draft.priority.unwrap_or(0),
            regex_priority: draft.regex_priority.unwrap_or(0),
            strip_path: draft.strip_path.unwrap_or(true),
            preserve_host: draft.preserve_host.unwrap_or(false),
            encoded_slashes: encoded_slashes?,
            merge_slashes: draft.merge_slashes.unwrap_or(true),
            split: split::validate(draft.split.as_ref(), errors),
            tags,
            enabled: draft.enabled.unwrap_or(true),
        })
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn tags(&self) -> &[String] {
        &self.tags
    }

    fn enabled(&self) -> bool {
        self.enabled
    }

    fn search_terms(&self) -> Vec<String> {
        let hosts = self.hosts.iter().map(ToString::to_string);
        hosts
            .chain(self.paths.iter().map(ToString::to_string))
            .chain(self.methods.iter().cloned())
            .collect()
    }
}

fn validate_service(text: Option<&str>, errors: &mut Errors) -> Option<ServiceId> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        errors.add(
            "service",
            Code::Required,
            "is required: the id or name of the service that it leads to",
        );
        return None;
    };
    text.parse()
        .map_err(|_| errors.add("service", Code::Invalid, "must be an id"))
        .ok()
}

fn validate_protocols(texts: &[String], errors: &mut Errors) -> Vec<Protocol> {
    if texts.is_empty() {
        return vec![Protocol::Http, Protocol::Https];
    }
    let parse = |text: &str| match text {
        "http" => Ok(Protocol::Http),
        "https" => Ok(Protocol::Https),
        other => Err(unknown_word("protocol", other, &["http", "https"])),
    };
    validate_list("protocols", texts, parse, errors)
}

fn validate_method(text: &str) -> Result<String, String> {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    let upper = text.to_ascii_uppercase();
    if known.contains(&upper.as_str()) {
        return Ok(upper);
    }
    let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if is_token && text.len() <= 20 {
        Ok(upper)
    } else {
        Err(unknown_word("method", text, &known))
    }
}

fn validate_encoded_slashes(text: Option<&str>, errors: &mut Errors) -> Option<EncodedSlashes> {
    match text.unwrap_or("reject") {
        "reject" => Some(EncodedSlashes::Reject),
        "keep" => Some(EncodedSlashes::Keep),
        other => {
            errors.add(
                "encoded_slashes",
                Code::Invalid,
                unknown_word("choice", other, &["reject", "keep"]),
            );
            None
        }
    }
}

/// Parses each entry, reports the wrong ones by index, and drops repeats.
fn validate_list<T: PartialEq>(
    member: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, String>,
    errors: &mut Errors,
) -> Vec<T> {
    if texts.len() > MAX_LIST {
        errors.add(member, Code::OutOfRange, format!("has more than {MAX_LIST} entries"));
    }
    let mut valid = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match parse(text.trim()) {
            Ok(value) if !valid.contains(&value) => valid.push(value),
            Ok(_) => {}
            Err(message) => errors.add(format!("{member}.{index}"), Code::Invalid, message),
        }
    }
    valid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Draft;
    use serde_json::json;

    fn validate(body: serde_json::Value) -> (Option<RouteSpec>, Errors) {
        let mut read = RouteDraft::read(&body);
        let spec = RouteSpec::validate(&read.draft, &mut read.errors);
        (spec, read.errors)
    }

    #[test]
    fn all_mistakes_are_reported_at_their_paths() {
        let (_, errors) = validate(json!({
            "name": "Bad Name", "hosts": ["ok.example.com", "example.com/path"], "paths": ["~^/([", "nope"],
            "methods": ["FETCH ME"], "headers": {"x y": ["1"]}, "pathes": []
        }));
        for path in [
            "name",
            "service",
            "hosts.1",
            "paths.0",
            "paths.1",
            "methods.0",
            "headers.x y",
            "pathes",
        ] {
            assert!(errors.at(path).is_some(), "{path} in {errors}");
        }
        assert!(errors.at("hosts.0").is_none());
    }

    #[test]
    fn a_route_that_matches_everything_is_refused() {
        let (_, errors) = validate(json!({"name": "all", "service": ServiceId::generate()}));
        assert_eq!(errors.at("").map(|error| error.code), Some(Code::Required));
    }

    #[test]
    fn a_spec_reads_back_as_its_draft() {
        let (spec, errors) = validate(json!({
            "name": "all", "service": ServiceId::generate(), "hosts": ["*.Example.com:8443"], "methods": ["get"],
            "paths": ["/a", "=/b", "/u/{id}/{*rest}", "~^/v\\d+/"], "headers": {"X-Beta": ["~^on$", "*"]}
        }));
        assert!(errors.is_empty(), "{errors}");
        let (again, errors) = validate(serde_json::to_value(&spec).expect("json"));
        assert!(errors.is_empty(), "{errors}");
        assert_eq!(again, spec);
    }

    #[test]
    fn routes_that_differ_in_a_method_can_be_told_apart() {
        let service = ServiceId::generate();
        let get = validate(json!({"name": "a", "service": service, "paths": ["/a"], "methods": ["GET"]}))
            .0
            .expect("valid");
        let post = validate(json!({"name": "b", "service": service, "paths": ["/a"], "methods": ["POST"]}))
            .0
            .expect("valid");
        let any = validate(json!({"name": "c", "service": service, "paths": ["/a"]}))
            .0
            .expect("valid");
        assert!(!get.indistinguishable(&post));
        assert!(!get.indistinguishable(&any), "naming a method is more specific");
        assert!(get.indistinguishable(&get.clone()));
    }
}
