//! Upstreams, and what gateways know of their targets.

use actix_web::http::Method;
use control::upstreams::{self, UpstreamHealth};
use model::Kind;
use model::actor::Resource;
use model::upstream::UpstreamSpec;
use serde_json::json;

use super::targets;
use crate::call::Call;
use crate::noun::{self, Noun};
use crate::operation::{Operation, Outcome};
use crate::reply::Reply;
use crate::shape::Shape;

pub(super) fn operations() -> Vec<Operation> {
    let example = json!({"name": "orders-eu", "tags": ["team:commerce"]});
    let words = Noun::of::<UpstreamSpec>("Upstreams", "A named pool of targets.", example);
    let mut all = noun::operations::<UpstreamSpec>(&words);
    all.extend(targets::of(Kind::Upstream));
    let (read, _) = noun::rights(Resource::Upstreams);
    let health = Operation::new(Method::GET, "/upstreams/{id}/health", read, health)
        .words(
            "Upstreams",
            "get_upstream_health",
            "Get the health of an upstream's targets",
        )
        .notes("Each gateway tells what it knows; gateways that were not heard of for an hour are left out.")
        .answers(200, "One report for each gateway.", Some(Shape::of::<UpstreamHealth>()));
    all.push(health);
    all
}

async fn health(call: Call) -> Outcome {
    let health = upstreams::health(&call.control, &call.actor, &call.reference(Kind::Upstream, "id")?).await?;
    Ok(Reply::ok(&health))
}
