//! Subscriptions of applications to plans, and what administrators decide about them.

use actix_web::http::{Method, StatusCode};
use control::Change;
use control::subscriptions::{self, NamedSubscription};
use model::Kind;
use model::actor::Resource;
use model::id::SubscriptionId;

use crate::call::{Call, versioned};
use crate::noun;
use crate::operation::{Operation, Outcome};
use crate::query::{Form, Parameter};
use crate::reply::Reply;
use crate::shape::Shape;

const TAG: &str = "Subscriptions";
const STATES: [&str; 5] = ["pending", "approved", "suspended", "rejected", "cancelled"];

pub(super) fn operations() -> Vec<Operation> {
    let (read, _) = noun::rights(Resource::Applications);
    let filters = [
        Parameter::new("application", Form::Text, "Only those of the application of this id."),
        Parameter::new("plan", Form::Text, "Only those to the plan of this id."),
        Parameter::new("product", Form::Text, "Only those to plans of the product of this id."),
        Parameter::new("state", Form::Word(&STATES), "Only those in this state."),
    ];
    vec![
        Operation::new(Method::GET, "/subscriptions", read, list)
            .words(TAG, "list_subscriptions", "List subscriptions")
            .query(Parameter::of_pages())
            .query(filters)
            .answers(
                200,
                "One page, newest first.",
                Some(Shape::of::<NamedSubscription>().page("Subscription")),
            ),
        Operation::new(Method::GET, "/subscriptions/{id}", read, get)
            .words(TAG, "get_subscription", "Get a subscription")
            .answers(200, "It is this.", Some(Shape::of::<NamedSubscription>()))
            .with_etag(),
        verb("approve", "Approve a subscription", async |change, id| {
            subscriptions::approve(change, id).await
        }),
        verb("reject", "Reject a subscription", async |change, id| {
            subscriptions::reject(change, id).await
        }),
        verb("suspend", "Stop a subscription for now", async |change, id| {
            subscriptions::suspend(change, id).await
        }),
        verb("resume", "Let a suspended subscription go on", async |change, id| {
            subscriptions::resume(change, id).await
        }),
        verb("cancel", "End a subscription for good", async |change, id| {
            subscriptions::cancel(change, id).await
        }),
    ]
}

fn verb(
    verb: &'static str,
    summary: &str,
    operation: impl AsyncFn(&mut Change, SubscriptionId) -> control::Result<NamedSubscription>
    + Copy
    + Send
    + Sync
    + 'static,
) -> Operation {
    let handler = move |call: Call| async move {
        let id = call.id(Kind::Subscription)?;
        let render = |named: NamedSubscription| versioned(StatusCode::OK, &named, named.subscription.version);
        call.write(async move |change: &mut Change| operation(change, id).await, render)
            .await
    };
    let (_, write) = noun::rights(Resource::Applications);
    let operation = Operation::new(Method::POST, format!("/subscriptions/{{id}}/{verb}"), write, handler).words(
        TAG,
        format!("{verb}_subscription"),
        summary,
    );
    let operation = if verb == "cancel" {
        operation.notes("The developer, who may do this too, gets no mail.")
    } else {
        operation.notes("The developer is told by mail.")
    };
    operation
        .answers(
            200,
            "The subscription as it is now.",
            Some(Shape::of::<NamedSubscription>()),
        )
        .with_etag()
        .configures()
        .conflicts()
}

async fn list(call: Call) -> Outcome {
    let query = call.query.list(&["application", "plan", "product", "state"])?;
    Ok(Reply::ok(
        &subscriptions::list(&call.control, &call.actor, &query).await?,
    ))
}

async fn get(call: Call) -> Outcome {
    let named = subscriptions::get(&call.control, &call.actor, call.id(Kind::Subscription)?).await?;
    let version = named.subscription.version;
    Ok(call.found(&named, version))
}
