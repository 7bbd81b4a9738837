//! What holds for every operation: refusals, types, limits and conditions.

use actix_web::http::StatusCode;
use serde_json::json;

use crate::support::{Api, service};

#[actix_web::test]
async fn every_mistake_is_listed_at_its_path() {
    let api = Api::start().await;
    let body = json!({"name": "Not A Name", "url": "10.0.0.1:80", "retries": "many", "tags": ["a b"], "pathes": []});
    let answer = api
        .call("POST", "/services")
        .json(&body)
        .send()
        .await
        .expect_problem(422, "invalid_input");
    let mut paths = answer.paths();
    paths.sort_unstable();
    assert_eq!(paths, ["name", "pathes", "retries", "tags.0", "url"]);
    assert!(
        answer.message("url").contains("has no scheme"),
        "{}",
        answer.message("url")
    );
    assert!(
        answer.message("pathes").contains("did you mean `path`"),
        "{}",
        answer.message("pathes")
    );
    assert_eq!(answer.body["errors"][0]["code"], "unknown_member");
}

#[actix_web::test]
async fn a_route_tells_all_that_is_wrong_with_it() {
    let api = Api::start().await;
    api.post("/services", &service("orders")).await;
    let route = json!({"name": "a", "service": "orders", "paths": ["~^/(", "no-slash"], "hosts": ["example.com/path"]});
    let answer = api
        .call("POST", "/routes")
        .json(&route)
        .send()
        .await
        .expect_problem(422, "invalid_input");
    assert_eq!(answer.paths(), ["hosts.0", "paths.0", "paths.1"]);
    let nothing = json!({"name": "a", "service": "orders"});
    api.call("POST", "/routes")
        .json(&nothing)
        .send()
        .await
        .expect_problem(422, "invalid_input");
    let nowhere = json!({"name": "a", "service": "odrers", "paths": ["/"]});
    let answer = api
        .call("POST", "/routes")
        .json(&nowhere)
        .send()
        .await
        .expect_problem(422, "invalid_input");
    assert_eq!(answer.paths(), ["service"]);
}

#[actix_web::test]
async fn a_name_is_taken_once() {
    let api = Api::start().await;
    api.post("/services", &service("orders")).await;
    let answer = api.call("POST", "/services").json(&service("orders")).send().await;
    let answer = answer.expect_problem(422, "invalid_input");
    assert_eq!(answer.body["errors"][0]["code"], "taken");
}

#[actix_web::test]
async fn bad_json_is_refused_with_its_place() {
    let api = Api::start().await;
    for (body, words) in [
        ("{\n  \"name\": \n}", "line 3, column 1"),
        ("", "there is none"),
        ("{\"name\": \"a\", \"name\": \"b\"}", "`name` is given twice"),
        ("{} {}", "trailing characters"),
    ] {
        let answer = api
            .call("POST", "/services")
            .bytes("application/json", body.into())
            .send()
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        let detail = answer.body["detail"].as_str().expect("a detail");
        assert!(detail.contains(words), "{body}: {detail}");
    }
    let answer = api.call("POST", "/services").json(&json!(["no object"])).send().await;
    answer.expect_problem(422, "invalid_input");
}

#[actix_web::test]
async fn bodies_are_json_of_a_bounded_size() {
    let api = Api::start().await;
    let text = api
        .call("POST", "/services")
        .bytes("text/plain", b"{}".to_vec())
        .send()
        .await;
    let text = text.expect_problem(415, "unsupported_media_type");
    assert_eq!(text.header("accept"), "application/json");
    let patch = api
        .call("PATCH", "/services/x")
        .bytes("application/json-patch+json", b"[]".to_vec())
        .send()
        .await;
    assert_eq!(
        patch
            .expect_problem(415, "unsupported_media_type")
            .header("accept-patch"),
        "application/merge-patch+json"
    );
    let large = json!({"name": "a".repeat(20 << 20)});
    api.call("POST", "/services")
        .json(&large)
        .send()
        .await
        .expect_problem(413, "body_too_large");
    api.call("GET", "/services")
        .json(&json!({}))
        .send()
        .await
        .expect_problem(400, "body_unexpected");
}

#[actix_web::test]
async fn paths_methods_and_types_that_are_not_there_are_named() {
    let api = Api::start().await;
    let answer = api
        .call("GET", "/servces")
        .send()
        .await
        .expect_problem(404, "not_found");
    assert!(
        answer.body["detail"]
            .as_str()
            .is_some_and(|text| text.contains("did you mean `/services`"))
    );
    let answer = api
        .call("DELETE", "/services")
        .send()
        .await
        .expect_problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET, POST, HEAD");
    api.call("GET", "/services")
        .header("accept", "text/html")
        .send()
        .await
        .expect_problem(406, "not_acceptable");
    for reference in [
        "nobody",
        "%00",
        "%FF%FE",
        "0198c1d2-6f2a-7c3e-9b1d-2f6a1c0e9d11",
        "..%2F..%2Fetc",
    ] {
        api.call("GET", &format!("/services/{reference}"))
            .send()
            .await
            .expect_problem(404, "not_found");
    }
}

#[actix_web::test]
async fn unknown_and_repeated_parameters_are_refused() {
    let api = Api::start().await;
    let answer = api
        .call("GET", "/routes?servce=a&limit=0&limit=1")
        .send()
        .await
        .expect_problem(400, "invalid_query");
    assert_eq!(answer.paths(), ["servce", "limit"]);
    assert!(answer.message("servce").contains("did you mean `service`"));
    for query in [
        "dry_run=yes",
        "dry_run=",
        "dryrun=true",
        "wait=some",
        "timeout=2s",
        "wait=all&timeout=1h",
    ] {
        let call = api.call("POST", &format!("/services?{query}")).json(&service("a"));
        call.send().await.expect_problem(400, "invalid_query");
    }
    assert_eq!(api.get("/services").await["total"], 0);
}

#[actix_web::test]
async fn every_answer_has_an_id_and_is_not_kept_by_anybody() {
    let api = Api::start().await;
    let answer = api
        .call("GET", "/services")
        .header("x-request-id", "mine-1")
        .send()
        .await;
    assert_eq!(answer.header("x-request-id"), "mine-1");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let other = api
        .call("GET", "/nowhere")
        .header("x-request-id", "<script>")
        .send()
        .await;
    assert_ne!(other.header("x-request-id"), "<script>");
    assert_eq!(other.header("x-request-id").len(), 36);
}
