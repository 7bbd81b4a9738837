//! APIs of the catalogue.

use model::api::ApiSpec;
use serde_json::json;

use crate::noun::{self, Noun};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Operation> {
    let example = json!({
        "name": "orders",
        "title": "Orders",
        "summary": "Place orders and follow them.",
        "api_version": "v1",
        "service": "orders",
        "base_url": "https://api.example.com/v1/orders",
        "state": "published",
        "document": {"openapi": "3.1.0", "info": {"title": "Orders", "version": "1.0.0"}, "paths": {}},
        "tags": [],
    });
    let about = "An entry of the portal's catalogue, bound to a service and described by an OpenAPI document.";
    noun::operations::<ApiSpec>(&Noun::of::<ApiSpec>("APIs", about, example))
}
