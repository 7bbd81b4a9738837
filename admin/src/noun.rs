//! What all stored nouns have in common: their operations, written once for every type.

use actix_web::http::{Method, StatusCode};
use control::Table;
use model::actor::{Action, Resource};
use model::{Code, Draft as _, Kind, Stored};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::call::{Call, created, versioned};
use crate::operation::{Operation, Outcome};
use crate::problem::Problem;
use crate::query::{Form, Parameter};
use crate::reply::Reply;
use crate::shape::Shape;

/// What the table says of one noun.
#[derive(Debug, Clone)]
pub(crate) struct Noun {
    /// The group of its operations.
    pub(crate) tag: &'static str,
    /// What it is, in a sentence.
    pub(crate) about: &'static str,
    /// A draft that works.
    pub(crate) example: Value,
    /// The shape of a complete draft.
    pub(crate) draft: Shape,
    /// The shape of a patch.
    pub(crate) patch: Shape,
}

impl Noun {
    /// A noun whose drafts have the shape of their type.
    pub(crate) fn of<S: Table>(tag: &'static str, about: &'static str, example: Value) -> Self
    where
        S::Draft: ToSchema,
    {
        Self {
            tag,
            about,
            example,
            draft: Shape::of::<S::Draft>(),
            patch: Shape::of::<S::Draft>(),
        }
    }
}

/// The operations on all objects of a noun, and on one.
pub(crate) fn operations<S: Table + ToSchema>(noun: &Noun) -> Vec<Operation> {
    let kind = S::KIND;
    let (all, one) = (format!("/{}", kind.plural()), format!("/{}/{{id}}", kind.plural()));
    let (read, write) = ((S::RESOURCE, Action::Read), (S::RESOURCE, Action::Write));
    let (word, words) = (kind.to_string(), kind.plural().replace('-', " "));
    let name = |verb: &str| format!("{verb}_{}", kind.as_str());
    let tag = noun.tag;
    let stored = || Some(shape_of::<S>(noun));
    let page = shape_of::<S>(noun).page(&component(kind));
    let example = stored_example(&noun.example);
    vec![
        Operation::new(Method::GET, &all, read, list::<S>)
            .words(tag, format!("list_{}", kind.plural().replace('-', "_")), format!("List {words}"))
            .query(Parameter::of_lists())
            .query(filters::<S>())
            .answers(200, "One page.", Some(page))
            .example(json!({"items": [example], "next_cursor": null, "total": 1})),
        Operation::new(Method::POST, &all, write, create::<S>)
            .words(tag, name("create"), format!("Create {} {word}", article(&word)))
            .body(noun.draft.clone(), noun.example.clone())
            .answers(201, "It is made.", stored())
            .example(example.clone())
            .with_location()
            .with_etag()
            .configures(),
        Operation::new(Method::GET, &one, read, get::<S>)
            .words(tag, name("get"), format!("Get {} {word}", article(&word)))
            .answers(200, "It is this.", stored())
            .example(example.clone())
            .with_etag(),
        Operation::new(Method::PUT, &one, write, replace::<S>)
            .words(tag, name("replace"), format!("Create or replace {} {word}", article(&word)))
            .notes("Makes it under this id or name when there is none, with 201; members that are left out get their defaults.")
            .body(noun.draft.clone(), noun.example.clone())
            .answers(200, "It is replaced.", stored())
            .example(example.clone())
            .with_etag()
            .configures()
            .conditional(),
        Operation::new(Method::PATCH, &one, write, merge::<S>)
            .words(tag, name("update"), format!("Change {} {word}", article(&word)))
            .notes("A JSON Merge Patch (RFC 7396): only the members in it change, and `null` gives back the default.")
            .body(noun.patch.clone(), patch_example(&noun.example))
            .answers(200, "It is changed.", stored())
            .example(example)
            .with_etag()
            .configures()
            .conditional(),
        Operation::new(Method::DELETE, &one, write, delete::<S>)
            .words(tag, name("delete"), format!("Delete {} {word}", article(&word)))
            .query([Parameter::new("cascade", Form::Flag, "Also deletes what cannot be without it.")])
            .answers(204, "It is gone.", None)
            .configures()
            .conditional()
            .conflicts(),
    ]
}

/// The operations on the objects that belong to one of another kind: `/services/{id}/routes`.
pub(crate) fn nested<S: Table + ToSchema>(parent: Kind, member: &'static str, noun: &Noun) -> Vec<Operation> {
    let kind = S::KIND;
    let path = format!("/{}/{{id}}/{}", parent.plural(), kind.plural());
    let mut example = noun.example.clone();
    if let Some(members) = example.as_object_mut() {
        members.shift_remove(member);
    }
    let (word, words) = (kind.to_string(), kind.plural().replace('-', " "));
    let plural = kind.plural().replace('-', "_");
    let others = filters::<S>().filter(|parameter| parameter.name != member);
    vec![
        Operation::new(Method::GET, &path, (S::RESOURCE, Action::Read), move |call| {
            list_of::<S>(call, parent, member)
        })
        .words(
            noun.tag,
            format!("list_{plural}_of_{}", parent.as_str()),
            format!("List the {words} of {} {parent}", article(&parent.to_string())),
        )
        .query(Parameter::of_lists())
        .query(others)
        .answers(200, "One page.", Some(shape_of::<S>(noun).page(&component(kind)))),
        Operation::new(Method::POST, &path, (S::RESOURCE, Action::Write), move |call| {
            create_for::<S>(call, parent, member)
        })
        .words(
            noun.tag,
            format!("create_{}_of_{}", kind.as_str(), parent.as_str()),
            format!(
                "Create {} {word} of {} {parent}",
                article(&word),
                article(&parent.to_string())
            ),
        )
        .body(noun.draft.clone(), example)
        .answers(201, "It is made.", Some(shape_of::<S>(noun)))
        .with_location()
        .with_etag()
        .configures(),
    ]
}

fn shape_of<S: Table + ToSchema>(noun: &Noun) -> Shape {
    Shape::stored::<S>(&component(S::KIND), noun.about)
}

fn filters<S: Table>() -> impl Iterator<Item = Parameter> {
    let about = |name: &str| format!("Only those with this {}; an id or a name.", name.replace('_', " "));
    S::FILTERS.iter().map(move |(name, _)| match *name {
        "state" => Parameter::new(name, Form::Text, "Only those in this state."),
        "plugin" => Parameter::new(name, Form::Text, "Only those of this plugin."),
        "client_auth" => Parameter::new(
            name,
            Form::Text,
            "Only those that ask clients so: `off`, `optional` or `required`.",
        ),
        "acme_account" => Parameter::new(
            name,
            Form::Text,
            "Only those that are got with this ACME account; an id or a name.",
        ),
        "expires_before" => Parameter::new(name, Form::Time, "Only those that end before this time."),
        name => Parameter::new(name, Form::Text, about(name)),
    })
}

/// The name of a kind among the components: `ConsumerGroup`.
pub(crate) fn component(kind: Kind) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    kind.as_str().split('_').map(word).collect()
}

/// `a` or `an`.
pub(crate) fn article(word: &str) -> &'static str {
    if word.to_lowercase().starts_with(['a', 'e', 'i', 'o', 'u']) && !word.starts_with("us") {
        "an"
    } else {
        "a"
    }
}

fn patch_example(example: &Value) -> Value {
    match example.get("tags") {
        Some(_) => json!({"tags": ["team:payments"]}),
        None => json!({}),
    }
}

fn stored_example(draft: &Value) -> Value {
    let mut example = json!({"id": "0198c1d2-6f2a-7c3e-9b1d-2f6a1c0e9d11"});
    if let (Some(members), Some(draft)) = (example.as_object_mut(), draft.as_object()) {
        members.extend(draft.clone());
        // Private keys are taken and never answered.
        members.shift_remove("key");
        members.insert("version".to_owned(), json!(1));
        members.insert("created_at".to_owned(), json!("2026-11-23T12:00:00Z"));
        members.insert("updated_at".to_owned(), json!("2026-11-23T12:00:00Z"));
    }
    example
}

async fn list<S: Table>(call: Call) -> Outcome {
    let names: Vec<&str> = S::FILTERS.iter().map(|(name, _)| *name).collect();
    let page = control::list::<S>(&call.control, &call.actor, &call.query.list(&names)?).await?;
    Ok(Reply::ok(&page))
}

async fn list_of<S: Table>(call: Call, parent: Kind, member: &'static str) -> Outcome {
    let reference = call.reference(parent, "id")?;
    let names: Vec<&str> = S::FILTERS.iter().map(|(name, _)| *name).collect();
    let query = call.query.list(&names)?.with(member, &reference);
    match control::list::<S>(&call.control, &call.actor, &query).await {
        Ok(page) => Ok(Reply::ok(&page)),
        Err(error) => Err(Problem::from(error).of_parent(parent, &reference, member)),
    }
}

async fn create<S: Table>(call: Call) -> Outcome {
    let submission = call.draft::<S::Draft>();
    call.write(
        async move |change| control::create::<S>(change, submission).await,
        |stored| made(&stored),
    )
    .await
}

async fn create_for<S: Table>(mut call: Call, parent: Kind, member: &'static str) -> Outcome {
    let reference = call.reference(parent, "id")?;
    if let Some(members) = call.body.as_object_mut() {
        let given = members.insert(member.to_owned(), reference.clone().into());
        if given.is_some_and(|given| !given.is_null() && given != reference.as_str()) {
            let message = format!(
                "is `{}` already, by the path; leave it out",
                reference.chars().take(64).collect::<String>()
            );
            return Err(control::Error::field(member, Code::Conflict, message).into());
        }
    }
    create::<S>(call)
        .await
        .map_err(|problem| problem.of_parent(parent, &reference, member))
}

async fn get<S: Table>(call: Call) -> Outcome {
    let reference = call.reference(S::KIND, "id")?;
    let stored = control::get::<S>(&call.control, &call.actor, &reference).await?;
    Ok(call.found(&stored, stored.version))
}

async fn replace<S: Table>(mut call: Call) -> Outcome {
    let reference = call.reference(S::KIND, "id")?;
    let condition = call.condition;
    let is_name = reference.parse::<uuid::Uuid>().is_err() && S::Draft::MEMBERS.contains(&"name");
    if let Some(members) = call.body.as_object_mut().filter(|_| is_name) {
        members.entry("name").or_insert_with(|| reference.clone().into());
    }
    let submission = call.draft::<S::Draft>();
    let wanted = reference.clone();
    let operation = async move |change: &mut control::Change| {
        let (stored, is_new) = control::replace::<S>(change, &wanted, condition.precondition(), submission).await?;
        if is_new && condition.needs_object() {
            return Err(control::Error::not_found(S::KIND, wanted));
        }
        if is_new && is_name && stored.spec.name() != wanted {
            let message = "differs from the name in the path, where there is nothing to rename";
            return Err(control::Error::field("name", Code::Conflict, message));
        }
        Ok((stored, is_new))
    };
    let render = |(stored, is_new)| if is_new { made(&stored) } else { changed(&stored) };
    let outcome = call.write(operation, render).await;
    outcome.map_err(|problem| match problem.status() {
        StatusCode::NOT_FOUND => Problem::precondition_failed(format!("{problem} `If-Match` needs one that is there.")),
        _ => problem,
    })
}

async fn merge<S: Table>(call: Call) -> Outcome {
    let reference = call.reference(S::KIND, "id")?;
    let (condition, patch) = (call.condition.precondition(), call.body.clone());
    let operation =
        async move |change: &mut control::Change| control::merge::<S>(change, &reference, condition, &patch).await;
    call.write(operation, |stored| changed(&stored)).await
}

async fn delete<S: Table>(call: Call) -> Outcome {
    let reference = call.reference(S::KIND, "id")?;
    let (condition, cascade) = (call.condition.precondition(), call.query.flag("cascade"));
    let operation =
        async move |change: &mut control::Change| control::delete::<S>(change, &reference, condition, cascade).await;
    call.write(operation, |()| Reply::empty(StatusCode::NO_CONTENT)).await
}

fn made<S: Table>(stored: &Stored<S>) -> Reply {
    created(
        versioned(StatusCode::CREATED, stored, stored.version),
        S::KIND,
        stored.id,
    )
}

fn changed<S: Table>(stored: &Stored<S>) -> Reply {
    versioned(StatusCode::OK, stored, stored.version)
}

/// The right to look at a resource, and to change it.
pub(crate) const fn rights(resource: Resource) -> ((Resource, Action), (Resource, Action)) {
    ((resource, Action::Read), (resource, Action::Write))
}
