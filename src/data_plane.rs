//! What the gateway is told, from the settings of the program.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Config, Sockets, Source};
use model::clock::SystemClock;

use crate::settings::{GatewaySettings, StateSettings};

/// The configuration of a gateway that follows the database at `url`; `keys` are the secret and the brand of keys.
pub(crate) fn config(
    settings: &GatewaySettings,
    state: &StateSettings,
    url: &str,
    keys: ([u8; 32], &str),
    sockets: &Sockets,
) -> Config {
    Config {
        name: settings.gateway_name.clone().unwrap_or_else(machine),
        proxy_listen: settings.proxy_listen.clone(),
        status_listen: settings.status_listen,
        sockets: sockets.clone(),
        source: Source::Postgres(url.to_owned()),
        data_dir: Some(state.data_dir.clone()),
        secret: keys.0,
        key_brand: keys.1.to_owned(),
        trusted_proxies: settings.trusted_proxies.clone(),
        dns_servers: settings.dns_servers.clone(),
        drain: Duration::from_secs(settings.drain_seconds),
        threads: settings.threads,
        plugins: &plugins::REGISTRY,
        clock: Arc::new(SystemClock),
    }
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
