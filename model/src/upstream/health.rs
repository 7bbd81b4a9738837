//! When a target is trusted with requests: checks, ejection, and the circuit breaker.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::service::{Given, Tls};
use crate::validation::{Code, Errors};

/// How the health of targets is found out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// Asks each target by itself, all the time; absent means that it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveHealth>,
    /// Watches how requests end.
    pub passive: PassiveHealth,
}

/// How a check speaks to a target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// `GET` over plain HTTP.
    #[default]
    Http,
    /// `GET` over TLS.
    Https,
    /// A connection is enough.
    Tcp,
    /// The health protocol of gRPC over plain HTTP/2.
    Grpc,
    /// The health protocol of gRPC over TLS.
    Grpcs,
}

impl CheckKind {
    /// Whether targets are asked over TLS.
    pub const fn is_encrypted(self) -> bool {
        matches!(self, CheckKind::Https | CheckKind::Grpcs)
    }
}

/// Checks that the gateway makes by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActiveHealth {
    /// How it speaks to the target; default `http`.
    pub kind: CheckKind,
    /// What is asked for with `http` and `https`, the service's name with `grpc` and `grpcs`; default `/`, or the whole
    /// server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The `Host`; default the target's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// From one check to the next, in milliseconds; default 5000.
    pub interval_ms: u32,
    /// How long an answer may take, in milliseconds; default 1000.
    pub timeout_ms: u32,
    /// Good checks in a row that make a target healthy; default 2.
    pub healthy_threshold: u8,
    /// Bad checks in a row that make it unhealthy; default 3.
    pub unhealthy_threshold: u8,
    /// The statuses of a good answer with `http` and `https`; empty means 200 to 399.
    pub statuses: Vec<u16>,
    /// Whether a target must prove its name with `https` and `grpcs`; default true. When neither this nor any of the next
    /// three is set, checks do as the services over TLS that use the upstream, if those all agree.
    pub tls_verify: bool,
    /// The name that a target must prove with `https` and `grpcs`; default `host`, else that of the services, else the
    /// target's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
    /// Ids of the CA certificates that a target may be signed by with `https` and `grpcs`; default those of the services,
    /// else the system's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ca_certificates: Vec<String>,
    /// Id of the certificate that checks show with `https` and `grpcs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
}

impl Default for ActiveHealth {
    fn default() -> Self {
        Self {
            kind: CheckKind::Http,
            path: None,
            host: None,
            interval_ms: 5_000,
            timeout_ms: 1_000,
            healthy_threshold: 2,
            unhealthy_threshold: 3,
            statuses: Vec::new(),
            tls_verify: true,
            tls_server_name: None,
            ca_certificates: Vec::new(),
            client_certificate: None,
        }
    }
}

impl ActiveHealth {
    /// What checks over TLS believe and show by settings of their own; without any they do as services do.
    pub fn tls(&self) -> Option<Tls> {
        let tls = self.read_tls(&mut Errors::new());
        let none = tls.tls_verify
            && tls.tls_server_name.is_none()
            && tls.ca_certificates.is_empty()
            && tls.client_certificate.is_none();
        (!none).then_some(tls)
    }

    fn read_tls(&self, errors: &mut Errors) -> Tls {
        let given = Given {
            place: "health.active.",
            verify: Some(self.tls_verify),
            server_name: self.tls_server_name.as_deref(),
            ca_certificates: &self.ca_certificates,
            client_certificate: self.client_certificate.as_deref(),
        };
        Tls::of(&given, errors)
    }

    /// Whether this status is a good answer.
    pub fn is_good(&self, status: u16) -> bool {
        if self.statuses.is_empty() {
            (200..400).contains(&status)
        } else {
            self.statuses.contains(&status)
        }
    }
}

/// What is concluded from requests: a target that fails several in a row gets none for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PassiveHealth {
    /// Whether requests are watched; default true.
    pub enabled: bool,
    /// The statuses that count as failures; default 502, 503 and 504.
    pub failure_statuses: Vec<u16>,
    /// Such answers in a row that eject a target; default 5, 0 never does.
    pub status_failures: u8,
    /// Answers in a row that did not come in time; default 5, 0 never does.
    pub timeouts: u8,
    /// Connections in a row that failed or broke; default 3, 0 never does.
    pub resets: u8,
    /// How long the first ejection lasts, in milliseconds; each one more by as much; default 10000.
    pub ejection_ms: u32,
    /// The longest ejection, in milliseconds; default 300000.
    pub max_ejection_ms: u32,
}

impl Default for PassiveHealth {
    fn default() -> Self {
        Self {
            enabled: true,
            failure_statuses: vec![502, 503, 504],
            status_failures: 5,
            timeouts: 5,
            resets: 3,
            ejection_ms: 10_000,
            max_ejection_ms: 300_000,
        }
    }
}

/// When a service stops to ask a target: while it is open, no request is sent to it but one probe after each back-off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Whether there is one; default true.
    pub enabled: bool,
    /// Failures in a row that open it; default 7, 0 never does.
    pub consecutive_failures: u16,
    /// It opens when a smaller share of the requests of the window succeeds, 0 to 1; default 0.8, 0 never does.
    pub success_rate: f64,
    /// The window of the success rate, in milliseconds; default 10000.
    pub window_ms: u32,
    /// Requests that the window needs for the success rate to count; default 20.
    pub min_requests: u32,
    /// The first back-off, in milliseconds; doubled after each probe that failed; default 1000.
    pub backoff_ms: u32,
    /// The longest back-off, in milliseconds; default 60000.
    pub max_backoff_ms: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive_failures: 7,
            success_rate: 0.8,
            window_ms: 10_000,
            min_requests: 20,
            backoff_ms: 1_000,
            max_backoff_ms: 60_000,
        }
    }
}

fn within(errors: &mut Errors, path: &str, value: u32, range: std::ops::RangeInclusive<u32>) {
    if !range.contains(&value) {
        let message = format!("must be {} to {}", range.start(), range.end());
        errors.add(path, Code::OutOfRange, message);
    }
}

fn validate_statuses(path: &str, statuses: &[u16], errors: &mut Errors) {
    if statuses.len() > 100 {
        errors.add(path, Code::OutOfRange, "has more than 100 entries");
    }
    for (index, status) in statuses.iter().enumerate() {
        within(errors, &format!("{path}.{index}"), u32::from(*status), 100..=599);
    }
}

impl Health {
    pub(super) fn validate(&self, errors: &mut Errors) {
        if let Some(active) = &self.active {
            active.validate(errors);
        }
        let passive = &self.passive;
        validate_statuses("health.passive.failure_statuses", &passive.failure_statuses, errors);
        within(
            errors,
            "health.passive.ejection_ms",
            passive.ejection_ms,
            100..=3_600_000,
        );
        let longest = passive.ejection_ms.min(3_600_000)..=3_600_000;
        within(
            errors,
            "health.passive.max_ejection_ms",
            passive.max_ejection_ms,
            longest,
        );
    }
}

impl ActiveHealth {
    fn validate(&self, errors: &mut Errors) {
        within(errors, "health.active.interval_ms", self.interval_ms, 100..=3_600_000);
        within(errors, "health.active.timeout_ms", self.timeout_ms, 10..=60_000);
        let thresholds = [
            ("health.active.healthy_threshold", self.healthy_threshold),
            ("health.active.unhealthy_threshold", self.unhealthy_threshold),
        ];
        for (path, value) in thresholds {
            within(errors, path, u32::from(value), 1..=100);
        }
        validate_statuses("health.active.statuses", &self.statuses, errors);
        let unprintable = |text: &str| text.chars().any(|c| c.is_control() || c.is_whitespace());
        if let Some(path) = &self.path {
            let is_path = matches!(self.kind, CheckKind::Http | CheckKind::Https);
            if unprintable(path) || path.len() > 1_000 || (is_path && !path.starts_with('/')) {
                errors.add(
                    "health.active.path",
                    Code::Invalid,
                    "must begin with `/` and have no space",
                );
            }
        }
        if let Some(host) = &self.host
            && url::Host::parse(host).is_err()
        {
            let message = "must be a host name or an IP address, without port and path";
            errors.add("health.active.host", Code::Invalid, message);
        }
        self.read_tls(errors);
    }
}

impl Breaker {
    pub(super) fn validate(&self, errors: &mut Errors) {
        if !(0.0..=1.0).contains(&self.success_rate) {
            errors.add("breaker.success_rate", Code::OutOfRange, "must be 0 to 1, like 0.8");
        }
        within(errors, "breaker.window_ms", self.window_ms, 1_000..=600_000);
        within(errors, "breaker.min_requests", self.min_requests, 1..=1_000_000);
        within(errors, "breaker.backoff_ms", self.backoff_ms, 10..=3_600_000);
        let longest = self.backoff_ms.min(3_600_000)..=3_600_000;
        within(errors, "breaker.max_backoff_ms", self.max_backoff_ms, longest);
    }
}
