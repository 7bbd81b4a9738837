//! The REST API as automation uses it.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{Answer, Call};

/// The API with one token. Every call asks to be answered when it is live on all gateways.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    base: String,
    token: String,
    client: Client,
}

impl Api {
    /// The API of this console.
    pub(crate) fn new(console: &str, token: &str) -> Self {
        Self {
            base: format!("{console}/api/v1"),
            token: token.to_owned(),
            client: Client::new(),
        }
    }

    /// A call below `/api/v1` that does not wait for gateways.
    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.client.request(method, format!("{}{path}", self.base));
        Call(request.bearer_auth(&self.token))
    }

    /// A call that is answered when it is live.
    pub(crate) fn live(&self, method: &str, path: &str) -> Call {
        self.call(method, path).header("prefer", "wait=20")
    }

    /// GET.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).send().await
    }

    /// POST.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.live("POST", path).json(body).send().await
    }

    /// PUT.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.live("PUT", path).json(body).send().await
    }

    /// PATCH with a JSON Merge Patch.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        let call = self.live("PATCH", path);
        call.bytes("application/merge-patch+json", body.to_string())
            .send()
            .await
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.live("DELETE", path).send().await
    }

    /// A verb without a body, such as `/credentials/{id}/revoke`.
    pub(crate) async fn act(&self, path: &str) -> Answer {
        self.live("POST", path).send().await
    }

    /// Makes something that must succeed, and returns it.
    pub(crate) async fn make(&self, path: &str, body: Value) -> Value {
        self.post(path, &body).await.expect(201).body
    }

    /// Makes a service behind a URL.
    pub(crate) async fn service(&self, name: &str, url: &str) -> Value {
        self.make("/services", json!({"name": name, "url": url})).await
    }

    /// Makes a route to a service, with these other members.
    pub(crate) async fn route(&self, name: &str, service: &str, mut members: Value) -> Value {
        (members["name"], members["service"]) = (name.into(), service.into());
        self.make("/routes", members).await
    }

    /// Puts a plugin on `service`, `route`, `consumer` or all traffic (`{}`).
    pub(crate) async fn plugin(&self, plugin: &str, mut scope: Value, config: Value) -> Value {
        (scope["plugin"], scope["config"]) = (plugin.into(), config);
        self.make("/plugins", scope).await
    }

    /// Issues a key to a consumer.
    pub(crate) async fn key(&self, consumer: &str) -> Key {
        let path = format!("/consumers/{consumer}/credentials");
        let issued = self.make(&path, json!({"name": "story"})).await;
        let text = |member: &str| issued[member].as_str().expect("a text").to_owned();
        Key {
            id: text("id"),
            secret: text("secret"),
        }
    }
}

/// A key as it was shown once.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// The id of the credential.
    pub(crate) id: String,
    /// The key itself.
    pub(crate) secret: String,
}
