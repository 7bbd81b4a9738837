//! Consumers.

use model::Kind;
use model::consumer::ConsumerSpec;
use serde_json::json;

use super::{credentials, plugins};
use crate::noun::{self, Noun};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Operation> {
    let example = json!({"name": "fjord-logistics", "custom_id": "crm-4711", "tags": ["partner"]});
    let words = Noun::of::<ConsumerSpec>("Consumers", "An identity that the data plane sees.", example);
    let mut all = noun::operations::<ConsumerSpec>(&words);
    all.extend(credentials::of_consumer());
    all.extend(plugins::of(Kind::Consumer, "consumer"));
    all
}
