//! Upstreams.

use model::Kind;
use model::upstream::UpstreamSpec;
use serde_json::json;

use super::targets;
use crate::noun::{self, Noun};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Operation> {
    let example = json!({"name": "orders-eu", "tags": ["team:commerce"]});
    let words = Noun::of::<UpstreamSpec>("Upstreams", "A named pool of targets.", example);
    let mut all = noun::operations::<UpstreamSpec>(&words);
    all.extend(targets::of(Kind::Upstream));
    all
}
