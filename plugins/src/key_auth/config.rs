//! What people set.

use http::HeaderName;
use model::{Code, Errors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filter::KeyFilter;
use crate::plugin::{Combine, Context, Filter, Phase, Plugin};
use crate::protected::is_protected;

/// Callers prove themselves with an API key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Key authentication")]
pub struct KeyAuth {
    /// Headers in which a key is looked for, in this order.
    #[schemars(title = "Headers", length(max = 8), inner(length(min = 1, max = 64)), example = ["x-api-key"])]
    pub headers: Vec<String>,
    /// Query parameters in which a key is looked for. Keys in URLs end up in histories and logs: prefer headers.
    #[schemars(title = "Query parameters", length(max = 8), inner(length(min = 1, max = 64)), example = ["api_key"])]
    pub query_parameters: Vec<String>,
    /// Also accept a key as `Authorization: Bearer`.
    #[schemars(title = "Bearer token")]
    pub bearer: bool,
    /// Let requests without a key pass, unauthenticated. A wrong key is still refused.
    #[schemars(title = "Key is optional")]
    pub optional: bool,
    /// The name of the consumer that requests without a key count as; with it, they pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(title = "Anonymous consumer", length(min = 1, max = 128), example = &"guests")]
    pub anonymous_consumer: Option<String>,
    /// Remove the key before the request is forwarded.
    #[schemars(title = "Hide the key from the service")]
    pub hide_credentials: bool,
}

impl Default for KeyAuth {
    fn default() -> Self {
        Self {
            headers: vec!["x-api-key".to_owned()],
            query_parameters: Vec::new(),
            bearer: false,
            optional: false,
            anonymous_consumer: None,
            hide_credentials: true,
        }
    }
}

impl Plugin for KeyAuth {
    const NAME: &'static str = "key-auth";
    const TITLE: &'static str = "Key authentication";
    const SUMMARY: &'static str = "Callers prove themselves with an API key.";
    const ICON: &'static str = "key-round";
    const PHASE: Phase = Phase::Authenticate;
    const COMBINE: Combine = Combine::Nearest;
    const AUTHENTICATES: bool = true;

    fn validate(&self, errors: &mut Errors) {
        if self.headers.is_empty() && self.query_parameters.is_empty() && !self.bearer {
            let message = "is empty, and so are the other places: name at least one place to look for a key";
            errors.add("headers", Code::Required, message);
        }
        for (index, name) in self.headers.iter().enumerate() {
            let path = format!("headers.{index}");
            match HeaderName::from_bytes(name.as_bytes()) {
                Err(_) => errors.add(path, Code::Invalid, "must be a header name"),
                Ok(name) if name == http::header::AUTHORIZATION => {
                    errors.add(path, Code::Conflict, "is read with `bearer`; set that instead");
                }
                Ok(name) if is_protected(&name) => {
                    errors.add(path, Code::Invalid, "belongs to the gateway and cannot carry a key");
                }
                Ok(_) => {}
            }
        }
        for (index, name) in self.query_parameters.iter().enumerate() {
            if name.is_empty() || name.contains(['&', '=', '#', '?']) {
                let message = "must be the name of a query parameter, without `&`, `=`, `#` and `?`";
                errors.add(format!("query_parameters.{index}"), Code::Invalid, message);
            }
        }
        if self
            .anonymous_consumer
            .as_ref()
            .is_some_and(|name| name.trim().is_empty())
        {
            errors.add(
                "anonymous_consumer",
                Code::Invalid,
                "must be the name of a consumer, or be left out",
            );
        }
    }

    fn describe(&self) -> String {
        let mut places: Vec<String> = self.headers.iter().map(|name| format!("header {name}")).collect();
        places.extend(self.query_parameters.iter().map(|name| format!("parameter {name}")));
        places.extend(self.bearer.then(|| "bearer token".to_owned()));
        let without = match &self.anonymous_consumer {
            Some(name) => format!("; without a key as {name}"),
            None if self.optional => "; optional".to_owned(),
            None => String::new(),
        };
        format!("Key in {}{without}", places.join(" or "))
    }

    fn filter(self, context: &Context<'_>) -> Result<Box<dyn Filter>, String> {
        Ok(Box::new(KeyFilter::new(self, context.services)?))
    }
}
