use serde_json::{Value, json};

use super::*;
use crate::{Code, Draft as _, Errors, Noun as _};

fn validate(body: Value) -> (Option<RouteSpec>, Errors) {
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
        "paths": ["/a", "=/b", "/u/{id}/{*rest}", "~^/v\\d+/"], "headers": {"X-Beta": ["~^on$", "*"]}, "queries": {"Debug": ["*"]}, "snis": ["*.Example.com"],
        "sources": ["10.1.2.3/8", "::1"], "protocols": ["https", "grpcs"], "timeout_ms": 5000, "trace_sampling": 0.25,
        "access_log": "sampled", "max_body_bytes": 0
    }));
    assert!(errors.is_empty(), "{errors}");
    let (again, errors) = validate(serde_json::to_value(&spec).expect("json"));
    assert!(errors.is_empty(), "{errors}");
    assert_eq!(again, spec);
}

/// The members at fault when a route of this body is sent.
fn faults(mut body: Value) -> Vec<String> {
    body["name"] = json!("r");
    body["service"] = json!(ServiceId::generate());
    validate(body).1.iter().map(|error| error.path.clone()).collect()
}

#[test]
fn a_row_from_before_a_member_was_there_is_read_with_its_default() {
    let old = json!({
        "name": "old", "service": ServiceId::generate(), "protocols": ["http", "https"], "hosts": [],
        "paths": ["/a"], "methods": [], "headers": {}, "priority": 0, "regex_priority": 0, "strip_path": true,
        "preserve_host": false, "encoded_slashes": "reject", "merge_slashes": true, "tags": [], "enabled": true
    });
    let spec: RouteSpec = serde_json::from_value(old).expect("readable");
    assert_eq!(
        (spec.max_body_bytes, spec.access_log),
        (DEFAULT_BODY_BYTES, AccessLog::Inherit)
    );
    assert!(spec.queries.is_empty() && spec.snis.is_empty() && spec.sources.is_empty() && spec.ports.is_empty());
    assert_eq!(spec.timeouts(), Timeouts::default());
}

#[test]
fn connections_have_neither_paths_nor_methods_nor_headers() {
    assert_eq!(
        faults(
            json!({"protocols": ["tls"], "snis": ["a.test"], "paths": ["/"], "methods": ["GET"], "hosts": ["a.test"]})
        ),
        ["hosts", "paths", "methods"]
    );
    assert_eq!(
        faults(
            json!({"protocols": ["tcp"], "ports": [5432], "headers": {"a": ["*"]}, "queries": {"a": ["*"]}, "snis": ["a.test"]})
        ),
        ["headers", "queries", "snis"]
    );
    assert_eq!(
        faults(json!({"protocols": ["https"], "paths": ["/"], "ports": [80]})),
        ["ports"]
    );
}

#[test]
fn a_protocol_asks_for_what_it_is_found_by() {
    assert_eq!(
        faults(json!({"protocols": ["tcp"], "sources": ["10.0.0.0/8"]})),
        ["ports"]
    );
    assert_eq!(
        faults(json!({"protocols": ["tls"], "sources": ["10.0.0.0/8"]})),
        ["snis"]
    );
    assert!(faults(json!({"protocols": ["tls"], "ports": [8443]})).is_empty());
    assert!(faults(json!({"protocols": ["tls"], "snis": ["*.a.test"]})).is_empty());
    assert!(faults(json!({"protocols": ["grpc"], "sources": ["10.0.0.7"]})).is_empty());
    assert_eq!(
        faults(json!({"protocols": ["http", "ws"], "snis": ["a.test"]})),
        ["snis"]
    );
}

#[test]
fn tls_and_tcp_stand_alone() {
    assert_eq!(
        faults(json!({"protocols": ["https", "tls"], "snis": ["a.test"]})),
        ["protocols.1"]
    );
    assert_eq!(
        faults(json!({"protocols": ["tls", "tcp"], "ports": [1]})),
        ["protocols.1"]
    );
}

#[test]
fn what_is_out_of_bounds_is_told_at_its_member() {
    assert_eq!(
        faults(json!({
            "paths": ["/"], "timeout_ms": 0, "connect_timeout_ms": 3_600_001, "trace_sampling": 1.5,
            "access_log": "loud", "sources": ["10.0.0.0/8", "nowhere"], "queries": {"": ["a"], "b": []}
        })),
        [
            "connect_timeout_ms",
            "timeout_ms",
            "trace_sampling",
            "access_log",
            "queries.",
            "queries.b",
            "sources.1"
        ]
    );
    assert_eq!(faults(json!({"protocols": ["tcp"], "ports": [0]})), ["ports.0"]);
}

#[test]
fn no_bytes_at_most_is_no_bound() {
    let (spec, _) =
        validate(json!({"name": "r", "service": ServiceId::generate(), "paths": ["/"], "max_body_bytes": 0}));
    assert_eq!(spec.expect("valid").body_limit(), None);
}
