//! A service: an API behind the gateway, reached by URL or through an upstream.

mod place;
mod protocol;
mod retry;
mod tls;

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::id::{ServiceId, UpstreamId};
use crate::name::{Name, validate_tags};
use crate::noun::{Kind, Noun};
use crate::validation::{Code, Errors};

use place::Place;
pub use protocol::{HttpVersion, ProxyProtocol, Scheme, ServiceProtocol};
pub use retry::{Mirror, MirrorDraft, Retry, RetryOn};
pub(crate) use tls::Given;
pub use tls::Tls;

/// The longest timeout, in milliseconds: one hour.
const MAX_TIMEOUT_MS: u32 = 3_600_000;

crate::draft! {
    /// A service as it is sent: either `url`, or `upstream` with `protocol` and `path`.
    pub struct ServiceDraft {
        /// Unique name.
        #[schema(example = "payments")]
        pub name: Option<String>,
        /// Where the service is: `http`, `https`, `grpc` or `grpcs`, host, optional port and path.
        #[schema(example = "http://10.0.4.12:8080/v1")]
        pub url: Option<String>,
        /// Id or name of the upstream whose targets serve it.
        pub upstream: Option<String>,
        /// With `upstream`: how targets are spoken to, `http` (default), `https`, `grpc` or `grpcs`.
        pub protocol: Option<String>,
        /// With `upstream`: the path that is put before the request's.
        pub path: Option<String>,
        /// With `upstream`: the `Host` and TLS name that targets see; default is the upstream's name.
        pub host: Option<String>,
        /// The version of HTTP: `auto` (default), `1` or `2`; with `http`, `2` is spoken without asking.
        pub http_version: Option<HttpVersion>,
        /// Whether targets are told the client's address by the PROXY protocol: `off` (default), `v1` or `v2`.
        pub proxy_protocol: Option<ProxyProtocol>,
        /// Time to open a connection, in milliseconds; default 2000.
        pub connect_timeout_ms: Option<u32>,
        /// Time to the response header, in milliseconds; default 15000.
        pub response_timeout_ms: Option<u32>,
        /// Longest silence between two reads or writes, in milliseconds; default 60000.
        pub idle_timeout_ms: Option<u32>,
        /// Time for all attempts together, in milliseconds; without it there is no such limit.
        pub timeout_ms: Option<u32>,
        /// Attempts at another target after the first one, 0 to 5; default 1.
        pub retries: Option<u8>,
        /// What is tried again: `connect_failure`, `reset`, `timeout`, `502`, `503`, `504`; default the first two.
        pub retry_on: Option<Vec<RetryOn>>,
        /// How many retries there may be for a hundred requests; default 20.
        pub retry_budget_percent: Option<u8>,
        /// How many retries a second there may be in any case; default 10.
        pub retry_budget_min_per_second: Option<u16>,
        /// Whether a service with TLS must prove its name; default true.
        pub tls_verify: Option<bool>,
        /// The name that it must prove, when that is not its host.
        pub tls_server_name: Option<String>,
        /// Ids of the CA certificates that it may be signed by; default those of the system.
        pub ca_certificates: Vec<String>,
        /// Id of the certificate that the gateway shows to it.
        pub client_certificate: Option<String>,
        /// A service that gets copies of requests.
        pub mirror: Option<MirrorDraft>,
        /// Labels to find and group by.
        pub tags: Vec<String>,
        /// Whether its routes serve traffic; default true.
        pub enabled: Option<bool>,
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
    pub protocol: Option<ServiceProtocol>,
    /// The path before the request's, with an upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The host name that targets see, with an upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The version of HTTP.
    #[serde(default)]
    pub http_version: HttpVersion,
    /// Whether targets are told the client's address.
    #[serde(default)]
    pub proxy_protocol: ProxyProtocol,
    /// Time to open a connection, in milliseconds.
    pub connect_timeout_ms: u32,
    /// Time to the response header, in milliseconds.
    pub response_timeout_ms: u32,
    /// Longest silence, in milliseconds.
    pub idle_timeout_ms: u32,
    /// Time for all attempts together, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// When requests are tried again.
    #[serde(flatten)]
    pub retry: Retry,
    /// How targets prove who they are, and the gateway to them.
    #[serde(flatten)]
    pub tls: Tls,
    /// The service that gets copies of requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
    /// Labels.
    pub tags: Vec<String>,
    /// Whether its routes serve traffic.
    pub enabled: bool,
}

impl ServiceSpec {
    /// What its targets speak.
    pub fn protocol(&self) -> ServiceProtocol {
        let by_url = self.url.as_ref().and_then(|url| ServiceProtocol::parse(url.scheme()));
        by_url.or(self.protocol).unwrap_or(ServiceProtocol::Http)
    }

    /// Whether connections to its targets are plain or encrypted.
    pub fn scheme(&self) -> Scheme {
        self.protocol().scheme()
    }

    /// The port of its URL, given or the usual one.
    pub fn port(&self) -> u16 {
        let given = self.url.as_ref().and_then(Url::port);
        given.unwrap_or(self.scheme().default_port())
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
        let mut timeout = |value: Option<u32>, default: u32, path: &str| {
            let value = value.unwrap_or(default);
            if !(1..=MAX_TIMEOUT_MS).contains(&value) {
                let message = format!("must be 1 to {MAX_TIMEOUT_MS} milliseconds");
                errors.add(path, Code::OutOfRange, message);
            }
            value
        };
        let connect_timeout_ms = timeout(draft.connect_timeout_ms, 2_000, "connect_timeout_ms");
        let response_timeout_ms = timeout(draft.response_timeout_ms, 15_000, "response_timeout_ms");
        let idle_timeout_ms = timeout(draft.idle_timeout_ms, 60_000, "idle_timeout_ms");
        let timeout_ms = draft.timeout_ms.map(|value| timeout(Some(value), value, "timeout_ms"));
        let retry = Retry::validate(draft, errors);
        let tls = Tls::validate(draft, errors);
        let mirror = draft
            .mirror
            .as_ref()
            .and_then(|mirror| Mirror::validate(mirror, errors));
        let place = place?;
        Some(Self {
            name: name?,
            url: place.url,
            upstream: place.upstream,
            protocol: place.protocol,
            path: place.path,
            host: place.host,
            http_version: draft.http_version.unwrap_or_default(),
            proxy_protocol: draft.proxy_protocol.unwrap_or_default(),
            connect_timeout_ms,
            response_timeout_ms,
            idle_timeout_ms,
            timeout_ms,
            retry,
            tls,
            mirror,
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
        for url in ["https://api.example.com/v1", "grpc://x:50051", "grpcs://x"] {
            assert!(errors_of(&at(url)).is_empty(), "{url}");
        }
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

    #[test]
    fn a_row_of_the_first_version_is_still_a_service() {
        let row = serde_json::json!({
            "name": "a", "url": "http://x/", "connect_timeout_ms": 1, "response_timeout_ms": 1, "idle_timeout_ms": 1,
            "retries": 3, "tls_verify": false, "tags": [], "enabled": true
        });
        let spec: ServiceSpec = serde_json::from_value(row).expect("readable");
        assert_eq!((spec.retry.retries, spec.tls.tls_verify), (3, false));
        assert_eq!(spec.retry.retry_on, [RetryOn::ConnectFailure, RetryOn::Reset]);
        assert_eq!(spec.protocol(), ServiceProtocol::Http);
    }

    #[test]
    fn each_mistake_is_reported_at_its_member() {
        let certificate = Some("mine".to_owned());
        let table = [
            (
                ServiceDraft {
                    timeout_ms: Some(0),
                    ..at("http://x")
                },
                "timeout_ms",
            ),
            (
                ServiceDraft {
                    retries: Some(6),
                    ..at("http://x")
                },
                "retries",
            ),
            (
                ServiceDraft {
                    retry_budget_percent: Some(101),
                    ..at("http://x")
                },
                "retry_budget_percent",
            ),
            (
                ServiceDraft {
                    tls_server_name: Some("a b".into()),
                    ..at("https://x")
                },
                "tls_server_name",
            ),
            (
                ServiceDraft {
                    ca_certificates: vec!["mine".into()],
                    ..at("https://x")
                },
                "ca_certificates.0",
            ),
            (
                ServiceDraft {
                    client_certificate: certificate,
                    ..at("https://x")
                },
                "client_certificate",
            ),
            (
                ServiceDraft {
                    mirror: Some(MirrorDraft::default()),
                    ..at("http://x")
                },
                "mirror.service",
            ),
        ];
        for (draft, path) in table {
            let errors = errors_of(&draft);
            assert!(errors.at(path).is_some(), "{path} is not in `{errors}`");
        }
    }

    #[test]
    fn a_url_says_the_protocol_and_the_port() {
        let table = [
            ("http://x", ServiceProtocol::Http, 80),
            ("https://x", ServiceProtocol::Https, 443),
            ("grpc://x:50051", ServiceProtocol::Grpc, 50051),
            ("grpcs://x", ServiceProtocol::Grpcs, 443),
        ];
        for (url, protocol, port) in table {
            let spec = ServiceSpec::validate(&at(url), &mut Errors::new()).expect("valid");
            assert_eq!((spec.protocol(), spec.port(), spec.base_path()), (protocol, port, ""));
        }
    }
}
