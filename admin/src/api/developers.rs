//! Developers: the accounts of the portal, as administrators look after them.

use actix_web::http::{Method, StatusCode};
use control::developers;
use model::Kind;
use model::account::Developer;
use model::actor::Resource;
use model::id::DeveloperId;

use super::applications;
use crate::call::Call;
use crate::noun;
use crate::operation::{Operation, Outcome};
use crate::query::{Form, Parameter};
use crate::reply::Reply;
use crate::shape::Shape;

const TAG: &str = "Developers";
const STATES: [&str; 3] = ["pending_verification", "active", "suspended"];

pub(super) fn operations() -> Vec<Operation> {
    let (read, write) = noun::rights(Resource::Applications);
    let shape = || Some(Shape::of::<Developer>());
    let mut all = vec![
        Operation::new(Method::GET, "/developers", read, list)
            .words(TAG, "list_developers", "List developers")
            .query(Parameter::of_pages())
            .query([Parameter::new(
                "status",
                Form::Word(&STATES),
                "Only those in this state.",
            )])
            .answers(
                200,
                "One page, newest first.",
                Some(Shape::of::<Developer>().page("Developer")),
            ),
        Operation::new(Method::GET, "/developers/{id}", read, get)
            .words(TAG, "get_developer", "Get a developer")
            .answers(200, "It is this.", shape()),
        Operation::new(Method::POST, "/developers/{id}/confirm", write, confirm)
            .words(TAG, "confirm_developer", "Confirm a developer's address by hand")
            .answers(200, "The developer as it is now.", shape())
            .conflicts(),
        Operation::new(Method::POST, "/developers/{id}/suspend", write, suspend)
            .words(TAG, "suspend_developer", "Suspend a developer")
            .notes("Ends the sessions; the keys of the developer's applications are refused.")
            .answers(200, "The developer as it is now.", shape())
            .configures()
            .conflicts(),
        Operation::new(Method::POST, "/developers/{id}/resume", write, resume)
            .words(TAG, "resume_developer", "Let a suspended developer go on")
            .answers(200, "The developer as it is now.", shape())
            .configures()
            .conflicts(),
    ];
    all.extend(applications::of_developer());
    all
}

async fn list(call: Call) -> Outcome {
    let query = call.query.list(&["status"])?;
    Ok(Reply::ok(&developers::list(&call.control, &call.actor, &query).await?))
}

async fn get(call: Call) -> Outcome {
    Ok(Reply::ok(
        &developers::get(&call.control, &call.actor, call.id(Kind::Developer)?).await?,
    ))
}

async fn confirm(call: Call) -> Outcome {
    Ok(Reply::ok(
        &developers::confirm(&call.control, &call.actor, call.id(Kind::Developer)?).await?,
    ))
}

async fn suspend(call: Call) -> Outcome {
    let id: DeveloperId = call.id(Kind::Developer)?;
    call.write(
        async move |change| developers::suspend(change, id).await,
        |developer| Reply::json(StatusCode::OK, &developer),
    )
    .await
}

async fn resume(call: Call) -> Outcome {
    let id: DeveloperId = call.id(Kind::Developer)?;
    call.write(
        async move |change| developers::resume(change, id).await,
        |developer| Reply::json(StatusCode::OK, &developer),
    )
    .await
}
