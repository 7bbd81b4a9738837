//! Applications of developers, with their keys and subscriptions.

use actix_web::http::{Method, StatusCode};
use control::subscriptions::NamedSubscription;
use control::{Change, applications, keys, subscriptions};
use model::actor::Resource;
use model::application::{Application, ApplicationDraft};
use model::credential::{Credential, CredentialDraft};
use model::id::{ApplicationId, DeveloperId};
use model::{Code, Draft as _, Kind, Submission};
use serde_json::json;

use super::credentials;
use crate::call::{Call, created, versioned};
use crate::noun;
use crate::operation::{Operation, Outcome};
use crate::query::{Form, Parameter};
use crate::reply::Reply;
use crate::shape::Shape;

const TAG: &str = "Applications";
const STATES: [&str; 2] = ["active", "suspended"];

model::draft! {
    /// What an application asks for.
    pub struct SubscriptionDraft {
        /// Id or name of the plan.
        #[schema(example = "commerce-free")]
        pub plan: Option<String>,
    }
}

pub(super) fn operations() -> Vec<Operation> {
    let (read, write) = noun::rights(Resource::Applications);
    let shape = || Some(Shape::of::<Application>());
    let filters = [
        Parameter::new("developer", Form::Text, "Only those of the developer of this id."),
        Parameter::new("status", Form::Word(&STATES), "Only those in this state."),
    ];
    let mut all = vec![
        Operation::new(Method::GET, "/applications", read, list)
            .words(TAG, "list_applications", "List applications")
            .query(Parameter::of_pages())
            .query(filters)
            .answers(
                200,
                "One page, newest first.",
                Some(Shape::of::<Application>().page("Application")),
            ),
        Operation::new(Method::GET, "/applications/{id}", read, get)
            .words(TAG, "get_application", "Get an application")
            .answers(200, "It is this.", shape())
            .with_etag(),
        Operation::new(Method::PATCH, "/applications/{id}", write, update)
            .words(
                TAG,
                "update_application",
                "Change the name or the description of an application",
            )
            .body(
                Shape::of::<ApplicationDraft>(),
                json!({"description": "Places orders from our shop."}),
            )
            .answers(200, "It is changed.", shape())
            .with_etag()
            .configures()
            .conditional(),
        Operation::new(Method::DELETE, "/applications/{id}", write, delete)
            .words(TAG, "delete_application", "Delete an application")
            .notes("Its consumer and keys are deleted with it and its subscriptions end; its usage stays.")
            .answers(204, "It is gone.", None)
            .configures()
            .conditional(),
        verb(
            "suspend",
            "Refuse the keys of an application for now",
            async |change, id| applications::suspend(change, id).await,
        ),
        verb(
            "resume",
            "Accept the keys of an application again",
            async |change, id| applications::resume(change, id).await,
        ),
    ];
    all.extend(parts());
    all
}

/// What belongs to an application.
fn parts() -> Vec<Operation> {
    let (read, write) = noun::rights(Resource::Applications);
    let plan = json!({"plan": "commerce-free"});
    vec![
        Operation::new(Method::GET, "/applications/{id}/credentials", read, list_keys)
            .words(
                TAG,
                "list_credentials_of_application",
                "List the keys of an application",
            )
            .answers(
                200,
                "The 100 newest, those that ended last; they are deleted 90 days after their end.",
                Some(Shape::of::<Credential>().page("Credential")),
            ),
        Operation::new(Method::POST, "/applications/{id}/credentials", write, issue_key)
            .words(TAG, "issue_application_credential", "Issue a key to an application")
            .notes("The secret is in the answer and nowhere else; it cannot be read again.")
            .body(Shape::of::<CredentialDraft>(), json!({"name": "production"}))
            .answers(201, "The credential, with its secret.", Some(credentials::secret()))
            .with_location()
            .with_etag()
            .configures()
            .conflicts(),
        Operation::new(
            Method::GET,
            "/applications/{id}/subscriptions",
            read,
            list_subscriptions,
        )
        .words(
            TAG,
            "list_subscriptions_of_application",
            "List the subscriptions of an application",
        )
        .query(Parameter::of_pages())
        .answers(
            200,
            "One page, newest first.",
            Some(Shape::of::<NamedSubscription>().page("Subscription")),
        ),
        Operation::new(Method::POST, "/applications/{id}/subscriptions", write, subscribe)
            .words(TAG, "request_subscription", "Subscribe an application to a plan")
            .body(Shape::of::<SubscriptionDraft>(), plan)
            .answers(
                201,
                "The subscription, perhaps still to be approved.",
                Some(Shape::of::<NamedSubscription>()),
            )
            .with_location()
            .with_etag()
            .configures()
            .conflicts(),
    ]
}

/// The applications of a developer.
pub(super) fn of_developer() -> Vec<Operation> {
    let (read, write) = noun::rights(Resource::Applications);
    let example = json!({"name": "Checkout", "description": "Places orders from our shop."});
    vec![
        Operation::new(Method::GET, "/developers/{id}/applications", read, list_of_developer)
            .words(
                TAG,
                "list_applications_of_developer",
                "List the applications of a developer",
            )
            .query(Parameter::of_pages())
            .answers(
                200,
                "One page, newest first.",
                Some(Shape::of::<Application>().page("Application")),
            ),
        Operation::new(Method::POST, "/developers/{id}/applications", write, create)
            .words(
                TAG,
                "create_application_of_developer",
                "Create an application of a developer",
            )
            .body(Shape::of::<ApplicationDraft>(), example)
            .answers(201, "It is made.", Some(Shape::of::<Application>()))
            .with_location()
            .with_etag()
            .configures()
            .conflicts(),
    ]
}

fn verb(
    verb: &'static str,
    summary: &str,
    operation: impl AsyncFn(&mut Change, ApplicationId) -> control::Result<Application> + Copy + Send + Sync + 'static,
) -> Operation {
    let handler = move |call: Call| async move {
        let id = call.id(Kind::Application)?;
        call.write(
            async move |change: &mut Change| operation(change, id).await,
            |one| shown(&one),
        )
        .await
    };
    let (_, write) = noun::rights(Resource::Applications);
    Operation::new(Method::POST, format!("/applications/{{id}}/{verb}"), write, handler)
        .words(TAG, format!("{verb}_application"), summary)
        .answers(200, "The application as it is now.", Some(Shape::of::<Application>()))
        .with_etag()
        .configures()
}

fn shown(application: &Application) -> Reply {
    versioned(StatusCode::OK, application, application.version)
}

async fn list(call: Call) -> Outcome {
    let query = call.query.list(&["developer", "status"])?;
    Ok(Reply::ok(
        &applications::list(&call.control, &call.actor, &query).await?,
    ))
}

async fn list_of_developer(call: Call) -> Outcome {
    let developer: DeveloperId = call.id(Kind::Developer)?;
    control::developers::get(&call.control, &call.actor, developer).await?;
    let query = call.query.list(&[])?.with("developer", developer);
    Ok(Reply::ok(
        &applications::list(&call.control, &call.actor, &query).await?,
    ))
}

async fn create(call: Call) -> Outcome {
    let developer: DeveloperId = call.id(Kind::Developer)?;
    let submission = call.draft::<ApplicationDraft>();
    let operation = async move |change: &mut Change| applications::create_for(change, developer, submission).await;
    let render = |one: Application| {
        created(
            versioned(StatusCode::CREATED, &one, one.version),
            Kind::Application,
            one.id,
        )
    };
    call.write(operation, render).await
}

async fn get(call: Call) -> Outcome {
    let application = applications::get(&call.control, &call.actor, call.id(Kind::Application)?).await?;
    Ok(call.found(&application, application.version))
}

async fn update(call: Call) -> Outcome {
    let (id, condition) = (call.id(Kind::Application)?, call.condition.precondition());
    let submission = call.draft::<ApplicationDraft>();
    let operation = async move |change: &mut Change| applications::update(change, id, condition, submission).await;
    call.write(operation, |one| shown(&one)).await
}

async fn delete(call: Call) -> Outcome {
    let (id, condition) = (call.id(Kind::Application)?, call.condition.precondition());
    let operation = async move |change: &mut Change| applications::delete(change, id, condition).await;
    call.write(operation, |()| Reply::empty(StatusCode::NO_CONTENT)).await
}

async fn list_keys(call: Call) -> Outcome {
    let items = keys::list(&call.control, &call.actor, call.id(Kind::Application)?).await?;
    Ok(Reply::ok(
        &json!({"total": items.len(), "items": items, "next_cursor": null}),
    ))
}

async fn issue_key(call: Call) -> Outcome {
    let (id, submission) = (call.id(Kind::Application)?, call.draft::<CredentialDraft>());
    let operation = async move |change: &mut Change| keys::issue(change, id, submission).await;
    call.write(operation, |issued| credentials::shown_once(&call, &issued))
        .await
}

async fn list_subscriptions(call: Call) -> Outcome {
    let id: ApplicationId = call.id(Kind::Application)?;
    applications::get(&call.control, &call.actor, id).await?;
    let query = call.query.list(&[])?.with("application", id);
    Ok(Reply::ok(
        &subscriptions::list(&call.control, &call.actor, &query).await?,
    ))
}

async fn subscribe(call: Call) -> Outcome {
    let id: ApplicationId = call.id(Kind::Application)?;
    let Submission { draft, mut errors } = SubscriptionDraft::read(&call.body);
    let plan = draft.plan.filter(|plan| !plan.trim().is_empty());
    if plan.is_none() {
        errors.add("plan", Code::Required, "is required: the id or name of a plan");
    }
    let plan = errors.into_result(plan).map_err(control::Error::Invalid)?;
    let operation = async move |change: &mut Change| subscriptions::request(change, id, plan.trim()).await;
    let render = |named: NamedSubscription| {
        let one = &named.subscription;
        created(
            versioned(StatusCode::CREATED, &named, one.version),
            Kind::Subscription,
            one.id,
        )
    };
    call.write(operation, render).await
}
