//! What the command palette finds: areas, things to do, and objects by a part of their name.

use actix_web::{HttpResponse, web};
use control::{ListQuery, Table, list};
use model::Kind;
use model::actor::Resource;
use model::certificate::CertificateSpec;
use model::consumer::ConsumerSpec;
use model::route::RouteSpec;
use model::service::ServiceSpec;
use model::upstream::UpstreamSpec;
use serde::Serialize;

use crate::error::{PageError, PageResult};
use crate::navigation::Area;
use crate::people::Console;
use crate::query::Query;
use crate::{text, urls};

/// Objects of one kind that are shown at most.
const PER_KIND: i64 = 5;

#[derive(Serialize)]
struct Group {
    title: &'static str,
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    icon: &'static str,
    title: String,
    hint: String,
    href: String,
}

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.route("/palette.json", web::get().to(find));
}

async fn find(console: Console, query: Query) -> PageResult {
    let q = query.get("q").trim().to_lowercase();
    let areas = Area::ALL.iter().copied().map(of_area).chain(settings());
    let go: Vec<Item> = areas.filter(|item| item.title.to_lowercase().contains(&q)).collect();
    let mut found = Vec::new();
    if !q.is_empty() {
        found.extend(objects::<RouteSpec>(&console, &q, Area::Routes).await?);
        found.extend(objects::<ServiceSpec>(&console, &q, Area::Services).await?);
        found.extend(objects::<UpstreamSpec>(&console, &q, Area::Upstreams).await?);
        found.extend(objects::<CertificateSpec>(&console, &q, Area::Certificates).await?);
        found.extend(objects::<ConsumerSpec>(&console, &q, Area::Consumers).await?);
    }
    let groups = [
        Group {
            title: "Found",
            items: found,
        },
        Group {
            title: "Go to",
            items: go,
        },
        Group {
            title: "Do",
            items: actions(&console, &q),
        },
    ];
    let groups: Vec<Group> = groups.into_iter().filter(|group| !group.items.is_empty()).collect();
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(serde_json::json!({ "groups": groups })))
}

fn of_area(area: Area) -> Item {
    Item {
        icon: area.icon(),
        title: area.title().to_owned(),
        hint: String::new(),
        href: area.url(),
    }
}

/// The tabs of the settings.
fn settings() -> impl Iterator<Item = Item> {
    super::settings::TABS.into_iter().map(|(title, href, icon)| Item {
        icon,
        title: format!("Settings: {title}"),
        hint: String::new(),
        href: href.to_owned(),
    })
}

fn actions(console: &Console, q: &str) -> Vec<Item> {
    let kinds = [
        (Kind::Service, ServiceSpec::RESOURCE),
        (Kind::Route, RouteSpec::RESOURCE),
        (Kind::Upstream, UpstreamSpec::RESOURCE),
        (Kind::Certificate, CertificateSpec::RESOURCE),
        (Kind::Consumer, ConsumerSpec::RESOURCE),
    ];
    let allowed = kinds.into_iter().filter(|(_, resource)| console.may(*resource));
    let objects = allowed.map(|(kind, _)| (format!("New {kind}"), urls::console::new(kind)));
    let others = [
        (Resource::ApiTokens, "New API token", urls::console::TOKENS),
        (Resource::Admins, "Invite an administrator", urls::console::ADMINS),
    ];
    let allowed = others.into_iter().filter(|(resource, ..)| console.may(*resource));
    let others = allowed.map(|(_, title, list)| (title.to_owned(), urls::console::new_setting(list)));
    let items = objects.chain(others).map(|(title, href)| Item {
        icon: "plus",
        title,
        hint: String::new(),
        href,
    });
    items.filter(|item| item.title.to_lowercase().contains(q)).collect()
}

async fn objects<S: Table>(console: &Console, q: &str, area: Area) -> Result<Vec<Item>, PageError> {
    let mut query = ListQuery::default();
    query.limit = PER_KIND;
    query.q = Some(q.to_owned());
    let page = list::<S>(console.control(), console.actor(), &query).await?;
    let items = page.items.into_iter().map(|stored| Item {
        icon: area.icon(),
        title: stored.spec.name(),
        hint: text::label(S::KIND.as_str()),
        href: urls::console::object(S::KIND, stored.spec.name()),
    });
    Ok(items.collect())
}
