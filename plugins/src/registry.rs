//! The registry: every plugin that this program knows, found by name.
//!
//! This is the one place where a plugin's type is forgotten; before it everything is typed.

use model::id::PluginId;
use model::{Code, Errors};
use schemars::Schema;
use serde_json::Value;

use crate::plugin::{Combine, Context, Filter, Phase, Plugin};
use crate::services::Services;

/// One plugin of the registry.
#[derive(Debug, Clone, Copy)]
pub struct PluginType {
    /// The word that names it in the API.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// The icon in the console, a lucide name.
    pub icon: &'static str,
    /// When it runs.
    pub phase: Phase,
    /// What happens at several scopes.
    pub combine: Combine,
    /// Whether it finds out who calls.
    pub authenticates: bool,
    /// The JSON Schema (2020-12) of its configuration.
    pub schema: fn() -> Schema,
    validate: fn(&Value) -> Result<(Value, String), Errors>,
    compile: fn(&Value, PluginId, &Services) -> Result<Box<dyn Filter>, String>,
}

impl PluginType {
    /// The entry of a plugin.
    pub const fn of<P: Plugin>() -> Self {
        Self {
            name: P::NAME,
            title: P::TITLE,
            summary: P::SUMMARY,
            icon: P::ICON,
            phase: P::PHASE,
            combine: P::COMBINE,
            authenticates: P::AUTHENTICATES,
            schema: || schemars::schema_for!(P),
            validate: validate::<P>,
            compile: compile::<P>,
        }
    }

    /// Checks a configuration: the complete one with defaults filled in, or all that is wrong.
    /// Paths are those within the configuration.
    pub fn validate(&self, config: &Value) -> Result<Value, Errors> {
        (self.validate)(config).map(|(config, _)| config)
    }

    /// One sentence about a configuration.
    pub fn describe(&self, config: &Value) -> String {
        (self.validate)(config).map(|(_, sentence)| sentence).unwrap_or_default()
    }

    /// Compiles a configuration for one instance.
    pub fn compile(&self, config: &Value, instance: PluginId, services: &Services) -> Result<Box<dyn Filter>, String> {
        (self.compile)(config, instance, services)
    }
}

fn read<P: Plugin>(config: &Value) -> Result<P, Errors> {
    serde_path_to_error::deserialize(config).map_err(|error| {
        let path = error.path().to_string().replace('[', ".").replace(']', "");
        let path = path.trim_matches('.');
        let message = error.inner().to_string();
        let code = if message.starts_with("unknown field") { Code::UnknownMember } else { Code::Invalid };
        Errors::one(path, code, message.split(" at line ").next().unwrap_or_default())
    })
}

fn validate<P: Plugin>(config: &Value) -> Result<(Value, String), Errors> {
    let plugin = read::<P>(config)?;
    let mut errors = Errors::new();
    plugin.validate(&mut errors);
    let sentence = plugin.describe();
    let complete = serde_json::to_value(plugin).map_err(|error| Errors::one("", Code::Invalid, error.to_string()))?;
    errors.into_result(Some((complete, sentence)))
}

fn compile<P: Plugin>(config: &Value, instance: PluginId, services: &Services) -> Result<Box<dyn Filter>, String> {
    let plugin = read::<P>(config).map_err(|errors| errors.to_string())?;
    plugin.filter(&Context { instance, services })
}

/// The plugins of this program.
#[derive(Debug, Clone, Copy)]
pub struct Registry(&'static [PluginType]);

impl Registry {
    /// A registry of these plugins.
    pub const fn new(types: &'static [PluginType]) -> Self {
        Self(types)
    }

    /// The plugin of this name.
    pub fn find(&self, name: &str) -> Option<&'static PluginType> {
        self.0.iter().find(|plugin| plugin.name == name)
    }

    /// All of them, in the order in which they are listed.
    pub fn iter(&self) -> std::slice::Iter<'static, PluginType> {
        self.0.iter()
    }

    /// Their names.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|plugin| plugin.name).collect()
    }
}
