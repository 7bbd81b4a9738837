//! The audit log.

use actix_web::http::Method;
use control::audit::{self, AuditEntry};
use model::actor::Resource;

use crate::call::Call;
use crate::noun;
use crate::operation::{Operation, Outcome};
use crate::query::{Form, Parameter};
use crate::reply::Reply;
use crate::shape::Shape;

pub(super) fn operations() -> Vec<Operation> {
    let (read, _) = noun::rights(Resource::Audit);
    let filters = [
        Parameter::new("actor", Form::Text, "Only what the actor of this id did."),
        Parameter::new(
            "actor_kind",
            Form::Text,
            "Only what actors of this kind did: `admin`, `developer`, `token` or `system`.",
        ),
        Parameter::new("object", Form::Text, "Only what was done to the object of this id."),
        Parameter::new(
            "kind",
            Form::Text,
            "Only what was done to objects of this kind, such as `route`.",
        ),
        Parameter::new("action", Form::Text, "Only this action, such as `route.updated`."),
    ];
    vec![
        Operation::new(Method::GET, "/audit", read, list)
            .words("Audit", "list_audit", "List the audit log")
            .query(Parameter::of_pages())
            .query(filters)
            .answers(
                200,
                "One page, newest first.",
                Some(Shape::of::<AuditEntry>().page("AuditEntry")),
            ),
    ]
}

async fn list(call: Call) -> Outcome {
    let query = call.query.list(&["actor", "actor_kind", "object", "kind", "action"])?;
    Ok(Reply::ok(&audit::list(&call.control, &call.actor, &query).await?))
}
