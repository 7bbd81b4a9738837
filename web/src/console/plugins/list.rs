//! Where plugins are in use.

use std::collections::HashMap;

use askama::Template;
use control::names;
use model::plugin::{PluginSpec, Scope};
use model::{Kind, Stored};
use plugins::{PluginType, REGISTRY};
use uuid::Uuid;

use super::chain::{self, Chain};
use super::scope::Place;
use crate::console::listing::Listing;
use crate::{Area, Console, ConsolePage, PageError, PageResult, Query, text, urls};

#[derive(Template)]
#[template(path = "console/plugins/list.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Row>,
    global: Chain,
    offers: Vec<&'static PluginType>,
}

struct Row {
    stored: Stored<PluginSpec>,
    plugin: Option<&'static PluginType>,
    /// Where it applies: kind, name, and the page of that scope's plugins.
    place: Option<(Kind, String, String)>,
}

pub(super) async fn show(console: Console, query: Query) -> PageResult {
    let asked = query.list(&["plugin"])?;
    let found = control::list::<PluginSpec>(console.control(), console.actor(), &asked).await?;
    let names = scope_names(&console, &found.items).await?;
    let page = found.map(|stored| Row {
        plugin: REGISTRY.find(&stored.spec.plugin),
        place: place(&stored, &names),
        stored,
    });
    let title = REGISTRY.find(query.get("plugin")).map(|plugin| plugin.title.to_owned());
    let listing = Listing::new(page, &asked, query, Area::Plugins.url()).chip("Plugin", "plugin", title);
    let page = console.page("Plugins", Area::Plugins).await?;
    console.html(&ListPage {
        listing,
        global: Chain::of(&console, &page, Place::Global, None).await?,
        offers: REGISTRY.iter().collect(),
        page,
    })
}

fn object_of(scope: Scope) -> Option<(Kind, Uuid)> {
    match scope {
        Scope::Global => None,
        Scope::Service(id) => Some((Kind::Service, id.0)),
        Scope::Route(id) => Some((Kind::Route, id.0)),
        Scope::Consumer(id) => Some((Kind::Consumer, id.0)),
        Scope::ConsumerGroup(id) => Some((Kind::ConsumerGroup, id.0)),
    }
}

async fn scope_names(console: &Console, all: &[Stored<PluginSpec>]) -> Result<HashMap<Uuid, String>, PageError> {
    let mut found = HashMap::new();
    for kind in [Kind::Service, Kind::Route, Kind::Consumer, Kind::ConsumerGroup] {
        let ids = all.iter().filter_map(|stored| object_of(stored.spec.scope()));
        let ids = ids.filter(|(of, _)| *of == kind).map(|(_, id)| id);
        found.extend(names::of(console.control(), kind, ids).await?);
    }
    Ok(found)
}

fn place(stored: &Stored<PluginSpec>, names: &HashMap<Uuid, String>) -> Option<(Kind, String, String)> {
    let (kind, id) = object_of(stored.spec.scope())?;
    let name = names.get(&id).cloned().unwrap_or_default();
    Some((kind, name, super::scope::home(&stored.spec)))
}

impl Row {
    fn title(&self) -> &str {
        self.plugin
            .map_or(self.stored.spec.plugin.as_str(), |plugin| plugin.title)
    }

    fn icon(&self) -> &'static str {
        self.plugin.map_or("plug", |plugin| plugin.icon)
    }

    fn sentence(&self) -> String {
        self.plugin.map_or_else(String::new, |plugin| {
            text::capital(&plugin.describe(&self.stored.spec.config))
        })
    }

    fn scope(&self) -> (&'static str, &'static str) {
        chain::scope(self.stored.spec.scope())
    }
}

impl ListPage {
    fn offer(plugin: &PluginType) -> String {
        urls::with_query(&urls::console::new(Kind::Plugin), &[("plugin", plugin.name)])
    }
}
