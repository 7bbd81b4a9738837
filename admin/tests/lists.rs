//! Lists: page by page, searched, filtered and sorted.

use serde_json::{Value, json};

use crate::support::{Api, service};

fn names(page: &Value) -> Vec<&str> {
    page["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item["name"].as_str())
        .collect()
}

#[actix_web::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let api = Api::start().await;
    for index in 0..7 {
        api.post("/services", &service(&format!("s{index}"))).await;
    }
    for (sort, expected) in [
        ("name", ["s0", "s1", "s2", "s3", "s4", "s5", "s6"]),
        ("-name", ["s6", "s5", "s4", "s3", "s2", "s1", "s0"]),
        ("-created_at", ["s6", "s5", "s4", "s3", "s2", "s1", "s0"]),
    ] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = api.get(&format!("/services?limit=3&sort={sort}&cursor={cursor}")).await;
            assert_eq!(page["total"], 7);
            seen.extend(names(&page).into_iter().map(str::to_owned));
            match page["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{sort}");
    }
}

#[actix_web::test]
async fn a_cursor_is_ours_and_of_this_order() {
    let api = Api::start().await;
    for name in ["a", "b"] {
        api.post("/services", &service(name)).await;
    }
    let page = api.get("/services?limit=1").await;
    let cursor = page["next_cursor"].as_str().expect("more");
    for query in [
        format!("cursor={cursor}&sort=-name"),
        format!("cursor={cursor}x"),
        "cursor=1".to_owned(),
    ] {
        let answer = api
            .call("GET", &format!("/services?{query}"))
            .send()
            .await
            .expect_problem(400, "invalid_query");
        assert_eq!(answer.paths(), ["cursor"], "{query}");
    }
}

#[actix_web::test]
async fn objects_are_found_by_text_tags_and_filters() {
    let api = Api::start().await;
    for (name, tags) in [
        ("orders", json!(["red", "blue"])),
        ("payments", json!(["red"])),
        ("100%_real", json!([])),
    ] {
        let name = name.replace("100%_real", "real");
        api.post("/services", &json!({"name": name, "url": "http://x/a_b", "tags": tags}))
            .await;
    }
    api.post(
        "/routes",
        &json!({"name": "one", "service": "orders", "paths": ["/one"]}),
    )
    .await;
    api.post(
        "/routes",
        &json!({"name": "two", "service": "payments", "paths": ["/two"]}),
    )
    .await;
    for (query, expected) in [
        ("/services?q=PAY", vec!["payments"]),
        ("/services?q=a_b", vec!["orders", "payments", "real"]),
        ("/services?q=%25", vec![]),
        ("/services?tags=red,blue", vec!["orders"]),
        ("/services?tags=red/blue", vec!["orders", "payments"]),
        ("/services?tags=", vec!["orders", "payments", "real"]),
        ("/routes?service=payments", vec!["two"]),
        ("/routes?q=/one", vec!["one"]),
    ] {
        assert_eq!(names(&api.get(query).await), expected, "{query}");
    }
    let answer = api
        .call("GET", "/routes?service=nobody")
        .send()
        .await
        .expect_problem(400, "invalid_query");
    assert_eq!(answer.paths(), ["service"]);
}
