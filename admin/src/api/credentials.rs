//! Credentials: their secrets leave once, with the answer that made them.

use actix_web::http::{Method, StatusCode};
use control::credentials::{self, Issued};
use model::actor::{Action, Resource};
use model::credential::{Credential, CredentialDraft, RotationGrace};
use model::id::CredentialId;
use model::{Code, Kind, Submission};
use serde_json::{Value, json};

use crate::call::{Call, created, versioned, with_secret};
use crate::noun;
use crate::operation::{Operation, Outcome};
use crate::query::{Form, Parameter};
use crate::reply::Reply;
use crate::shape::Shape;

const TAG: &str = "Credentials";
const STATES: [&str; 3] = ["active", "disabled", "revoked"];
const WRITE: (Resource, Action) = (Resource::Credentials, Action::Write);

model::draft! {
    /// How a credential is replaced.
    pub struct RotationDraft {
        /// How long the old key still works: `now`, `1h`, `24h` (default) or `7d`.
        #[schema(example = "24h")]
        pub grace: Option<String>,
    }
}

pub(super) fn operations() -> Vec<Operation> {
    let (read, _) = noun::rights(Resource::Credentials);
    let shape = Shape::of::<Credential>;
    let consumer = Parameter::new("consumer", Form::Text, "Only those of this consumer; an id or a name.");
    vec![
        Operation::new(Method::GET, "/credentials", read, list)
            .words(TAG, "list_credentials", "List credentials")
            .query(Parameter::of_pages())
            .query([consumer, status()])
            .answers(200, "One page, newest first.", Some(shape().page("Credential"))),
        Operation::new(Method::GET, "/credentials/{id}", read, get)
            .words(TAG, "get_credential", "Get a credential")
            .notes("The secret is not among it: it was shown once, when it was made.")
            .answers(200, "It is this.", Some(shape()))
            .with_etag(),
        Operation::new(Method::POST, "/credentials/{id}/rotate", WRITE, rotate)
            .words(TAG, "rotate_credential", "Replace a credential")
            .notes(
                "Makes a new one with the same rights and shows its secret once; the old one works on for the grace.",
            )
            .optional_body(Shape::of::<RotationDraft>(), json!({"grace": "24h"}))
            .answers(201, "The new credential, with its secret.", Some(secret()))
            .with_location()
            .with_etag()
            .configures()
            .conflicts(),
        verb("revoke", "Revoke a credential for good", async |change, id| {
            credentials::revoke(change, id).await
        }),
        verb("disable", "Refuse a credential for now", async |change, id| {
            credentials::set_enabled(change, id, false).await
        }),
        verb("enable", "Accept a credential again", async |change, id| {
            credentials::set_enabled(change, id, true).await
        }),
    ]
}

/// The credentials of a consumer.
pub(super) fn of_consumer() -> Vec<Operation> {
    let (read, _) = noun::rights(Resource::Credentials);
    let example = json!({"name": "production", "environment": "live", "ip_allow": ["10.0.0.0/8"]});
    vec![
        Operation::new(Method::GET, "/consumers/{id}/credentials", read, list_of_consumer)
            .words(
                TAG,
                "list_credentials_of_consumer",
                "List the credentials of a consumer",
            )
            .query(Parameter::of_pages())
            .query([status()])
            .answers(
                200,
                "One page, newest first.",
                Some(Shape::of::<Credential>().page("Credential")),
            ),
        Operation::new(Method::POST, "/consumers/{id}/credentials", WRITE, issue)
            .words(TAG, "issue_credential", "Issue a credential to a consumer")
            .notes("The secret is in the answer and nowhere else; it cannot be read again.")
            .body(Shape::of::<CredentialDraft>(), example)
            .answers(201, "The credential, with its secret.", Some(secret()))
            .with_location()
            .with_etag()
            .configures(),
    ]
}

fn status() -> Parameter {
    Parameter::new("status", Form::Word(&STATES), "Only those in this state.")
}

/// A credential with the secret that is shown once.
pub(super) fn secret() -> Shape {
    Shape::of::<Credential>().with_secret(
        "IssuedCredential",
        "secret",
        "The key itself, shown this once; absent in a dry run.",
    )
}

fn verb(
    verb: &'static str,
    summary: &str,
    operation: impl AsyncFn(&mut control::Change, CredentialId) -> control::Result<Credential>
    + Copy
    + Send
    + Sync
    + 'static,
) -> Operation {
    let handler = move |call: Call| async move {
        let id = call.id(Kind::Credential)?;
        let render = |credential: Credential| versioned(StatusCode::OK, &credential, credential.version);
        call.write(
            async move |change: &mut control::Change| operation(change, id).await,
            render,
        )
        .await
    };
    Operation::new(Method::POST, format!("/credentials/{{id}}/{verb}"), WRITE, handler)
        .words(TAG, format!("{verb}_credential"), summary)
        .answers(200, "The credential as it is now.", Some(Shape::of::<Credential>()))
        .with_etag()
        .configures()
        .conflicts()
}

async fn list(call: Call) -> Outcome {
    let query = call.query.list(&["consumer", "status"])?;
    Ok(Reply::ok(&credentials::list(&call.control, &call.actor, &query).await?))
}

async fn list_of_consumer(call: Call) -> Outcome {
    let consumer = call.reference(Kind::Consumer, "id")?;
    let query = call.query.list(&["status"])?.with("consumer", consumer);
    Ok(Reply::ok(&credentials::list(&call.control, &call.actor, &query).await?))
}

async fn get(call: Call) -> Outcome {
    let credential = credentials::get(&call.control, &call.actor, call.id(Kind::Credential)?).await?;
    Ok(call.found(&credential, credential.version))
}

async fn issue(call: Call) -> Outcome {
    let consumer = call.reference(Kind::Consumer, "id")?;
    let submission = call.draft::<CredentialDraft>();
    let operation = async move |change: &mut control::Change| credentials::issue(change, &consumer, submission).await;
    call.write(operation, |issued| shown_once(&call, &issued)).await
}

async fn rotate(call: Call) -> Outcome {
    let id = call.id(Kind::Credential)?;
    let body = if call.body.is_null() {
        json!({})
    } else {
        call.body.clone()
    };
    let grace = grace(&body)?;
    let operation = async move |change: &mut control::Change| credentials::rotate(change, id, grace).await;
    call.write(operation, |issued| shown_once(&call, &issued)).await
}

fn grace(body: &Value) -> control::Result<RotationGrace> {
    let Submission { draft, mut errors } = <RotationDraft as model::Draft>::read(body);
    let word = draft.grace.as_deref().unwrap_or("24h");
    let grace = serde_json::from_value(json!(word)).ok();
    if grace.is_none() {
        errors.add("grace", Code::Invalid, "must be `now`, `1h`, `24h` or `7d`");
    }
    errors.into_result(grace).map_err(control::Error::Invalid)
}

/// The answer to the making of a credential.
pub(super) fn shown_once(call: &Call, issued: &Issued) -> Reply {
    let secret = (!call.is_dry_run()).then(|| issued.secret.expose());
    let body = with_secret(&issued.credential, "secret", secret);
    created(
        versioned(StatusCode::CREATED, &body, issued.credential.version),
        Kind::Credential,
        issued.credential.id,
    )
}
