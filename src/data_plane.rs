//! What the gateway is told, from the settings of the program.

use std::env;
use std::fs;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use gateway::{Config, ProxyProtocol, Reach, Sockets, Source, TelemetryConfig};
use model::clock::SystemClock;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use url::Url;

use crate::settings::{FrontSettings, GatewaySettings, ProxyProtocolSetting, StateSettings, TelemetrySettings, site};

/// The usual port of Postgres.
const POSTGRES: u16 = 5432;

/// The variable that OpenTelemetry defines.
const COMMON_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The configuration of a gateway that follows the database at `url`; `keys` are the secret and the brand of keys,
/// `console` is where the same program answers administrators.
pub(crate) fn config(
    (settings, front): (&GatewaySettings, &FrontSettings),
    state: &StateSettings,
    (url, console): (&str, Option<SocketAddr>),
    keys: ([u8; 32], &str),
    sockets: &Sockets,
) -> Result<Config> {
    Ok(Config {
        name: settings.gateway_name.clone().unwrap_or_else(machine),
        proxy_listen: settings.proxy_listen.clone(),
        proxy_tls_listen: settings.proxy_tls_listen.clone(),
        stream_listen: settings.stream_listen.clone(),
        status_listen: settings.status_listen,
        sockets: sockets.clone(),
        source: Source::Postgres(url.to_owned()),
        data_dir: Some(state.data_dir.clone()),
        secret: keys.0,
        key_brand: keys.1.to_owned(),
        trusted_proxies: front.trusted_proxies.clone(),
        dns_servers: settings.dns_servers.clone(),
        reach: Reach {
            own: console.into_iter().chain(addresses(url)).collect(),
            denied: settings.denied_targets.clone(),
            allowed: settings.allowed_targets.clone(),
        },
        latency_headers: settings.latency_headers,
        proxy_protocol: match settings.proxy_protocol {
            ProxyProtocolSetting::Off => ProxyProtocol::Off,
            ProxyProtocolSetting::Trusted => ProxyProtocol::Trusted,
        },
        drain: Duration::from_secs(settings.drain_seconds),
        memory_limit: settings
            .memory_limit_mb
            .map(|megabytes| u64::from(megabytes.get()) << 20),
        threads: settings.threads,
        plugins: &plugins::REGISTRY,
        telemetry: telemetry(&settings.telemetry)?,
        clock: Arc::new(SystemClock),
    })
}

/// Takes as many descriptors as the system allows: how many clients may connect follows from it.
pub(crate) fn raise_descriptors() {
    let allowed = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: allowed.maximum,
        ..allowed
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "the number of descriptors stays as it was");
    }
}

/// Where the database is, as far as its name says so now.
fn addresses(url: &str) -> Vec<SocketAddr> {
    let Ok(url) = Url::parse(url) else { return Vec::new() };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let found = (host, url.port().unwrap_or(POSTGRES)).to_socket_addrs();
    found.map(Iterator::collect).unwrap_or_default()
}

fn telemetry(settings: &TelemetrySettings) -> Result<TelemetryConfig> {
    let otlp_endpoint = match &settings.otlp_endpoint {
        Some(url) => Some(url.clone()),
        None => common_endpoint()?,
    };
    Ok(TelemetryConfig {
        access_log: settings.access_log.clone(),
        access_log_sampling: settings.access_log_sampling,
        trace_sampling: settings.trace_sampling,
        otlp_endpoint,
    })
}

/// The receiver that the environment names for every program that speaks OTLP.
fn common_endpoint() -> Result<Option<Url>> {
    let text = env::var(COMMON_ENDPOINT).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let url = site(&text).map_err(|reason| anyhow!("{COMMON_ENDPOINT} is wrong: `{text}` {reason}"))?;
    Ok(Some(url))
}

/// The name of this machine.
fn machine() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "gateway".to_owned()
    } else {
        name.to_owned()
    }
}
