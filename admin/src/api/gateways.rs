//! Gateways: which run, on which revision, and waiting for them.

use actix_web::http::{Method, StatusCode};
use control::gateways::{self, Gateway, WaitFor};
use control::revisions;
use model::actor::Resource;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::call::Call;
use crate::noun;
use crate::operation::{Operation, Outcome};
use crate::query::{Form, Parameter};
use crate::reply::Reply;
use crate::shape::Shape;
use crate::waiting::duration;

const TAG: &str = "Gateways";
/// How long to wait when it is not said.
const DEFAULT: &str = "2s";

/// How far a revision came.
#[derive(Debug, Serialize, ToSchema)]
struct Applied {
    /// The revision that was waited for.
    revision: i64,
    /// Whether the gateways run it.
    applied: bool,
    /// The gateways that do not run it yet.
    waiting_for: Vec<Gateway>,
}

pub(super) fn operations() -> Vec<Operation> {
    let (read, _) = noun::rights(Resource::Gateways);
    vec![
        Operation::new(Method::GET, "/gateways", read, list)
            .words(TAG, "list_gateways", "List gateways")
            .notes("Those that run, and those that stopped within the last hour.")
            .answers(200, "All of them.", Some(Shape::of::<Gateway>().page("Gateway"))),
        Operation::new(Method::GET, "/gateways/wait", read, wait)
            .words(TAG, "wait_for_gateways", "Wait until gateways run a revision")
            .notes("Answers as soon as they do, or when the time is over; `applied` tells which. With no gateway there is nobody to wait for.")
            .query([
                Parameter::new("revision", Form::Number(0, i64::MAX), "The revision; default the newest."),
                Parameter::new("for", Form::Word(&["all", "any"]), "Whether all must run it, or the first is enough; default `all`."),
                Parameter::new("timeout", Form::Text, "How long to wait at most, such as `2s` or `500ms`; default `2s`, at most `30s`."),
            ])
            .answers(200, "How far it came.", Some(Shape::of::<Applied>())),
    ]
}

async fn list(call: Call) -> Outcome {
    let items = gateways::list(&call.control, &call.actor).await?;
    Ok(Reply::ok(
        &json!({"total": items.len(), "items": items, "next_cursor": null}),
    ))
}

async fn wait(call: Call) -> Outcome {
    let revision = match call.query.get("revision").and_then(|text| text.parse().ok()) {
        Some(revision) => revision,
        None => revisions::head(&call.control).await?,
    };
    let wait_for = if call.query.get("for") == Some("any") {
        WaitFor::Any
    } else {
        WaitFor::All
    };
    let timeout = duration(call.query.get("timeout").unwrap_or(DEFAULT))?;
    let waiting_for = gateways::wait(&call.control, revision, wait_for, timeout).await?;
    Ok(Reply::json(
        StatusCode::OK,
        &Applied {
            revision,
            applied: waiting_for.is_empty(),
            waiting_for,
        },
    ))
}
