//! What people set.

use http::{HeaderName, Method};
use model::{Code, Errors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filter::CorsFilter;
use crate::plugin::{Combine, Context, Filter, Phase, Plugin};

/// Which pages of other origins may call from a browser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "CORS")]
pub struct Cors {
    /// Origins that may call: `*` for all, `https://shop.example.com`, or `https://*.example.com` for every name below.
    #[schemars(
        title = "Allowed origins",
        length(min = 1, max = 64),
        inner(length(min = 1, max = 300))
    )]
    #[schemars(example = ["https://shop.example.com", "https://*.example.org"])]
    pub allow_origins: Vec<String>,
    /// Methods that pages may use.
    #[schemars(
        title = "Allowed methods",
        length(min = 1, max = 16),
        inner(length(min = 1, max = 32))
    )]
    pub allow_methods: Vec<String>,
    /// Request headers that pages may send; when empty, those that the browser asks for.
    #[schemars(title = "Allowed headers", length(max = 64), inner(length(min = 1, max = 128)))]
    #[schemars(example = ["content-type", "x-api-key"])]
    pub allow_headers: Vec<String>,
    /// Response headers that pages may read besides the simple ones.
    #[schemars(title = "Exposed headers", length(max = 64), inner(length(min = 1, max = 128)))]
    #[schemars(example = ["ratelimit", "x-request-id"])]
    pub expose_headers: Vec<String>,
    /// Let pages send cookies and other credentials; not together with `*`.
    #[schemars(title = "Allow credentials")]
    pub allow_credentials: bool,
    /// How long browsers may remember the answer to a preflight request, in seconds; at most a day.
    #[schemars(title = "Remember for", range(max = 86_400))]
    pub max_age_seconds: u32,
}

impl Default for Cors {
    fn default() -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            allow_origins: words(&["*"]),
            allow_methods: words(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
            allow_headers: Vec::new(),
            expose_headers: Vec::new(),
            allow_credentials: false,
            max_age_seconds: 600,
        }
    }
}

impl Plugin for Cors {
    const NAME: &'static str = "cors";
    const TITLE: &'static str = "CORS";
    const SUMMARY: &'static str = "Which pages of other origins may call from a browser.";
    const ICON: &'static str = "globe";
    const PHASE: Phase = Phase::Guard;
    const COMBINE: Combine = Combine::Nearest;

    fn validate(&self, errors: &mut Errors) {
        for (index, origin) in self.allow_origins.iter().enumerate() {
            if let Err(message) = Origin::parse(origin) {
                errors.add(format!("allow_origins.{index}"), Code::Invalid, message);
            }
        }
        if self.allow_credentials && self.allow_origins.iter().any(|origin| origin == "*") {
            let message = "cannot be used with the origin `*`: name the origins that you trust";
            errors.add("allow_credentials", Code::Conflict, message);
        }
        for (index, method) in self.allow_methods.iter().enumerate() {
            if Method::from_bytes(method.as_bytes()).is_err() || method.bytes().any(|byte| byte.is_ascii_lowercase()) {
                let message = "must be a method in upper case, such as `GET`";
                errors.add(format!("allow_methods.{index}"), Code::Invalid, message);
            }
        }
        self.validate_headers("allow_headers", &self.allow_headers, errors);
        self.validate_headers("expose_headers", &self.expose_headers, errors);
    }

    fn describe(&self) -> String {
        let origins = match self.allow_origins.as_slice() {
            [one] if one == "*" => "every origin".to_owned(),
            [one] => one.clone(),
            many => format!("{} origins", many.len()),
        };
        format!(
            "Pages of {origins}{}",
            if self.allow_credentials {
                ", with credentials"
            } else {
                ""
            }
        )
    }

    fn filter(self, _context: &Context<'_>) -> Result<Box<dyn Filter>, String> {
        Ok(Box::new(CorsFilter::new(&self)?))
    }
}

impl Cors {
    fn validate_headers(&self, member: &str, names: &[String], errors: &mut Errors) {
        for (index, name) in names.iter().enumerate() {
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                errors.add(format!("{member}.{index}"), Code::Invalid, "must be a header name");
            } else if name == "*" && self.allow_credentials {
                // The Fetch standard, section CORS protocol and credentials.
                let message = "means nothing to browsers together with credentials: name the headers";
                errors.add(format!("{member}.{index}"), Code::Conflict, message);
            }
        }
    }
}

/// An origin that may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Any,
    Exact(String),
    /// What stands before and after the name's variable part: `https://` and `.example.com`.
    Below(String, String),
}

impl Origin {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let wrong =
            || format!("must be `*`, or scheme and host without a path, such as `https://shop.example.com`: `{text}`");
        let (scheme, host) = text.split_once("://").ok_or_else(wrong)?;
        let below = host.strip_prefix("*.");
        let host = below.unwrap_or(host);
        let url = url::Url::parse(&format!("{scheme}://{host}")).map_err(|_| wrong())?;
        let more = host.contains(['/', '\\', '?', '#', '@', '*']) || host.chars().any(char::is_whitespace);
        if more || url.host_str().is_none_or(str::is_empty) || !matches!(url.scheme(), "http" | "https") {
            return Err(wrong());
        }
        let origin = url.origin().ascii_serialization();
        match (below, origin.split_once("://")) {
            (Some(_), Some((scheme, host))) => Ok(Self::Below(format!("{scheme}://"), format!(".{host}"))),
            _ => Ok(Self::Exact(origin)),
        }
    }

    pub(super) fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == origin,
            Self::Below(scheme, rest) => {
                let name = origin
                    .strip_prefix(scheme.as_str())
                    .and_then(|host| host.strip_suffix(rest.as_str()));
                name.is_some_and(|name| !name.is_empty() && !name.contains(['/', '@', ':']))
            }
        }
    }
}
