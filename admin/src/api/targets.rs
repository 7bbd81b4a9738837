//! Targets of upstreams.

use model::Kind;
use model::upstream::TargetSpec;
use serde_json::json;

use crate::noun::{self, Noun};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Operation> {
    noun::operations::<TargetSpec>(&words())
}

/// The targets of an upstream.
pub(super) fn of(parent: Kind) -> Vec<Operation> {
    noun::nested::<TargetSpec>(parent, "upstream", &words())
}

fn words() -> Noun {
    let example = json!({"upstream": "orders-eu", "address": "10.0.4.12:8080", "weight": 100, "tags": []});
    Noun::of::<TargetSpec>(
        "Upstreams",
        "One address in an upstream, with its share of the traffic.",
        example,
    )
}
