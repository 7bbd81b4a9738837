//! Every noun makes the same round trip, with the examples of the document.

use actix_web::http::StatusCode;
use serde_json::json;

use crate::support::Api;
use crate::support::world::{NOUNS, World, example};

#[actix_web::test]
async fn every_noun_is_made_read_changed_replaced_and_deleted() {
    let api = Api::start().await;
    for noun in NOUNS {
        let path = format!("/{noun}");
        let draft = example(&path, "post");
        let made = api
            .call("POST", &path)
            .json(&draft)
            .send()
            .await
            .expect(StatusCode::CREATED);
        let id = made.body["id"].as_str().expect("an id").to_owned();
        assert_eq!(made.header("location"), format!("/api/v1{path}/{id}"));
        assert_eq!(made.header("etag"), "\"1\"");
        let one = format!("{path}/{id}");

        let read = api.call("GET", &one).send().await.expect(StatusCode::OK);
        assert_eq!(read.body, made.body, "{noun}");
        assert_eq!(read.header("etag"), "\"1\"");
        if let Some(name) = draft["name"].as_str() {
            assert_eq!(api.get(&format!("{path}/{name}")).await, read.body);
        }
        assert_eq!(
            api.get(&path).await,
            json!({"items": [read.body], "next_cursor": null, "total": 1})
        );

        let patch = json!({"tags": ["b", "a"]});
        let patched = api
            .call("PATCH", &one)
            .patch(&patch)
            .send()
            .await
            .expect(StatusCode::OK);
        assert_eq!(
            (&patched.body["tags"], &patched.body["version"]),
            (&json!(["a", "b"]), &json!(2))
        );
        assert_eq!(patched.header("etag"), "\"2\"");

        // What is read can be sent back: nothing changes, and there is no new revision.
        let again = api
            .call("PUT", &one)
            .json(&patched.body)
            .send()
            .await
            .expect(StatusCode::OK);
        assert_eq!(again.body, patched.body);
        assert_eq!(again.header("x-config-revision"), patched.header("x-config-revision"));
        let replaced = api.call("PUT", &one).json(&draft).send().await.expect(StatusCode::OK);
        assert_eq!(replaced.body["tags"], made.body["tags"], "{noun}");
    }
    for noun in NOUNS.iter().rev() {
        let page = api.get(&format!("/{noun}")).await;
        let one = format!("/{noun}/{}", page["items"][0]["id"].as_str().expect("an id"));
        let gone = api.call("DELETE", &one).send().await.expect(StatusCode::NO_CONTENT);
        assert_ne!(gone.header("x-config-revision"), "");
        api.call("GET", &one).send().await.expect_problem(404, "not_found");
        api.call("DELETE", &one).send().await.expect_problem(404, "not_found");
    }
}

#[actix_web::test]
async fn what_belongs_to_an_object_is_found_and_made_under_it() {
    let api = Api::start().await;
    let world = World::make(&api).await;
    for (path, member) in [
        ("/services/{id}/routes", "service"),
        ("/services/{id}/plugins", "service"),
        ("/upstreams/{id}/targets", "upstream"),
        ("/products/{id}/plans", "product"),
    ] {
        let (filled, parent) = (world.fill(path), world.id(path.split('/').nth(1).expect("a noun")));
        let before = api.get(&filled).await;
        assert_eq!(
            (&before["total"], &before["items"][0][member]),
            (&json!(1), &json!(parent)),
            "{path}"
        );
        let mut draft = example(path, "post");
        assert!(draft.get(member).is_none(), "the path says it already");
        for (unique, value) in [("name", "another"), ("address", "10.9.9.9:80")] {
            if draft.get(unique).is_some() {
                draft[unique] = json!(value);
            }
        }
        if draft.get("paths").is_some() {
            draft["paths"] = json!(["/another"]);
        }
        let made = api
            .call("POST", &filled)
            .json(&draft)
            .send()
            .await
            .expect(StatusCode::CREATED);
        assert_eq!(made.body[member], parent);
        draft[member] = json!("somewhere-else");
        let refused = api
            .call("POST", &filled)
            .json(&draft)
            .send()
            .await
            .expect_problem(422, "invalid_input");
        assert_eq!(refused.paths(), [member]);
        let nowhere = path.replace("{id}", "nobody");
        api.call("GET", &nowhere).send().await.expect_problem(404, "not_found");
        api.call("POST", &nowhere)
            .json(&json!({}))
            .send()
            .await
            .expect_problem(404, "not_found");
    }
    for path in [
        "/routes/{id}/plugins",
        "/consumers/{id}/plugins",
        "/consumer-groups/{id}/plugins",
    ] {
        let made = api
            .call("POST", &world.fill(path))
            .json(&example(path, "post"))
            .send()
            .await;
        made.expect(StatusCode::CREATED);
        assert_eq!(api.get(&world.fill(path)).await["total"], 1, "{path}");
    }
}

#[actix_web::test]
async fn everything_that_can_be_read_is_there() {
    let api = Api::start().await;
    let world = World::make(&api).await;
    let paths = crate::support::world::DOCUMENT["paths"].as_object().expect("paths");
    for (path, methods) in paths {
        if methods.get("get").is_none() {
            continue;
        }
        let answer = api.call("GET", &world.fill(path)).send().await.expect(StatusCode::OK);
        let documented = &methods["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(
            documented["$ref"].is_string(),
            "{path} answers what is not documented: {}",
            answer.body
        );
    }
}
