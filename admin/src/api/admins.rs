//! Administrators.

use actix_web::http::{Method, StatusCode};
use control::accounts::admins::{self, AdminDraft, Invited};
use model::Kind;
use model::account::Admin;
use model::actor::Resource;
use serde_json::json;

use crate::call::{Call, created, with_secret};
use crate::noun;
use crate::operation::{Operation, Outcome};
use crate::query::{Form, Parameter};
use crate::reply::Reply;
use crate::shape::Shape;

const TAG: &str = "Administrators";

pub(super) fn operations() -> Vec<Operation> {
    let (read, write) = noun::rights(Resource::Admins);
    let shape = || Some(Shape::of::<Admin>());
    let invited = || {
        let about = "Where the person chooses a password; shown this once, and mailed.";
        Some(Shape::of::<Admin>().with_secret("InvitedAdmin", "link", about))
    };
    let example = json!({"name": "Ada", "email": "ada@example.com", "role": "operator"});
    let now = "The administrator as it is now.";
    vec![
        Operation::new(Method::GET, "/admins", read, list)
            .words(TAG, "list_admins", "List administrators")
            .query(Parameter::of_pages())
            .query([Parameter::new(
                "role",
                Form::Word(&["owner", "operator", "auditor"]),
                "Only those with this role.",
            )])
            .answers(200, "One page, newest first.", Some(Shape::of::<Admin>().page("Admin"))),
        Operation::new(Method::POST, "/admins", write, invite)
            .words(TAG, "invite_admin", "Invite an administrator")
            .notes("The person chooses a password by the link, which is also mailed.")
            .body(Shape::of::<AdminDraft>(), example)
            .answers(201, "The account, with the link.", invited())
            .with_location(),
        Operation::new(Method::GET, "/admins/{id}", read, get)
            .words(TAG, "get_admin", "Get an administrator")
            .answers(200, "It is this.", shape()),
        Operation::new(Method::PATCH, "/admins/{id}", write, update)
            .words(TAG, "update_admin", "Change the name or the role of an administrator")
            .body(Shape::of::<AdminDraft>(), json!({"role": "auditor"}))
            .answers(200, now, shape())
            .conflicts(),
        Operation::new(Method::DELETE, "/admins/{id}", write, delete)
            .words(TAG, "delete_admin", "Delete an administrator")
            .answers(204, "It is gone.", None)
            .conflicts(),
        Operation::new(Method::POST, "/admins/{id}/link", write, renew_link)
            .words(TAG, "renew_admin_link", "Send an administrator a new link")
            .notes("For an invitation that lapsed, or a password that is lost.")
            .answers(200, "The account, with the link.", invited())
            .conflicts(),
        Operation::new(Method::POST, "/admins/{id}/disable", write, |call| {
            set_enabled(call, false)
        })
        .words(TAG, "disable_admin", "Keep an administrator from signing in")
        .answers(200, now, shape())
        .conflicts(),
        Operation::new(Method::POST, "/admins/{id}/enable", write, |call| {
            set_enabled(call, true)
        })
        .words(TAG, "enable_admin", "Let an administrator sign in again")
        .answers(200, now, shape())
        .conflicts(),
    ]
}

async fn list(call: Call) -> Outcome {
    let query = call.query.list(&["role"])?;
    Ok(Reply::ok(&admins::list(&call.control, &call.actor, &query).await?))
}

async fn invite(call: Call) -> Outcome {
    let invited = admins::invite(&call.control, &call.actor, call.draft()).await?;
    let id = invited.admin.id;
    Ok(created(shown_once(StatusCode::CREATED, &invited), Kind::Admin, id))
}

async fn get(call: Call) -> Outcome {
    Ok(Reply::ok(
        &admins::get(&call.control, &call.actor, call.id(Kind::Admin)?).await?,
    ))
}

async fn update(call: Call) -> Outcome {
    let id = call.id(Kind::Admin)?;
    Ok(Reply::ok(
        &admins::update(&call.control, &call.actor, id, call.draft()).await?,
    ))
}

async fn delete(call: Call) -> Outcome {
    admins::delete(&call.control, &call.actor, call.id(Kind::Admin)?).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

async fn renew_link(call: Call) -> Outcome {
    let invited = admins::renew_link(&call.control, &call.actor, call.id(Kind::Admin)?).await?;
    Ok(shown_once(StatusCode::OK, &invited))
}

async fn set_enabled(call: Call, enabled: bool) -> Outcome {
    Ok(Reply::ok(
        &admins::set_enabled(&call.control, &call.actor, call.id(Kind::Admin)?, enabled).await?,
    ))
}

fn shown_once(status: StatusCode, invited: &Invited) -> Reply {
    Reply::json(
        status,
        &with_secret(&invited.admin, "link", Some(invited.link.expose())),
    )
}
