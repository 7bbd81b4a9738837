//! Routes.

use model::Kind;
use model::route::RouteSpec;
use serde_json::json;

use super::plugins;
use crate::noun::{self, Noun};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Operation> {
    let mut all = noun::operations::<RouteSpec>(&words());
    all.extend(plugins::of(Kind::Route, "route"));
    all
}

/// The routes of a service.
pub(super) fn of(parent: Kind) -> Vec<Operation> {
    noun::nested::<RouteSpec>(parent, "service", &words())
}

fn words() -> Noun {
    let example = json!({
        "name": "list-orders",
        "service": "orders",
        "hosts": ["api.example.com"],
        "paths": ["/v1/orders"],
        "methods": ["GET"],
        "tags": ["team:commerce"],
    });
    Noun::of::<RouteSpec>("Routes", "A match rule that leads to a service.", example)
}
