//! The chain of a scope: which plugins a request passes, in order, and what may be added.

use actix_web::{HttpRequest, web};
use askama::Template;
use control::plugins::ChainLink;
use model::Kind;
use model::actor::Resource;
use model::plugin::Scope;
use plugins::{Phase, PluginType, REGISTRY};

use super::scope::Place;
use crate::{Console, ConsolePage, PageError, PageResult, text, urls};

/// A chain, in the lanes of its phases.
#[derive(Template)]
#[template(path = "console/plugins/chain.html")]
pub(super) struct Chain {
    lanes: Vec<Lane>,
    place: Place,
    csrf: String,
    may: bool,
}

impl askama::filters::HtmlSafe for Chain {}

struct Lane {
    title: String,
    rows: Vec<Row>,
}

struct Row {
    url: String,
    version: i64,
    icon: &'static str,
    title: String,
    sentence: String,
    scope: (&'static str, &'static str),
    /// Whether it stands at the scope of this page, and so is changed here.
    own: bool,
    enabled: bool,
    displaced: bool,
    open: bool,
}

/// A plugin that may be added.
struct Offer {
    plugin: &'static PluginType,
    url: String,
}

#[derive(Template)]
#[template(path = "console/plugins/scope.html")]
struct ScopePage {
    page: ConsolePage,
    /// The page of the object that this is about.
    tabs: Option<String>,
    title: String,
    lead: &'static str,
    chain: Chain,
    offers: Vec<(String, Vec<Offer>)>,
}

pub(super) async fn show(console: Console, id: web::Path<String>, request: HttpRequest) -> PageResult {
    let plural = request.path().split('/').nth(2).unwrap_or_default();
    let kind = [Kind::Route, Kind::Service, Kind::Consumer]
        .into_iter()
        .find(|kind| kind.plural() == plural);
    let place = Place::find(&console, kind.ok_or(PageError::NotFound)?, &id).await?;
    let page = place.page(&console, "Plugins").await?;
    let offers = if page.may(Resource::Plugins) {
        offers(&place)
    } else {
        Vec::new()
    };
    console.html(&ScopePage {
        tabs: place.object().map(|(kind, name)| urls::console::object(kind, name)),
        title: place.title(),
        lead: lead(&place),
        offers,
        chain: Chain::of(&console, &page, place, None).await?,
        page,
    })
}

fn lead(place: &Place) -> &'static str {
    match place {
        Place::Route(_) => {
            "What a request on this route passes, top to bottom. Inherited plugins are changed where they are set."
        }
        Place::Service(_) => "What requests to this service pass. Its routes may add their own.",
        Place::Consumer(_) => "What joins the chain of a route once this consumer is known.",
        Place::Global | Place::Group(_) => "What every request passes.",
    }
}

/// The plugins that may be added here, by phase.
fn offers(place: &Place) -> Vec<(String, Vec<Offer>)> {
    let mut groups: Vec<(Phase, Vec<Offer>)> = Vec::new();
    let fitting = REGISTRY
        .iter()
        .filter(|plugin| place.comes_before_identity() || plugin.phase.knows_consumer());
    for plugin in fitting {
        let scope = place.member();
        let mut pairs = vec![("plugin", plugin.name)];
        pairs.extend(scope.as_ref().map(|(member, value)| (*member, value.as_str())));
        let url = urls::with_query(&urls::console::new(Kind::Plugin), &pairs);
        match groups.iter_mut().find(|(phase, _)| *phase == plugin.phase) {
            Some((_, offers)) => offers.push(Offer { plugin, url }),
            None => groups.push((plugin.phase, vec![Offer { plugin, url }])),
        }
    }
    groups.sort_by_key(|(phase, _)| *phase);
    groups
        .into_iter()
        .map(|(phase, offers)| (purpose(phase).to_owned(), offers))
        .collect()
}

/// What a phase is for.
fn purpose(phase: Phase) -> &'static str {
    match phase {
        Phase::Guard => "Guard",
        Phase::Authenticate => "Authenticate",
        Phase::Authorize => "Authorize",
        Phase::Limit => "Limit",
        Phase::Validate => "Validate",
        Phase::Transform => "Transform",
        Phase::Cache => "Cache",
        Phase::Backend => "Answer",
        Phase::Observe => "Observe",
    }
}

impl Chain {
    /// The chain of a scope; the instance that is `open` is marked.
    pub(super) async fn of(
        console: &Console,
        page: &ConsolePage,
        place: Place,
        open: Option<uuid::Uuid>,
    ) -> Result<Self, PageError> {
        let mut lanes: Vec<(Option<Phase>, Vec<Row>)> = Vec::new();
        for link in place.chain(console).await? {
            let phase = REGISTRY.find(&link.stored.spec.plugin).map(|plugin| plugin.phase);
            let row = Row::of(&link, &place, open);
            match lanes.last_mut().filter(|(known, _)| *known == phase) {
                Some((_, rows)) => rows.push(row),
                None => lanes.push((phase, vec![row])),
            }
        }
        let lane = |(phase, rows): (Option<Phase>, Vec<Row>)| Lane {
            title: phase.map_or("Unknown to this program", purpose).to_owned(),
            rows,
        };
        Ok(Self {
            lanes: lanes.into_iter().map(lane).collect(),
            place,
            csrf: page.csrf.clone(),
            may: page.may(Resource::Plugins),
        })
    }

    /// Where the requests go on to, when it is known here.
    fn has_service(&self) -> bool {
        matches!(self.place, Place::Route(_) | Place::Service(_))
    }
}

impl Row {
    fn of(link: &ChainLink, place: &Place, open: Option<uuid::Uuid>) -> Self {
        let (spec, id) = (&link.stored.spec, link.stored.id);
        let plugin = REGISTRY.find(&spec.plugin);
        Self {
            url: urls::console::object(Kind::Plugin, id),
            version: link.stored.version,
            icon: plugin.map_or("plug", |plugin| plugin.icon),
            title: plugin.map_or_else(|| spec.plugin.clone(), |plugin| plugin.title.to_owned()),
            sentence: plugin.map_or_else(String::new, |plugin| text::capital(&plugin.describe(&spec.config))),
            scope: scope(spec.scope()),
            own: place.owns(spec.scope()),
            enabled: spec.enabled,
            displaced: link.displaced,
            open: open == Some(id.0),
        }
    }
}

/// The word for a scope, with its tone.
pub(super) fn scope(scope: Scope) -> (&'static str, &'static str) {
    match scope {
        Scope::Global => ("Global", ""),
        Scope::Service(_) => ("Service", ""),
        Scope::Route(_) => ("Route", "info"),
        Scope::Consumer(_) => ("Consumer", "plum"),
        Scope::ConsumerGroup(_) => ("Plan", "plum"),
    }
}
