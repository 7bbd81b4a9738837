//! Revisions: the history of configuration, with what each changed, and the difference between two.

use actix_web::http::Method;
use control::revisions::{self, Difference, Revision, RevisionDetail};
use model::actor::Resource;

use crate::call::Call;
use crate::noun;
use crate::operation::{Operation, Outcome};
use crate::problem::Problem;
use crate::query::{Form, Parameter};
use crate::reply::Reply;
use crate::shape::Shape;

const TAG: &str = "Revisions";

pub(super) fn operations() -> Vec<Operation> {
    let (read, _) = noun::rights(Resource::Revisions);
    let object = Parameter::new("object", Form::Text, "Only those that changed the object of this id.");
    vec![
        Operation::new(Method::GET, "/revisions", read, list)
            .words(TAG, "list_revisions", "List revisions")
            .query(Parameter::of_pages())
            .query([object])
            .answers(200, "One page, newest first.", Some(Shape::of::<Revision>().page("Revision"))),
        Operation::new(Method::GET, "/revisions/{number}", read, get)
            .words(TAG, "get_revision", "Get a revision with what it changed, before and after")
            .answers(200, "It is this.", Some(Shape::of::<RevisionDetail>())),
        Operation::new(Method::GET, "/revisions/{from}/diff/{to}", read, diff)
            .words(TAG, "diff_revisions", "Compare two revisions")
            .notes("Every object that differs, once: as it was after the one revision and as it is after the other. 0 is the empty configuration.")
            .answers(200, "What differs.", Some(Shape::of::<Difference>()))
            .conflicts(),
    ]
}

async fn list(call: Call) -> Outcome {
    let query = call.query.list(&["object"])?;
    Ok(Reply::ok(&revisions::list(&call.control, &call.actor, &query).await?))
}

async fn get(call: Call) -> Outcome {
    let number = call.number("number")?;
    let revision = revisions::get(&call.control, &call.actor, number)
        .await
        .map_err(missing)?;
    Ok(Reply::ok(&revision))
}

async fn diff(call: Call) -> Outcome {
    let (from, to) = (call.number("from")?, call.number("to")?);
    let newest = revisions::head(&call.control).await?;
    if from.max(to) > newest {
        return Err(Problem::not_found(format!("The newest revision is {newest}.")));
    }
    Ok(Reply::ok(&revisions::diff(&call.control, &call.actor, from, to).await?))
}

/// A revision has no id that a refusal could name, only a number.
fn missing(error: control::Error) -> Problem {
    match error {
        control::Error::Conflict(_) => Problem::not_found("There is no revision of this number."),
        other => other.into(),
    }
}
