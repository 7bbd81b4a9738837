//! The registry: every plugin that this program knows, found by name.
//!
//! This is the one place where a plugin's type is forgotten; before it everything is typed.

use model::id::PluginId;
use model::{Code, Errors};
use schemars::Schema;
use serde_json::{Map, Value};

use crate::plugin::{Combine, Context, Filter, Phase, Plugin};
use crate::schema;
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
    compile: Compile,
}

type Compile = fn(&Value, PluginId, &Services) -> Result<Box<dyn Filter>, String>;

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

    /// The name of its configuration among the components of an OpenAPI document.
    pub fn component(&self) -> String {
        let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
        format!("{}Config", self.name.split('-').map(word).collect::<String>())
    }

    /// Checks a configuration: the complete one with defaults filled in, or all that is wrong.
    /// Paths are those within the configuration.
    pub fn validate(&self, config: &Value) -> Result<Value, Errors> {
        (self.validate)(config).map(|(config, _)| config)
    }

    /// One sentence about a configuration.
    pub fn describe(&self, config: &Value) -> String {
        (self.validate)(config)
            .map(|(_, sentence)| sentence)
            .unwrap_or_default()
    }

    /// Compiles a configuration for one instance.
    pub fn compile(&self, config: &Value, instance: PluginId, services: &Services) -> Result<Box<dyn Filter>, String> {
        (self.compile)(config, instance, services)
    }
}

/// Reads a configuration whose members the schema already allowed; stops at the first mistake.
fn read<P: Plugin>(config: &Value) -> Result<P, Errors> {
    serde_path_to_error::deserialize(config).map_err(|error| {
        let path = error.path().to_string().replace('[', ".").replace(']', "");
        Errors::one(path.trim_matches('.'), Code::Invalid, error.inner().to_string())
    })
}

fn validate<P: Plugin>(config: &Value) -> Result<(Value, String), Errors> {
    let mut errors = Errors::new();
    schema::check(schemars::schema_for!(P).as_value(), config, &mut errors);
    let plugin = match read::<P>(config) {
        Ok(plugin) => plugin,
        Err(unreadable) if errors.is_empty() => return Err(unreadable),
        Err(_) => return Err(errors),
    };
    plugin.validate(&mut errors);
    let sentence = plugin.describe();
    let complete = serde_json::to_value(plugin).map_err(|error| Errors::one("", Code::Invalid, error.to_string()))?;
    errors.into_result(Some((complete, sentence)))
}

/// Also checks what the types cannot: a configuration may come from a file, or from a newer program.
fn compile<P: Plugin>(config: &Value, instance: PluginId, services: &Services) -> Result<Box<dyn Filter>, String> {
    let mut errors = Errors::new();
    let plugin = read::<P>(config).map_err(|errors| errors.to_string())?;
    plugin.validate(&mut errors);
    errors.into_result(Some(())).map_err(|errors| errors.to_string())?;
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

    /// The schemas of all configurations as components of an OpenAPI 3.1 document: `RateLimitConfig`, and what it is
    /// made of as `RateLimitConfigLimit`.
    pub fn openapi_components(&self) -> Map<String, Value> {
        let mut components = Map::new();
        for plugin in self {
            let name = plugin.component();
            let mut schema = (plugin.schema)().to_value();
            adapt(&mut schema, &name);
            if let Some(members) = schema.as_object_mut() {
                members.shift_remove("$schema");
                if let Some(Value::Object(definitions)) = members.shift_remove("$defs") {
                    components.extend(
                        definitions
                            .into_iter()
                            .map(|(part, schema)| (format!("{name}{part}"), schema)),
                    );
                }
            }
            components.insert(name, schema);
        }
        components
    }

    /// Their names.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|plugin| plugin.name).collect()
    }
}

impl IntoIterator for &Registry {
    type Item = &'static PluginType;
    type IntoIter = std::slice::Iter<'static, PluginType>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Fits a schema into an OpenAPI document: references into its own definitions lead to the components that these
/// become, and a constant is an enumeration of one, which is the same and known to more tools.
fn adapt(value: &mut Value, component: &str) {
    match value {
        Value::Object(members) => {
            if let Some(constant) = members.shift_remove("const") {
                members.insert("enum".to_owned(), Value::Array(vec![constant]));
            }
            for (name, member) in members.iter_mut() {
                match member {
                    Value::String(target) if name == "$ref" => {
                        *target = target.replace("#/$defs/", &format!("#/components/schemas/{component}"));
                    }
                    other => adapt(other, component),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| adapt(item, component)),
        _ => {}
    }
}
