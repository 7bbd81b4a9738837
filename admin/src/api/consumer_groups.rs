//! Consumer groups: each plan is one, with the plan's id and name.

use actix_web::http::Method;
use model::Kind;
use model::Stored;
use model::actor::Resource;
use model::id::{ConsumerGroupId, PlanId};
use model::plan::PlanSpec;
use serde::Serialize;
use utoipa::ToSchema;

use super::plugins;
use crate::call::Call;
use crate::noun;
use crate::operation::{Operation, Outcome};
use crate::query::Parameter;
use crate::reply::Reply;
use crate::shape::Shape;

/// The consumers whose applications subscribe to a plan; they share plugins.
#[derive(Debug, Serialize, ToSchema)]
struct ConsumerGroup {
    /// The id, the same as the plan's.
    id: ConsumerGroupId,
    /// The name of the plan.
    name: String,
    /// The plan that it was made from.
    plan: PlanId,
}

pub(super) fn operations() -> Vec<Operation> {
    let (read, _) = noun::rights(Resource::Products);
    let tag = "Consumer groups";
    let mut all = vec![
        Operation::new(Method::GET, "/consumer-groups", read, list)
            .words(tag, "list_consumer_groups", "List consumer groups")
            .notes("Every plan is a group with the plan's id; who subscribes to the plan is in it.")
            .query(Parameter::of_lists())
            .answers(
                200,
                "One page.",
                Some(Shape::of::<ConsumerGroup>().page("ConsumerGroup")),
            ),
        Operation::new(Method::GET, "/consumer-groups/{id}", read, get)
            .words(tag, "get_consumer_group", "Get a consumer group")
            .answers(200, "It is this.", Some(Shape::of::<ConsumerGroup>()))
            .with_etag(),
    ];
    all.extend(plugins::of(Kind::ConsumerGroup, "consumer_group"));
    all
}

fn group(plan: Stored<PlanSpec>) -> ConsumerGroup {
    ConsumerGroup {
        id: plan.id.into(),
        name: plan.spec.name.to_string(),
        plan: plan.id,
    }
}

async fn list(call: Call) -> Outcome {
    let page = control::list::<PlanSpec>(&call.control, &call.actor, &call.query.list(&[])?).await?;
    Ok(Reply::ok(&page.map(group)))
}

async fn get(call: Call) -> Outcome {
    let reference = call.reference(Kind::ConsumerGroup, "id")?;
    let plan = control::get::<PlanSpec>(&call.control, &call.actor, &reference).await;
    let plan = plan.map_err(|error| match error {
        control::Error::NotFound { reference, .. } => control::Error::not_found(Kind::ConsumerGroup, reference),
        other => other,
    })?;
    let version = plan.version;
    Ok(call.found(&group(plan), version))
}
