//! Plans of products.

use model::Kind;
use model::plan::PlanSpec;
use serde_json::json;

use crate::noun::{self, Noun};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Operation> {
    noun::operations::<PlanSpec>(&words())
}

/// The plans of a product.
pub(super) fn of(parent: Kind) -> Vec<Operation> {
    noun::nested::<PlanSpec>(parent, "product", &words())
}

fn words() -> Noun {
    let example = json!({
        "name": "commerce-free",
        "title": "Free",
        "summary": "To try it out.",
        "product": "commerce",
        "limits": [{"requests": 1000, "window_seconds": 86400}],
        "approval": "auto",
        "state": "published",
        "tags": [],
    });
    Noun::of::<PlanSpec>(
        "Plans",
        "The limits and the approval rule under which a product is offered.",
        example,
    )
}
