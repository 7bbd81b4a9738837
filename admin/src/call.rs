//! One call of an operation: who, with what, and the ways to answer.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderValue};
use control::idempotency::Claim;
use control::{Change, ChangeRecord, Control, Mode, Written, revisions};
use model::actor::Actor;
use model::{Draft, Kind, Submission};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::conditions::{self, Condition};
use crate::operation::{Operation, Outcome};
use crate::problem::Problem;
use crate::query::Query;
use crate::reply::Reply;
use crate::waiting::Wait;

/// The header that tells the revision of a change.
const REVISION: &str = "x-config-revision";

/// A call that passed all checks that need no operation.
#[derive(Debug)]
pub(crate) struct Call {
    /// The way to every operation.
    pub(crate) control: Control,
    /// Who calls.
    pub(crate) actor: Actor,
    /// Its query parameters.
    pub(crate) query: Query,
    /// Its JSON; `null` when there is none.
    pub(crate) body: Value,
    /// What it asks of the object.
    pub(crate) condition: Condition,
    request: HttpRequest,
    mode: Mode,
    wait: Option<Wait>,
    /// The right to answer for the request's `Idempotency-Key`.
    pub(crate) claim: Option<Claim>,
}

/// What a dry run answers: nothing of it is stored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DryRun {
    /// Always true.
    dry_run: bool,
    /// What would happen to which object.
    changes: Vec<ChangeRecord>,
    /// What would be answered, without secrets; `null` for a deletion.
    #[schema(value_type = Option<Object>)]
    result: Value,
}

impl Call {
    /// Reads what the operation takes; the body comes later.
    pub(crate) fn new(
        control: Control,
        actor: Actor,
        operation: &Operation,
        request: HttpRequest,
    ) -> Result<Self, Problem> {
        let query = Query::read(request.query_string(), &operation.query)?;
        let mode = if query.flag("dry_run") {
            Mode::DryRun
        } else {
            Mode::Commit
        };
        let wait = if operation.configures {
            Wait::read(&query, request.headers())?
        } else {
            None
        };
        let condition = if operation.conditional {
            Condition::read(request.headers())?
        } else {
            Condition::None
        };
        Ok(Self {
            control,
            actor,
            query,
            body: Value::Null,
            condition,
            request,
            mode,
            wait,
            claim: None,
        })
    }

    /// The headers of the request.
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// The id or name that stands in the path.
    pub(crate) fn reference(&self, kind: Kind, name: &str) -> Result<String, Problem> {
        let text = self.request.match_info().get(name).unwrap_or_default();
        let decoded = percent_decode_str(text)
            .decode_utf8()
            .map_err(|_| Problem::no(kind, text))?;
        if decoded.is_empty() || decoded.contains('\0') {
            return Err(Problem::no(kind, text));
        }
        Ok(decoded.into_owned())
    }

    /// The id that stands in the path, for kinds that have no names.
    pub(crate) fn id<I: From<Uuid>>(&self, kind: Kind) -> Result<I, Problem> {
        let text = self.reference(kind, "id")?;
        text.parse::<Uuid>().map(I::from).map_err(|_| Problem::no(kind, &text))
    }

    /// The number that stands in the path.
    pub(crate) fn number(&self, name: &str) -> Result<i64, Problem> {
        let text = self.request.match_info().get(name).unwrap_or_default();
        let no_number = |_| Problem::not_found("There is no revision of this number.");
        text.parse().map_err(no_number)
    }

    /// The body as a draft.
    pub(crate) fn draft<D: Draft>(&self) -> Submission<D> {
        D::read(&self.body)
    }

    /// Whether nothing is to be stored.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.mode == Mode::DryRun
    }

    /// Writes configuration and answers when it is live, as far as the request asks for that.
    pub(crate) async fn write<T>(
        &self,
        operation: impl AsyncFnOnce(&mut Change) -> control::Result<T>,
        render: impl FnOnce(T) -> Reply,
    ) -> Outcome {
        let operation = async |change: &mut Change| operation(change).await.map(render);
        let written = match &self.claim {
            // What is answered when gateways were waited for takes the place of this.
            Some(claim) => {
                let keep = (claim, |written: &Written<Reply>| told(written).kept());
                let control = &self.control;
                control.write_once(&self.actor, self.mode, operation, keep).await?
            }
            None => self.control.write(&self.actor, self.mode, operation).await?,
        };
        let reply = told(&written);
        if self.is_dry_run() {
            let dry_run = DryRun {
                dry_run: true,
                changes: written.changes,
                result: reply.value(),
            };
            return Ok(Reply::ok(&dry_run));
        }
        let revision = match written.revision {
            Some(revision) => revision,
            // Nothing changed, so what is wanted is live with the newest revision.
            None => revisions::head(&self.control).await?,
        };
        let reply = reply.with_text(REVISION, &revision.to_string());
        Ok(match self.wait {
            Some(wait) => wait.hold(&self.control, revision, reply).await,
            None => reply,
        })
    }

    /// Answers with an object of a version, or with 304 to whoever has it.
    pub(crate) fn found(&self, object: &impl Serialize, version: i64) -> Reply {
        let tag = conditions::etag(version);
        if conditions::is_known(self.headers(), &tag) {
            return Reply::empty(StatusCode::NOT_MODIFIED).with_header(actix_web::http::header::ETAG, tag);
        }
        versioned(StatusCode::OK, object, version)
    }
}

/// What was written, with its warnings and its revision.
fn told(written: &Written<Reply>) -> Reply {
    let mut reply = written.value.clone();
    if !written.warnings.is_empty() {
        reply = reply.with_member("warnings", &written.warnings);
    }
    match written.revision {
        Some(revision) => reply.with_text(REVISION, &revision.to_string()),
        None => reply,
    }
}

/// An answer with an object and its `ETag`.
pub(crate) fn versioned(status: StatusCode, object: &impl Serialize, version: i64) -> Reply {
    Reply::json(status, object).with_header(actix_web::http::header::ETAG, conditions::etag(version))
}

/// The answer to the making of an object.
pub(crate) fn created(reply: Reply, kind: Kind, id: impl std::fmt::Display) -> Reply {
    let location = format!("/api/v1/{}/{id}", kind.plural());
    match HeaderValue::from_str(&location) {
        Ok(value) => reply.with_header(actix_web::http::header::LOCATION, value),
        Err(_) => reply,
    }
}

/// The object of a secret that is shown once; a dry run has none.
pub(crate) fn with_secret(object: &impl Serialize, member: &str, secret: Option<&str>) -> Value {
    let mut value = json!(object);
    if let (Some(members), Some(secret)) = (value.as_object_mut(), secret) {
        members.insert(member.to_owned(), secret.into());
    }
    value
}
