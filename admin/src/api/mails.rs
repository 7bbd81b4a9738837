//! The outbox: mails that were sent, wait, or are kept because there is no mail server.

use actix_web::http::Method;
use control::mail::{self, Mail, MailDetail};
use model::Kind;
use model::actor::Resource;

use crate::call::Call;
use crate::noun;
use crate::operation::{Operation, Outcome};
use crate::query::{Form, Parameter};
use crate::reply::Reply;
use crate::shape::Shape;

const TAG: &str = "Mails";
const STATES: [&str; 4] = ["queued", "sent", "kept", "failed"];

pub(super) fn operations() -> Vec<Operation> {
    let (read, write) = noun::rights(Resource::Mail);
    vec![
        Operation::new(Method::GET, "/mails", read, list)
            .words(TAG, "list_mails", "List mails")
            .query(Parameter::of_pages())
            .query([Parameter::new("state", Form::Word(&STATES), "Only those in this state.")])
            .answers(200, "One page, newest first.", Some(Shape::of::<Mail>().page("Mail"))),
        Operation::new(Method::GET, "/mails/{id}", read, get)
            .words(TAG, "get_mail", "Get a mail with its text")
            .notes("The text is empty once the mail was sent, and for those who may not write both mails and admins: its links are secrets.")
            .answers(200, "It is this.", Some(Shape::of::<MailDetail>())),
        Operation::new(Method::POST, "/mails/{id}/retry", write, retry)
            .words(TAG, "retry_mail", "Send a mail that failed or was kept")
            .answers(200, "The mail as it is now.", Some(Shape::of::<Mail>()))
            .conflicts(),
    ]
}

async fn list(call: Call) -> Outcome {
    let query = call.query.list(&["state"])?;
    Ok(Reply::ok(&mail::list(&call.control, &call.actor, &query).await?))
}

async fn get(call: Call) -> Outcome {
    Ok(Reply::ok(
        &mail::get(&call.control, &call.actor, call.id(Kind::Mail)?).await?,
    ))
}

async fn retry(call: Call) -> Outcome {
    Ok(Reply::ok(
        &mail::retry(&call.control, &call.actor, call.id(Kind::Mail)?).await?,
    ))
}
