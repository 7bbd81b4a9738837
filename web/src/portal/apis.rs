//! The catalogue, and the page of an API with its operations.

use actix_web::HttpResponse;
use actix_web::web;
use askama::Template;
use control::offers::{self, ApiPage, ListedApi, Offer};
use control::openapi::{self, Body, Member, Operation};
use model::api::ApiState;

use crate::{PageResult, Portal, PortalArea, PortalPage, Query, text, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(list))
        .route("/apis/{name}", web::get().to(show))
        .route("/apis/{name}/openapi.json", web::get().to(document));
}

#[derive(Template)]
#[template(path = "portal/apis/list.html")]
struct ListPage {
    page: PortalPage,
    apis: Vec<ListedApi>,
    q: String,
    curl: String,
}

#[derive(Template)]
#[template(path = "portal/apis/show.html")]
struct ShowPage {
    page: PortalPage,
    api: ListedApi,
    base_url: String,
    introduction: String,
    groups: Vec<Group>,
    offers: Vec<Offer>,
}

/// Operations that are listed together.
struct Group {
    title: String,
    operations: Vec<Shown>,
}

/// An operation with what is made of it for reading.
struct Shown {
    operation: Operation,
    curl: String,
    response: String,
}

async fn list(portal: Portal, query: Query) -> PageResult {
    let q = query.get("q").to_owned();
    let apis = offers::list(portal.control(), Some(&q)).await?;
    let curl = match apis.first() {
        Some(api) => first_call(&offers::get(portal.control(), &api.name).await?),
        None => String::new(),
    };
    portal.html(&ListPage {
        page: portal.page("APIs", PortalArea::Apis),
        apis,
        q,
        curl,
    })
}

async fn show(portal: Portal, name: web::Path<String>) -> PageResult {
    let found = offers::get(portal.control(), &name).await?;
    let mut groups: Vec<Group> = Vec::new();
    for operation in openapi::operations(&found.document) {
        let shown = shown(operation, &found.base_url);
        match groups.iter_mut().find(|group| group.title == shown.operation.tag) {
            Some(group) => group.operations.push(shown),
            None => groups.push(Group {
                title: shown.operation.tag.clone(),
                operations: vec![shown],
            }),
        }
    }
    let introduction = openapi::introduction(&found.document);
    let ApiPage {
        api, base_url, offers, ..
    } = found;
    let page = portal.page(api.title.clone(), PortalArea::Apis);
    portal.html(&ShowPage {
        page,
        api,
        base_url,
        introduction,
        groups,
        offers,
    })
}

async fn document(portal: Portal, name: web::Path<String>) -> PageResult {
    let found = offers::get(portal.control(), &name).await?;
    Ok(HttpResponse::Ok().json(found.document))
}

/// What somebody can paste to see the API answer.
pub(super) fn first_call(api: &ApiPage) -> String {
    let operations = openapi::operations(&api.document);
    let simple = |operation: &&Operation| operation.method == "GET" && !operation.path.contains('{');
    let path = operations
        .iter()
        .find(simple)
        .map_or("", |operation| operation.path.as_str());
    format!("curl {}{path} \\\n  -H 'X-API-Key: YOUR_KEY'", api.base_url)
}

fn shown(operation: Operation, base_url: &str) -> Shown {
    let json = |body: Option<&Body>| {
        let example = body.and_then(|body| body.example.as_ref());
        example
            .and_then(|example| serde_json::to_string_pretty(example).ok())
            .unwrap_or_default()
    };
    let request = json(operation.body.as_ref());
    let good = operation
        .responses
        .iter()
        .find(|response| response.status.starts_with('2'));
    let response = json(good.and_then(|response| response.body.as_ref()));
    Shown {
        curl: curl(&operation, base_url, &request),
        response,
        operation,
    }
}

fn curl(operation: &Operation, base_url: &str, request: &str) -> String {
    let method = if operation.method == "GET" {
        String::new()
    } else {
        format!("-X {} ", operation.method)
    };
    let mut lines = vec![
        format!("curl {method}'{base_url}{}'", operation.path),
        "  -H 'X-API-Key: YOUR_KEY'".to_owned(),
    ];
    if !request.is_empty() {
        lines.push("  -H 'Content-Type: application/json'".to_owned());
        lines.push(format!("  -d '{}'", request.replace('\'', "'\\''")));
    }
    lines.join(" \\\n")
}

impl ListPage {
    fn operations(api: &ListedApi) -> String {
        text::plural(
            i64::try_from(api.operations).unwrap_or(i64::MAX),
            "operation",
            "operations",
        )
    }

    fn icon(api: &ListedApi) -> &'static str {
        if api.state == ApiState::Deprecated {
            "archive"
        } else {
            "box"
        }
    }
}

impl ShowPage {
    fn anchor(operation: &Operation) -> String {
        format!("op-{}", urls::segment(&operation.id))
    }

    fn members(body: &Option<Body>) -> &[Member] {
        body.as_ref().map_or(&[], |body| body.members.as_slice())
    }
}
