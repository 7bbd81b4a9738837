//! A plugin instance: the use of a plugin at a scope with a configuration.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::id::{ConsumerGroupId, ConsumerId, PluginId, RouteId, ServiceId};
use crate::name::validate_tags;
use crate::noun::{Kind, Noun};
use crate::validation::{Code, Errors};

crate::draft! {
    /// A plugin instance as it is sent; without a scope it applies to all traffic.
    pub struct PluginDraft {
        /// Which plugin.
        #[schema(example = "rate-limit")]
        pub plugin: Option<String>,
        /// Id or name of the service it applies to.
        pub service: Option<String>,
        /// Id or name of the route it applies to.
        pub route: Option<String>,
        /// Id or name of the consumer it applies to.
        pub consumer: Option<String>,
        /// Id of the consumer group it applies to.
        pub consumer_group: Option<String>,
        /// The plugin's configuration; its schema is under `/plugin-types/{plugin}`.
        #[schema(value_type = Object)]
        pub config: Value,
        /// Order among the plugins of one phase, lower first; default 0.
        pub position: Option<i32>,
        /// Labels to find and group by.
        pub tags: Vec<String>,
        /// Whether it runs; default true.
        pub enabled: Option<bool>,
    }
}

/// A plugin instance with a valid scope; its configuration is checked by the plugin's own type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PluginSpec {
    /// Which plugin.
    pub plugin: String,
    /// The service it applies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
    /// The route it applies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteId>,
    /// The consumer it applies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<ConsumerId>,
    /// The consumer group it applies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_group: Option<ConsumerGroupId>,
    /// Its configuration.
    #[schema(value_type = Object)]
    pub config: Value,
    /// Order among the plugins of one phase, lower first.
    pub position: i32,
    /// Labels.
    pub tags: Vec<String>,
    /// Whether it runs.
    pub enabled: bool,
}

/// Where a plugin instance applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Scope {
    /// All traffic.
    Global,
    /// Every route of a service.
    Service(ServiceId),
    /// One route.
    Route(RouteId),
    /// Every request of a consumer.
    Consumer(ConsumerId),
    /// Every request of the consumers of a group.
    ConsumerGroup(ConsumerGroupId),
}

impl PluginSpec {
    /// Where it applies.
    pub fn scope(&self) -> Scope {
        match (self.service, self.route, self.consumer, self.consumer_group) {
            (_, Some(route), _, _) => Scope::Route(route),
            (Some(service), ..) => Scope::Service(service),
            (_, _, Some(consumer), _) => Scope::Consumer(consumer),
            (_, _, _, Some(group)) => Scope::ConsumerGroup(group),
            _ => Scope::Global,
        }
    }
}

impl Noun for PluginSpec {
    type Id = PluginId;
    type Draft = PluginDraft;
    const KIND: Kind = Kind::Plugin;

    fn validate(draft: &PluginDraft, errors: &mut Errors) -> Option<Self> {
        let plugin = draft
            .plugin
            .as_deref()
            .map(str::trim)
            .filter(|plugin| !plugin.is_empty());
        if plugin.is_none() {
            errors.add(
                "plugin",
                Code::Required,
                "is required: the name of a plugin, see `/plugin-types`",
            );
        }
        let service = scope_id(draft.service.as_deref(), "service", errors).map(ServiceId);
        let route = scope_id(draft.route.as_deref(), "route", errors).map(RouteId);
        let consumer = scope_id(draft.consumer.as_deref(), "consumer", errors).map(ConsumerId);
        let consumer_group = scope_id(draft.consumer_group.as_deref(), "consumer_group", errors).map(ConsumerGroupId);
        let scopes = [
            service.is_some(),
            route.is_some(),
            consumer.is_some(),
            consumer_group.is_some(),
        ];
        if scopes.iter().filter(|given| **given).count() > 1 {
            let message = "has more than one scope: give one of `service`, `route`, `consumer` and `consumer_group`";
            errors.add("", Code::Conflict, message);
        }
        let config = if draft.config.is_null() {
            Value::Object(serde_json::Map::new())
        } else {
            draft.config.clone()
        };
        let tags = validate_tags(&draft.tags, errors);
        Some(Self {
            plugin: plugin?.to_owned(),
            service,
            route,
            consumer,
            consumer_group,
            config,
            position: draft.position.unwrap_or(0),
            tags,
            enabled: draft.enabled.unwrap_or(true),
        })
    }

    fn name(&self) -> String {
        match self.scope() {
            Scope::Global => format!("{} on all traffic", self.plugin),
            Scope::Service(id) => format!("{} on service {id}", self.plugin),
            Scope::Route(id) => format!("{} on route {id}", self.plugin),
            Scope::Consumer(id) => format!("{} on consumer {id}", self.plugin),
            Scope::ConsumerGroup(id) => format!("{} on consumer group {id}", self.plugin),
        }
    }

    fn tags(&self) -> &[String] {
        &self.tags
    }

    fn enabled(&self) -> bool {
        self.enabled
    }

    fn search_terms(&self) -> Vec<String> {
        vec![self.plugin.clone()]
    }
}

fn scope_id(text: Option<&str>, path: &str, errors: &mut Errors) -> Option<Uuid> {
    let text = text.map(str::trim).filter(|text| !text.is_empty())?;
    text.parse()
        .map_err(|_| errors.add(path, Code::Invalid, "must be an id"))
        .ok()
}
