//! What the gateway is told, from the settings of the program.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Config, Source};
use model::clock::SystemClock;

use crate::settings::{GatewaySettings, StateSettings};

/// The configuration of a gateway that follows the database at `url`.
pub(crate) fn config(
    settings: &GatewaySettings,
    state: &StateSettings,
    url: &str,
    secret: [u8; 32],
    key_brand: &str,
) -> Config {
    Config {
        name: settings.gateway_name.clone().unwrap_or_else(machine),
        proxy_listen: settings.proxy_listen.clone(),
        stream_listen: settings.stream_listen.clone(),
        status_listen: settings.status_listen,
        source: Source::Postgres(url.to_owned()),
        data_dir: Some(state.data_dir.clone()),
        secret,
        key_brand: key_brand.to_owned(),
        trusted_proxies: settings.trusted_proxies.clone(),
        drain: Duration::from_secs(settings.drain_seconds),
        threads: settings.threads,
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
