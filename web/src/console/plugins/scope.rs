//! Where plugin instances apply, as pages show it.

use control::{get, plugins};
use model::consumer::ConsumerSpec;
use model::plugin::{PluginSpec, Scope};
use model::route::RouteSpec;
use model::service::ServiceSpec;
use model::{Kind, Stored};
use uuid::Uuid;

use crate::{Area, Console, ConsolePage, Fields, PageError, urls};

/// A scope with the object it is about.
pub(super) enum Place {
    Global,
    Service(Stored<ServiceSpec>),
    Route(Stored<RouteSpec>),
    Consumer(Stored<ConsumerSpec>),
    /// Consumers of a plan, by the group that it compiles to.
    Group(Uuid),
}

impl Place {
    /// The scope that a form names by id or name.
    pub(super) async fn of_fields(console: &Console, fields: &Fields) -> Result<Self, PageError> {
        for kind in [Kind::Route, Kind::Service, Kind::Consumer] {
            let reference = fields.shown(kind.as_str());
            if !reference.is_empty() {
                return Self::find(console, kind, &reference).await;
            }
        }
        let group = fields.shown("consumer_group");
        Ok(group.parse().map_or(Self::Global, Self::Group))
    }

    /// The scope of this object.
    pub(super) async fn find(console: &Console, kind: Kind, reference: &str) -> Result<Self, PageError> {
        let (control, actor) = (console.control(), console.actor());
        Ok(match kind {
            Kind::Route => Self::Route(get(control, actor, reference).await?),
            Kind::Service => Self::Service(get(control, actor, reference).await?),
            Kind::Consumer => Self::Consumer(get(control, actor, reference).await?),
            _ => return Err(PageError::NotFound),
        })
    }

    /// The instances that apply here, in order, with whether a nearer one runs instead.
    pub(super) async fn chain(&self, console: &Console) -> Result<Vec<plugins::ChainLink>, PageError> {
        let (control, actor) = (console.control(), console.actor());
        let only = match self {
            Self::Global => return Ok(plugins::chain(control, actor, None, None).await?),
            Self::Service(service) => return Ok(plugins::chain(control, actor, None, Some(service.id)).await?),
            Self::Route(route) => {
                return Ok(plugins::chain(control, actor, Some(route.id), Some(route.spec.service)).await?);
            }
            Self::Consumer(consumer) => ("consumer", consumer.id.to_string()),
            Self::Group(id) => ("consumer_group", id.to_string()),
        };
        let query = control::ListQuery::all().with(only.0, only.1);
        let found = control::list::<PluginSpec>(control, actor, &query).await?;
        Ok(plugins::in_order(&found.items))
    }

    /// The member of a plugin instance that names this scope, with the value.
    pub(super) fn member(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Global => None,
            Self::Service(service) => Some(("service", service.id.to_string())),
            Self::Route(route) => Some(("route", route.id.to_string())),
            Self::Consumer(consumer) => Some(("consumer", consumer.id.to_string())),
            Self::Group(id) => Some(("consumer_group", id.to_string())),
        }
    }

    /// Whether an instance stands at this very scope.
    pub(super) fn owns(&self, scope: Scope) -> bool {
        match (self, scope) {
            (Self::Global, Scope::Global) => true,
            (Self::Service(service), Scope::Service(id)) => service.id == id,
            (Self::Route(route), Scope::Route(id)) => route.id == id,
            (Self::Consumer(consumer), Scope::Consumer(id)) => consumer.id == id,
            (Self::Group(group), Scope::ConsumerGroup(id)) => *group == id.0,
            _ => false,
        }
    }

    /// Whether a plugin that runs before the caller is known can apply here.
    pub(super) fn comes_before_identity(&self) -> bool {
        !matches!(self, Self::Consumer(_) | Self::Group(_))
    }

    /// The object of the scope: its kind and name.
    pub(super) fn object(&self) -> Option<(Kind, String)> {
        match self {
            Self::Global | Self::Group(_) => None,
            Self::Service(service) => Some((Kind::Service, service.spec.name.to_string())),
            Self::Route(route) => Some((Kind::Route, route.spec.name.to_string())),
            Self::Consumer(consumer) => Some((Kind::Consumer, consumer.spec.name.to_string())),
        }
    }

    /// What it is called in a sentence.
    pub(super) fn title(&self) -> String {
        match self.object() {
            Some((_, name)) => name,
            None if matches!(self, Self::Global) => "All traffic".to_owned(),
            None => "Consumers of a plan".to_owned(),
        }
    }

    /// The page of its plugins.
    pub(super) fn url(&self) -> String {
        match self.object() {
            Some((kind, name)) => urls::console::part(kind, name, "plugins"),
            None => Area::Plugins.url(),
        }
    }

    fn area(&self) -> Area {
        match self {
            Self::Global | Self::Group(_) => Area::Plugins,
            Self::Service(_) => Area::Services,
            Self::Route(_) => Area::Routes,
            Self::Consumer(_) => Area::Consumers,
        }
    }

    /// A page of this scope's plugins, at its place in the navigation.
    pub(super) async fn page(&self, console: &Console, title: &str) -> Result<ConsolePage, PageError> {
        let area = self.area();
        let mut page = console.page(title, area).await?.crumb(area.title(), area.url());
        if let Some((kind, name)) = self.object() {
            page = page.crumb(name.clone(), urls::console::object(kind, name));
        }
        Ok(page)
    }
}

/// The page of the plugins that stand where this one does.
pub(super) fn home(spec: &PluginSpec) -> String {
    let at = |kind, id: Uuid| urls::console::part(kind, id, "plugins");
    match spec.scope() {
        Scope::Route(id) => at(Kind::Route, id.0),
        Scope::Service(id) => at(Kind::Service, id.0),
        Scope::Consumer(id) => at(Kind::Consumer, id.0),
        Scope::Global | Scope::ConsumerGroup(_) => Area::Plugins.url(),
    }
}
