//! One of everything, made from the examples of the document.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use control::developers::sign_up;
use serde_json::{Value, json};

use super::{Api, BROWSER, account};

/// The document, made once.
pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(admin::openapi::document);

/// The nouns that are alike, by path, in an order in which each can be made.
pub(crate) const NOUNS: [&str; 13] = [
    "upstreams",
    "targets",
    "services",
    "routes",
    "certificates",
    "snis",
    "ca-certificates",
    "acme-accounts",
    "consumers",
    "plugins",
    "apis",
    "products",
    "plans",
];

/// The body that the document shows for an operation.
pub(crate) fn example(path: &str, method: &str) -> Value {
    let content = &DOCUMENT["paths"][path][method]["requestBody"]["content"]["application/json"];
    content["example"].clone()
}

/// Ids of objects by the first part of their path.
pub(crate) struct World(BTreeMap<String, String>);

impl World {
    /// Makes one of everything.
    pub(crate) async fn make(api: &Api) -> Self {
        let mut ids = BTreeMap::new();
        for noun in NOUNS {
            let path = format!("/{noun}");
            let made = api.post(&path, &example(&path, "post")).await;
            ids.insert(noun.to_owned(), text(&made["id"]));
        }
        ids.insert("consumer-groups".to_owned(), ids["plans"].clone());
        let consumer = format!("/consumers/{}/credentials", ids["consumers"]);
        let credential = api
            .post(&consumer, &example("/consumers/{id}/credentials", "post"))
            .await;
        ids.insert("credentials".to_owned(), text(&credential["id"]));
        ids.insert("developers".to_owned(), developer(api, "dora@example.com").await);
        let developer = format!("/developers/{}/applications", ids["developers"]);
        let application = api
            .post(&developer, &example("/developers/{id}/applications", "post"))
            .await;
        ids.insert("applications".to_owned(), text(&application["id"]));
        let application = format!("/applications/{}/subscriptions", ids["applications"]);
        let subscription = api.post(&application, &json!({"plan": "commerce-free"})).await;
        ids.insert("subscriptions".to_owned(), text(&subscription["id"]));
        let token = api.post("/api-tokens", &example("/api-tokens", "post")).await;
        ids.insert("api-tokens".to_owned(), text(&token["id"]));
        let admin = api.post("/admins", &example("/admins", "post")).await;
        ids.insert("admins".to_owned(), text(&admin["id"]));
        let mails = api.get("/mails").await;
        ids.insert("mails".to_owned(), text(&mails["items"][0]["id"]));
        ids.insert("plugin-types".to_owned(), "rate-limit".to_owned());
        ids.insert("revisions".to_owned(), "1".to_owned());
        Self(ids)
    }

    /// A path of the document with its parameters filled in.
    pub(crate) fn fill(&self, path: &str) -> String {
        let noun = path.split('/').nth(1).unwrap_or_default();
        let id = self.0.get(noun).cloned().unwrap_or_default();
        path.split('/')
            .map(|part| if part.starts_with('{') { id.as_str() } else { part })
            .collect::<Vec<_>>()
            .join("/")
    }

    /// The id of the object of this noun.
    pub(crate) fn id(&self, noun: &str) -> &str {
        &self.0[noun]
    }
}

/// A developer who signed up and was confirmed.
pub(crate) async fn developer(api: &Api, email: &str) -> String {
    sign_up::sign_up(&api.control, account("Dora Developer", email).into(), &BROWSER)
        .await
        .expect("signed up");
    let found = api.get(&format!("/developers?q={email}")).await;
    let id = text(&found["items"][0]["id"]);
    api.call("POST", &format!("/developers/{id}/confirm"))
        .send()
        .await
        .expect_success();
    id
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}
