//! From the draft of a route to a valid one.

use super::protocol::{self, Layer};
use super::{
    EncodedSlashes, HostPattern, PathPattern, Protocol, RouteDraft, RouteSpec, SniPattern, SourceNetwork, limits,
    split, value,
};
use crate::id::{RouteId, ServiceId};
use crate::name::{Name, validate_tags};
use crate::noun::{Kind, Noun};
use crate::validation::{Code, Errors, unknown_word};

/// The most entries in one list of a route.
const MAX_LIST: usize = 100;

impl Noun for RouteSpec {
    type Id = RouteId;
    type Draft = RouteDraft;
    const KIND: Kind = Kind::Route;

    fn validate(draft: &RouteDraft, errors: &mut Errors) -> Option<Self> {
        let name = Name::validate(draft.name.as_deref(), errors);
        let service = validate_service(draft.service.as_deref(), errors);
        let protocols = protocol::validate(&draft.protocols, errors);
        let layer = protocols.first().map_or(Layer::Http, |protocol| protocol.layer());
        limits::validate(draft, errors);
        check_kinds(draft, layer, errors);
        check_server_names(draft, &protocols, errors);
        let encoded_slashes = validate_encoded_slashes(draft.encoded_slashes.as_deref(), errors);
        let access_log = limits::validate_access_log(draft.access_log.as_deref(), errors);
        let spec = Self {
            hosts: list("hosts", &draft.hosts, HostPattern::parse, errors),
            paths: list("paths", &draft.paths, PathPattern::parse, errors),
            methods: list("methods", &draft.methods, validate_method, errors),
            headers: value::validate("headers", &draft.headers, value::header_name, errors),
            queries: value::validate("queries", &draft.queries, value::query_name, errors),
            snis: list("snis", &draft.snis, SniPattern::parse, errors),
            sources: list("sources", &draft.sources, SourceNetwork::parse, errors),
            ports: validate_ports(&draft.ports, errors),
            protocols,
            name: name?,
            service: service?,
            priority: draft.priority.unwrap_or(0),
            regex_priority: draft.regex_priority.unwrap_or(0),
            strip_path: draft.strip_path.unwrap_or(true),
            preserve_host: draft.preserve_host.unwrap_or(false),
            encoded_slashes: encoded_slashes?,
            merge_slashes: draft.merge_slashes.unwrap_or(true),
            split: split::validate(draft.split.as_ref(), errors),
            connect_timeout_ms: draft.connect_timeout_ms,
            response_timeout_ms: draft.response_timeout_ms,
            idle_timeout_ms: draft.idle_timeout_ms,
            timeout_ms: draft.timeout_ms,
            max_body_bytes: draft.max_body_bytes.unwrap_or(limits::DEFAULT_BODY_BYTES),
            access_log: access_log?,
            trace_sampling: draft.trace_sampling,
            tags: validate_tags(&draft.tags, errors),
            enabled: draft.enabled.unwrap_or(true),
        };
        Some(spec)
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
            .chain(self.snis.iter().map(ToString::to_string))
            .chain(self.sources.iter().map(ToString::to_string))
            .chain(self.ports.iter().map(ToString::to_string))
            .collect()
    }
}

/// Which kinds of condition are given, by member.
fn given(draft: &RouteDraft) -> [(&'static str, bool); 8] {
    [
        ("hosts", !draft.hosts.is_empty()),
        ("paths", !draft.paths.is_empty()),
        ("methods", !draft.methods.is_empty()),
        ("headers", !draft.headers.is_empty()),
        ("queries", !draft.queries.is_empty()),
        ("snis", !draft.snis.is_empty()),
        ("sources", !draft.sources.is_empty()),
        ("ports", !draft.ports.is_empty()),
    ]
}

/// What a connection has not, a route of connections cannot ask for; and no route takes just anything.
fn check_kinds(draft: &RouteDraft, layer: Layer, errors: &mut Errors) {
    let (allowed, required): (&[&str], &[&str]) = match layer {
        Layer::Http => {
            let kinds = &["hosts", "paths", "methods", "headers", "queries", "snis", "sources"];
            (kinds, kinds)
        }
        Layer::Tls => (&["snis", "sources", "ports"], &["snis", "ports"]),
        Layer::Tcp => (&["sources", "ports"], &["ports"]),
    };
    let given = given(draft);
    for (member, _) in given.iter().filter(|(member, is)| *is && !allowed.contains(member)) {
        errors.add(*member, Code::Conflict, misplaced(member, layer));
    }
    if given.iter().any(|(member, is)| *is && required.contains(member)) {
        return;
    }
    match layer {
        Layer::Http => errors.add(
            "",
            Code::Required,
            "matches everything: give at least one of `hosts`, `paths`, `methods`, `headers`, `queries`, `snis` and \
             `sources`",
        ),
        Layer::Tls => errors.add("snis", Code::Required, "is required for `tls`, or else `ports`"),
        Layer::Tcp => errors.add(
            "ports",
            Code::Required,
            "is required for `tcp`: nothing else of a connection says where it should go",
        ),
    }
}

fn misplaced(member: &str, layer: Layer) -> String {
    match (member, layer) {
        ("ports", Layer::Http) => {
            "is for `tls` and `tcp`; write the port behind a host instead, as in `example.com:8443`".to_owned()
        }
        ("snis", _) => "is not for `tcp`: only a TLS connection names a server".to_owned(),
        (_, Layer::Tls) => {
            "is not for `tls`: the gateway does not open the connection, so it sees no request".to_owned()
        }
        _ => "is not for `tcp`: the gateway sees bytes only, no request".to_owned(),
    }
}

fn check_server_names(draft: &RouteDraft, protocols: &[Protocol], errors: &mut Errors) {
    let is_plain = |protocol: &Protocol| protocol.layer() == Layer::Http && !protocol.is_secure();
    if !draft.snis.is_empty() && !protocols.is_empty() && protocols.iter().all(is_plain) {
        let message = "can never match: only TLS names a server; add `https`, `grpcs` or `wss` to `protocols`";
        errors.add("snis", Code::Conflict, message);
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

fn validate_ports(ports: &[u16], errors: &mut Errors) -> Vec<u16> {
    if ports.len() > MAX_LIST {
        errors.add("ports", Code::OutOfRange, format!("has more than {MAX_LIST} entries"));
    }
    let mut valid = Vec::with_capacity(ports.len());
    for (index, port) in ports.iter().enumerate() {
        if *port == 0 {
            errors.add(format!("ports.{index}"), Code::OutOfRange, "must be 1 to 65535");
        } else if !valid.contains(port) {
            valid.push(*port);
        }
    }
    valid
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
pub(super) fn list<T: PartialEq>(
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
