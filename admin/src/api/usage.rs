//! Usage: what the gateways counted, as series, sums and the busiest.

use actix_web::http::Method;
use control::Table;
use control::usage::{self, Point, Span, Summary, Top, TopBy, UsageFilter};
use model::actor::Resource;
use model::clock::Timestamp;
use model::consumer::ConsumerSpec;
use model::id::CredentialId;
use model::route::RouteSpec;
use model::service::ServiceSpec;
use model::{Code, Errors};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::Call;
use crate::noun;
use crate::operation::{Operation, Outcome};
use crate::problem::Problem;
use crate::query::{Form, Parameter};
use crate::reply::Reply;
use crate::shape::Shape;

const TAG: &str = "Usage";
/// The span when none is given.
const DEFAULT: time::Duration = time::Duration::hours(1);

/// Requests over time.
#[derive(Debug, Serialize, ToSchema)]
struct UsageSeries {
    /// The width of a point, in seconds.
    step: i64,
    /// A point for every step, also where nothing happened.
    points: Vec<Point>,
}

/// The busiest, busiest first.
#[derive(Debug, Serialize, ToSchema)]
struct UsageTop {
    /// As many as were asked for at most.
    items: Vec<Top>,
}

pub(super) fn operations() -> Vec<Operation> {
    let (read, _) = noun::rights(Resource::Usage);
    let step = Parameter::new(
        "step",
        Form::Number(10, 604_800),
        "The width of a point in seconds, a multiple of 10; default one that gives about 100 points.",
    );
    let by = Parameter::new(
        "by",
        Form::Word(&["route", "service", "consumer"]),
        "What to list; default `route`.",
    );
    let limit = Parameter::new("limit", Form::Number(1, 100), "How many; default 10.");
    vec![
        Operation::new(Method::GET, "/usage/series", read, series)
            .words(TAG, "get_usage_series", "Get requests, errors and latency over time")
            .query(span_parameters())
            .query(filter_parameters())
            .query([step])
            .answers(200, "The series.", Some(Shape::of::<UsageSeries>())),
        Operation::new(Method::GET, "/usage/summary", read, summary)
            .words(TAG, "get_usage_summary", "Get sums of requests, errors and latency")
            .query(span_parameters())
            .query(filter_parameters())
            .answers(200, "The sums.", Some(Shape::of::<Summary>())),
        Operation::new(Method::GET, "/usage/top", read, top)
            .words(TAG, "get_usage_top", "Get the busiest routes, services or consumers")
            .query(span_parameters())
            .query([by, limit])
            .answers(200, "The busiest first.", Some(Shape::of::<UsageTop>())),
    ]
}

fn span_parameters() -> [Parameter; 2] {
    [
        Parameter::new(
            "from",
            Form::Time,
            "The first moment, RFC 3339; default an hour before `to`.",
        ),
        Parameter::new("to", Form::Time, "The first moment after, RFC 3339; default now."),
    ]
}

fn filter_parameters() -> [Parameter; 4] {
    [
        Parameter::new("route", Form::Text, "Only requests of this route; an id or a name."),
        Parameter::new("service", Form::Text, "Only requests of this service; an id or a name."),
        Parameter::new(
            "consumer",
            Form::Text,
            "Only requests of this consumer; an id or a name.",
        ),
        Parameter::new(
            "credential",
            Form::Text,
            "Only requests with the credential of this id.",
        ),
    ]
}

async fn series(call: Call) -> Outcome {
    let (span, filter) = (span(&call)?, filter(&call).await?);
    let points = usage::series(&call.control, &call.actor, span, filter).await?;
    Ok(Reply::ok(&UsageSeries {
        step: span.step,
        points,
    }))
}

async fn summary(call: Call) -> Outcome {
    let (span, filter) = (span(&call)?, filter(&call).await?);
    Ok(Reply::ok(
        &usage::summary(&call.control, &call.actor, span, filter).await?,
    ))
}

async fn top(call: Call) -> Outcome {
    let by = match call.query.get("by") {
        Some("service") => TopBy::Service,
        Some("consumer") => TopBy::Consumer,
        _ => TopBy::Route,
    };
    let limit = call.query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(10);
    let items = usage::top(&call.control, &call.actor, span(&call)?, by, limit).await?;
    Ok(Reply::ok(&UsageTop { items }))
}

fn span(call: &Call) -> Result<Span, Problem> {
    let to = moment(call, "to")?.unwrap_or_else(|| call.control.now());
    let from = match moment(call, "from")? {
        Some(from) => from,
        None => to.checked_sub(DEFAULT).ok_or_else(|| wrong("to", "is too long ago"))?,
    };
    let step = call.query.get("step").and_then(|text| text.parse().ok());
    Ok(Span::new(from, to, step)?)
}

fn moment(call: &Call, name: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = call.query.get(name) else {
        return Ok(None);
    };
    let parsed = Timestamp::parse(text, &Rfc3339).ok();
    let moment = parsed.and_then(|moment| moment.checked_to_offset(time::UtcOffset::UTC));
    let counted = moment.filter(|moment| *moment >= Timestamp::UNIX_EPOCH);
    counted
        .map(Some)
        .ok_or_else(|| wrong(name, "must be a time like `2026-11-23T12:00:00Z`, from 1970 on"))
}

async fn filter(call: &Call) -> Result<UsageFilter, Problem> {
    let credential = call.query.get("credential").map(str::parse::<CredentialId>).transpose();
    Ok(UsageFilter {
        route: id_of::<RouteSpec>(call, "route").await?,
        service: id_of::<ServiceSpec>(call, "service").await?,
        consumer: id_of::<ConsumerSpec>(call, "consumer").await?,
        credential: credential.map_err(|_| wrong("credential", "must be an id"))?,
    })
}

/// The id in a parameter. One that is given as an id is taken as it is: usage outlives what it was counted for.
async fn id_of<S: Table>(call: &Call, name: &str) -> Result<Option<S::Id>, Problem> {
    let Some(reference) = call.query.get(name) else {
        return Ok(None);
    };
    if let Ok(id) = reference.parse::<Uuid>() {
        return Ok(Some(id.into()));
    }
    match control::get::<S>(&call.control, &call.actor, reference).await {
        Ok(stored) => Ok(Some(stored.id)),
        Err(control::Error::NotFound { .. }) => Err(wrong(
            name,
            &format!("does not exist: there is no {} of this name", S::KIND),
        )),
        Err(error) => Err(error.into()),
    }
}

fn wrong(name: &str, message: &str) -> Problem {
    control::Error::InvalidQuery(Errors::one(name, Code::Invalid, message)).into()
}
