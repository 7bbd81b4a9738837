//! API tokens: how automation signs in; the secret leaves once.

use actix_web::http::{Method, StatusCode};
use control::tokens;
use model::Kind;
use model::actor::Resource;
use model::token::{ApiToken, TokenDraft};
use serde_json::json;

use crate::call::{Call, created, with_secret};
use crate::noun;
use crate::operation::{Operation, Outcome};
use crate::query::{Form, Parameter};
use crate::reply::Reply;
use crate::shape::Shape;

const TAG: &str = "API tokens";

pub(super) fn operations() -> Vec<Operation> {
    let (read, write) = noun::rights(Resource::ApiTokens);
    let shape = Shape::of::<ApiToken>;
    let secret = shape().with_secret("IssuedToken", "secret", "The token itself, shown this once.");
    let example =
        json!({"name": "ci-deploy", "scopes": ["services:write", "routes:write"], "expires_at": "2099-01-01"});
    vec![
        Operation::new(Method::GET, "/api-tokens", read, list)
            .words(TAG, "list_api_tokens", "List API tokens")
            .query(Parameter::of_pages())
            .query([Parameter::new(
                "status",
                Form::Word(&["active", "expired", "revoked"]),
                "Only those in this state.",
            )])
            .answers(200, "One page, newest first.", Some(shape().page("ApiToken"))),
        Operation::new(Method::POST, "/api-tokens", write, create)
            .words(TAG, "create_api_token", "Create an API token")
            .notes("The secret is in the answer and nowhere else. Nobody hands out more rights than they have.")
            .body(Shape::of::<TokenDraft>(), example)
            .answers(201, "The token, with its secret.", Some(secret))
            .with_location(),
        Operation::new(Method::GET, "/api-tokens/{id}", read, get)
            .words(TAG, "get_api_token", "Get an API token")
            .answers(200, "It is this.", Some(shape())),
        Operation::new(Method::POST, "/api-tokens/{id}/revoke", write, revoke)
            .words(TAG, "revoke_api_token", "Revoke an API token for good")
            .answers(200, "The token as it is now.", Some(shape())),
    ]
}

async fn list(call: Call) -> Outcome {
    let query = call.query.list(&["status"])?;
    Ok(Reply::ok(&tokens::list(&call.control, &call.actor, &query).await?))
}

async fn create(call: Call) -> Outcome {
    let issued = tokens::create(&call.control, &call.actor, call.draft()).await?;
    let body = with_secret(&issued.token, "secret", Some(issued.secret.expose()));
    Ok(created(
        Reply::json(StatusCode::CREATED, &body),
        Kind::ApiToken,
        issued.token.id,
    ))
}

async fn get(call: Call) -> Outcome {
    Ok(Reply::ok(
        &tokens::get(&call.control, &call.actor, call.id(Kind::ApiToken)?).await?,
    ))
}

async fn revoke(call: Call) -> Outcome {
    Ok(Reply::ok(
        &tokens::revoke(&call.control, &call.actor, call.id(Kind::ApiToken)?).await?,
    ))
}
