//! The catalogue, and the page of an API with its operations.

use actix_web::HttpResponse;
use actix_web::web;
use askama::Template;
use control::offers::{self, ApiPage, ListedApi, Offer};
use control::openapi::{self, KeyPlace, Member, Operation, Schema};
use model::api::ApiState;
use model::reason::Reason;

use super::samples::{Call, Sample, YOUR_KEY};
use crate::code::{Code, Language};
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
    curl: Option<Code>,
}

#[derive(Template)]
#[template(path = "portal/apis/show.html")]
struct ShowPage {
    page: PortalPage,
    api: ListedApi,
    base_url: String,
    introduction: String,
    key_place: KeyPlace,
    groups: Vec<ShownGroup>,
    schemas: Vec<Schema>,
    offers: Vec<Offer>,
}

/// Operations that are listed together.
struct ShownGroup {
    name: String,
    description: String,
    operations: Vec<Shown>,
}

/// An operation with what is made of it for reading.
struct Shown {
    operation: Operation,
    url: String,
    samples: Vec<Sample>,
    answer: Option<Code>,
}

/// What a developer can do something about, in the order of a request.
const REFUSALS: [Reason; 10] = [
    Reason::CredentialMissing,
    Reason::CredentialUnknown,
    Reason::CredentialRevoked,
    Reason::CredentialExpired,
    Reason::IpDenied,
    Reason::ApplicationSuspended,
    Reason::SubscriptionMissing,
    Reason::RateLimited,
    Reason::UpstreamUnavailable,
    Reason::UpstreamTimeout,
];

async fn list(portal: Portal, query: Query) -> PageResult {
    let q = query.get("q").to_owned();
    let apis = offers::list(portal.control(), Some(&q)).await?;
    let curl = match apis.first() {
        Some(api) => first_call(&offers::get(portal.control(), &api.name).await?, YOUR_KEY),
        None => None,
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
    let key_place = openapi::key_place(&found.document);
    let groups = openapi::groups(&found.document).into_iter().map(|group| ShownGroup {
        name: group.name,
        description: group.description,
        operations: group
            .operations
            .into_iter()
            .map(|operation| shown(operation, &found.base_url, &key_place))
            .collect(),
    });
    portal.html(&ShowPage {
        page: portal.page(found.api.title.clone(), PortalArea::Apis),
        groups: groups.collect(),
        introduction: openapi::introduction(&found.document),
        schemas: openapi::schemas(&found.document),
        key_place: key_place.clone(),
        api: found.api,
        base_url: found.base_url,
        offers: found.offers,
    })
}

async fn document(portal: Portal, name: web::Path<String>) -> PageResult {
    let found = offers::get(portal.control(), &name).await?;
    Ok(HttpResponse::Ok().json(found.document))
}

/// What somebody can paste to see the API answer.
pub(super) fn first_call(api: &ApiPage, key: &str) -> Option<Code> {
    let operations = openapi::operations(&api.document);
    let simple = |operation: &&Operation| operation.method == "GET" && !operation.path.contains('{');
    let operation = operations.iter().find(simple).or(operations.first())?;
    let call = Call::new(operation, &api.base_url, &openapi::key_place(&api.document), key);
    Some(Code::new(Language::Shell, call.curl()))
}

fn shown(operation: Operation, base_url: &str, key_place: &KeyPlace) -> Shown {
    let good = operation
        .responses
        .iter()
        .find(|response| response.status.starts_with('2'));
    let body = good.and_then(|response| response.body.as_ref());
    let example = body.and_then(|body| serde_json::to_string_pretty(body.example.as_ref()?).ok());
    Shown {
        url: format!("{base_url}{}", operation.path),
        samples: Call::new(&operation, base_url, key_place, YOUR_KEY).samples(),
        answer: example.map(|example| Code::new(Language::Json, example)),
        operation,
    }
}

impl ListPage {
    fn operations(api: &ListedApi) -> String {
        text::plural(
            i64::try_from(api.operations).unwrap_or(i64::MAX),
            "operation",
            "operations",
        )
    }

    /// A colour for the eye only, by place in the list; those of trouble are left out.
    fn tone(index: usize) -> &'static str {
        ["info", "plum", "sea"][index % 3]
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
    fn anchor(shown: &Shown) -> String {
        format!("op-{}", urls::segment(&shown.operation.id))
    }

    fn group_anchor(group: &ShownGroup) -> String {
        format!("group-{}", urls::segment(&group.name))
    }

    fn schema_anchor(name: &str) -> String {
        format!("schema-{}", urls::segment(name))
    }

    /// The schema of this name, when it is on the page.
    fn listed<'a>(&self, name: Option<&'a str>) -> Option<&'a str> {
        let name = name?;
        self.schemas.iter().any(|schema| schema.name == name).then_some(name)
    }

    /// What is around a member, and its own name: `lines[].` and `sku`.
    fn name_parts(member: &Member) -> (&str, &str) {
        member
            .name
            .rfind('.')
            .map_or(("", member.name.as_str()), |dot| member.name.split_at(dot + 1))
    }

    /// Whether subscriptions are taken.
    fn is_open(&self) -> bool {
        !self.offers.is_empty() && self.api.state != ApiState::Deprecated
    }
}
