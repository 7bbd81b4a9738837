//! Services.

use model::Kind;
use model::service::ServiceSpec;
use serde_json::json;

use super::{plugins, routes};
use crate::noun::{self, Noun};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Operation> {
    let mut all = noun::operations::<ServiceSpec>(&words());
    all.extend(routes::of(Kind::Service));
    all.extend(plugins::of(Kind::Service, "service"));
    all
}

fn words() -> Noun {
    let example = json!({"name": "orders", "url": "http://10.0.4.12:8080/v1", "tags": ["team:commerce"]});
    Noun::of::<ServiceSpec>(
        "Services",
        "An API behind the gateway, reached by URL or through an upstream.",
        example,
    )
}
