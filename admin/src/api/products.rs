//! Products.

use model::Kind;
use model::product::ProductSpec;
use serde_json::json;

use super::plans;
use crate::noun::{self, Noun};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Operation> {
    let example = json!({
        "name": "commerce",
        "title": "Commerce",
        "summary": "Everything for a shop.",
        "apis": ["orders"],
        "tags": [],
    });
    let words = Noun::of::<ProductSpec>("Products", "APIs that are offered together.", example);
    let mut all = noun::operations::<ProductSpec>(&words);
    all.extend(plans::of(Kind::Product));
    all
}
