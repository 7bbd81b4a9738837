//! A service: an API behind the gateway, reached by URL or through an upstream.

use serde::{Deserialize, Serialize};
use url::{Host, Url};
use utoipa::ToSchema;

use crate::id::{ServiceId, UpstreamId};
use crate::name::{Name, validate_tags};
use crate::noun::{Kind, Noun};
use crate::validation::{Code, Errors, unknown_word};

/// The longest timeout, in milliseconds: one hour.
const MAX_TIMEOUT_MS: u32 = 3_600_000;
/// The most retries after the first attempt.
const MAX_RETRIES: u8 = 5;

crate::draft! {
    /// A service as it is sent: either `url`, or `upstream` with `protocol` and `path`.
    pub struct ServiceDraft {
        /// Unique name.
        #[schema(example = "payments")]
        pub name: Option<String>,
        /// Where the service is: `http` or `https`, host, optional port and path.
        #[schema(example = "http://10.0.4.12:8080/v1")]
        pub url: Option<String>,
        /// Id or name of the upstream whose targets serve it.
        pub upstream: Option<String>,
        /// With `upstream`: how targets are spoken to, `http` (default) or `https`.
        pub protocol: Option<String>,
        /// With `upstream`: the path that is put before the request's.
        pub path: Option<String>,
        /// With `upstream`: the `Host` and TLS name that targets see; default is the upstream's name.
        pub host: Option<String>,
        /// Time to open a connection, in milliseconds; default 2000.
        pub connect_timeout_ms: Option<u32>,
        /// Time to the response header, in milliseconds; default 15000.
        pub response_timeout_ms: Option<u32>,
        /// Longest silence between two reads or writes, in milliseconds; default 60000.
        pub idle_timeout_ms: Option<u32>,
        /// Attempts after a failed connection, 0 to 5; default 1.
        pub retries: Option<u8>,
        /// Whether an `https` service must prove its name; default true.
        pub tls_verify: Option<bool>,
        /// Labels to find and group by.
        pub tags: Vec<String>,
        /// Whether its routes serve traffic; default true.
        pub enabled: Option<bool>,
    }
}

/// How the gateway speaks to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The port when none is given.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The scheme as a URL writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A valid service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceSpec {
    /// Unique name.
    pub name: Name,
    /// Where it is; absent when an upstream serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub url: Option<Url>,
    /// The upstream that serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<UpstreamId>,
    /// How targets of the upstream are spoken to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Scheme>,
    /// The path before the request's, with an upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The host name that targets see, with an upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Time to open a connection, in milliseconds.
    pub connect_timeout_ms: u32,
    /// Time to the response header, in milliseconds.
    pub response_timeout_ms: u32,
    /// Longest silence, in milliseconds.
    pub idle_timeout_ms: u32,
    /// Attempts after a failed connection.
    pub retries: u8,
    /// Whether TLS certificates are checked.
    pub tls_verify: bool,
    /// Labels.
    pub tags: Vec<String>,
    /// Whether its routes serve traffic.
    pub enabled: bool,
}

impl ServiceSpec {
    /// How its peers are spoken to.
    pub fn scheme(&self) -> Scheme {
        match &self.url {
            Some(url) if url.scheme() == "https" => Scheme::Https,
            Some(_) => Scheme::Http,
            None => self.protocol.unwrap_or(Scheme::Http),
        }
    }

    /// The path that is put before the request's; empty when there is none, never with a trailing slash alone.
    pub fn base_path(&self) -> &str {
        let path = match &self.url {
            Some(url) => url.path(),
            None => self.path.as_deref().unwrap_or(""),
        };
        if path == "/" { "" } else { path }
    }
}

impl Noun for ServiceSpec {
    type Id = ServiceId;
    type Draft = ServiceDraft;
    const KIND: Kind = Kind::Service;

    fn validate(draft: &ServiceDraft, errors: &mut Errors) -> Option<Self> {
        let name = Name::validate(draft.name.as_deref(), errors);
        let place = Place::validate(draft, errors);
        let tags = validate_tags(&draft.tags, errors);
        let timeout = |value: Option<u32>, default: u32, path: &str, errors: &mut Errors| {
            let value = value.unwrap_or(default);
            if !(1..=MAX_TIMEOUT_MS).contains(&value) {
                errors.add(
                    path,
                    Code::OutOfRange,
                    format!("must be 1 to {MAX_TIMEOUT_MS} milliseconds"),
                );
            }
            value
        };
        let connect_timeout_ms = timeout(draft.connect_timeout_ms, 2_000, "connect_timeout_ms", errors);
        let response_timeout_ms = timeout(draft.response_timeout_ms, 15_000, "response_timeout_ms", errors);
        let idle_timeout_ms = timeout(draft.idle_timeout_ms, 60_000, "idle_timeout_ms", errors);
        let retries = draft.retries.unwrap_or(1);
        if retries > MAX_RETRIES {
            errors.add("retries", Code::OutOfRange, format!("must be 0 to {MAX_RETRIES}"));
        }
        let place = place?;
        Some(Self {
            name: name?,
            url: place.url,
            upstream: place.upstream,
            protocol: place.protocol,
            path: place.path,
            host: place.host,
            connect_timeout_ms,
            response_timeout_ms,
            idle_timeout_ms,
            retries,
            tls_verify: draft.tls_verify.unwrap_or(true),
            tags,
            enabled: draft.enabled.unwrap_or(true),
        })
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn tags(&self) -> &[String] {
        &self.tags
    }

    fn enabled(&self) -> bool {
        self.enabled
    }

    fn search_terms(&self) -> Vec<String> {
        self.url
            .iter()
            .map(Url::to_string)
            .chain(self.path.clone())
            .chain(self.host.clone())
            .collect()
    }
}

/// Where a service is: the part of it that is either a URL or an upstream.
#[derive(Default)]
struct Place {
    url: Option<Url>,
    upstream: Option<UpstreamId>,
    protocol: Option<Scheme>,
    path: Option<String>,
    host: Option<String>,
}

impl Place {
    fn validate(draft: &ServiceDraft, errors: &mut Errors) -> Option<Self> {
        let given = |text: &Option<String>| {
            text.clone()
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        match (given(&draft.url), given(&draft.upstream)) {
            (None, None) => {
                errors.add(
                    "url",
                    Code::Required,
                    "is required, unless `upstream` names the targets",
                );
                None
            }
            (Some(_), Some(_)) => {
                errors.add(
                    "upstream",
                    Code::Conflict,
                    "cannot be given together with `url`; keep one of them",
                );
                None
            }
            (Some(url), None) => {
                let with_url = [
                    ("protocol", &draft.protocol),
                    ("path", &draft.path),
                    ("host", &draft.host),
                ];
                for (path, _) in with_url.into_iter().filter(|(_, value)| given(value).is_some()) {
                    errors.add(path, Code::Conflict, "is part of `url`; give it only with `upstream`");
                }
                let url = validate_url(&url)
                    .map_err(|message| errors.add("url", Code::Invalid, message))
                    .ok()?;
                Some(Self {
                    url: Some(url),
                    ..Self::default()
                })
            }
            (None, Some(upstream)) => {
                let upstream = upstream
                    .parse()
                    .map_err(|_| errors.add("upstream", Code::Invalid, "must be an id"))
                    .ok();
                let protocol = validate_protocol(given(&draft.protocol).as_deref(), errors);
                let path = given(&draft.path).and_then(|path| validate_base_path(path, errors));
                let host = given(&draft.host).and_then(|host| validate_host(host, errors));
                Some(Self {
                    url: None,
                    upstream: Some(upstream?),
                    protocol: Some(protocol?),
                    path,
                    host,
                })
            }
        }
    }
}

fn validate_protocol(text: Option<&str>, errors: &mut Errors) -> Option<Scheme> {
    match text.unwrap_or("http") {
        "http" => Some(Scheme::Http),
        "https" => Some(Scheme::Https),
        other => {
            errors.add(
                "protocol",
                Code::Invalid,
                unknown_word("protocol", other, &["http", "https"]),
            );
            None
        }
    }
}

fn validate_base_path(path: String, errors: &mut Errors) -> Option<String> {
    if !path.starts_with('/') || path.contains(['?', '#', ' ']) || path.chars().any(char::is_control) {
        errors.add(
            "path",
            Code::Invalid,
            "must begin with `/` and have no query, fragment or space",
        );
        return None;
    }
    Some(path)
}

fn validate_host(host: String, errors: &mut Errors) -> Option<String> {
    if Host::parse(&host).is_err() {
        errors.add(
            "host",
            Code::Invalid,
            "must be a host name or an IP address, without port and path",
        );
        return None;
    }
    Some(host)
}

fn validate_url(text: &str) -> Result<Url, String> {
    if !text.contains("://") {
        return Err(format!("has no scheme; write `http://{text}` or `https://{text}`"));
    }
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "must begin with `http://` or `https://`, not `{}://`",
            url.scheme()
        ));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("has no host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not carry a user name or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment".to_owned());
    }
    if url.port() == Some(0) {
        return Err("must not use port 0".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_of(draft: &ServiceDraft) -> Errors {
        let mut errors = Errors::new();
        ServiceSpec::validate(draft, &mut errors);
        errors
    }

    fn at(url: &str) -> ServiceDraft {
        ServiceDraft {
            name: Some("payments".into()),
            url: Some(url.into()),
            ..ServiceDraft::default()
        }
    }

    #[test]
    fn a_url_without_scheme_says_so() {
        let errors = errors_of(&at("10.0.4.12:8080/v1"));
        assert!(
            errors
                .at("url")
                .is_some_and(|error| error.message.contains("has no scheme")),
            "{errors}"
        );
    }

    #[test]
    fn a_url_must_be_a_plain_http_address() {
        for url in [
            "ftp://x",
            "http://",
            "http://u:p@x",
            "http://x?a=1",
            "http://x/#f",
            "http://x:0",
        ] {
            assert!(errors_of(&at(url)).at("url").is_some(), "{url}");
        }
        assert!(errors_of(&at("https://api.example.com/v1")).is_empty());
    }

    #[test]
    fn url_and_upstream_exclude_each_other() {
        let both = ServiceDraft {
            upstream: Some(UpstreamId::generate().to_string()),
            ..at("http://x")
        };
        assert!(errors_of(&both).at("upstream").is_some());
        let neither = ServiceDraft {
            name: Some("a".into()),
            ..ServiceDraft::default()
        };
        assert!(errors_of(&neither).at("url").is_some());
    }

    #[test]
    fn a_spec_reads_back_as_its_draft() {
        let mut errors = Errors::new();
        let spec = ServiceSpec::validate(&at("http://x:81/base"), &mut errors).expect("valid");
        let again = <ServiceDraft as crate::Draft>::read(&serde_json::to_value(&spec).expect("json"));
        assert!(again.errors.is_empty(), "{}", again.errors);
        assert_eq!(ServiceSpec::validate(&again.draft, &mut errors), Some(spec));
    }
}
