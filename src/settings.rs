//! What a deployment decides: options on the command line, each also a variable of the environment.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use gateway::Exception;
use gateway::telemetry::{Destination, share};
use ipnet::IpNet;
use url::Url;

/// Where state and secrets are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "State")]
pub(crate) struct StateSettings {
    /// Postgres, as `postgres://user:password@host:port/database`. Without it Gatehouse brings up its own in the data
    /// directory.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// The directory for the embedded Postgres, the secret and the gateway's copy of its configuration.
    #[arg(long, env = "GATEHOUSE_DATA_DIR", default_value = "data", value_name = "PATH")]
    pub(crate) data_dir: PathBuf,
    /// The secret under which keys are hashed: 64 hexadecimal digits, the same for control and every gateway. Without it
    /// one is made and kept in the data directory.
    #[arg(long, env = "GATEHOUSE_SECRET", hide_env_values = true, value_name = "HEX")]
    pub(crate) secret: Option<String>,
}

/// The faces for people and automation.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Console, API and portal")]
pub(crate) struct ControlSettings {
    /// Where the console and the REST API listen.
    #[arg(
        long,
        env = "GATEHOUSE_ADMIN_LISTEN",
        value_parser = address,
        default_value = "127.0.0.1:8001",
        value_name = "ADDRESS"
    )]
    pub(crate) admin_listen: SocketAddr,
    /// Where the developer portal listens.
    #[arg(
        long,
        env = "GATEHOUSE_PORTAL_LISTEN",
        value_parser = address,
        default_value = "127.0.0.1:8002",
        value_name = "ADDRESS"
    )]
    pub(crate) portal_listen: SocketAddr,
    /// How browsers reach the console; default is http on localhost with the console's port. Anything but http on a
    /// loopback address gets `__Host-` cookies, which need https.
    #[arg(long, env = "GATEHOUSE_CONSOLE_URL", value_name = "URL", value_parser = site)]
    pub(crate) console_url: Option<Url>,
    /// How browsers reach the portal; default is http on localhost with the portal's port.
    #[arg(long, env = "GATEHOUSE_PORTAL_URL", value_name = "URL", value_parser = site)]
    pub(crate) portal_url: Option<Url>,
    /// How clients reach the gateway; shown in the portal. Default is http on localhost with the gateway's port, or 8000
    /// when it runs elsewhere.
    #[arg(long, env = "GATEHOUSE_PROXY_URL", value_name = "URL", value_parser = site)]
    pub(crate) proxy_url: Option<Url>,
    #[command(flatten)]
    pub(crate) keys: KeySettings,
    /// Mail server, as `smtps://user:password@host:465` or `smtp://host:587` (STARTTLS). Without it mails are kept and
    /// shown in the console and the terminal.
    #[arg(long, env = "GATEHOUSE_SMTP_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) smtp_url: Option<String>,
    /// From whom mails come.
    #[arg(
        long,
        env = "GATEHOUSE_MAIL_FROM",
        default_value = "Gatehouse <gatehouse@localhost>",
        value_name = "MAILBOX"
    )]
    pub(crate) mail_from: String,
}

/// How keys look.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeySettings {
    /// The first part of every generated key: 2 to 8 lower-case letters or digits.
    #[arg(long, env = "GATEHOUSE_KEY_BRAND", default_value = "gh", value_name = "WORD", value_parser = key_brand)]
    pub(crate) key_brand: String,
}

/// What stands before this program.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Proxies before it")]
pub(crate) struct FrontSettings {
    /// Proxies whose `X-Forwarded-*` headers are believed, by gateway, console and portal, as networks (CIDR) separated by
    /// commas; default none.
    #[arg(long, env = "GATEHOUSE_TRUSTED_PROXIES", value_delimiter = ',', value_name = "NETWORK", value_parser = network)]
    pub(crate) trusted_proxies: Vec<IpNet>,
}

/// The data plane.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Gateway")]
pub(crate) struct GatewaySettings {
    /// Where clients connect; several are separated by commas.
    #[arg(
        long,
        env = "GATEHOUSE_PROXY_LISTEN",
        value_parser = address,
        default_value = "0.0.0.0:8000",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    pub(crate) proxy_listen: Vec<SocketAddr>,
    /// Where clients connect over TLS; several are separated by commas.
    #[arg(
        long,
        env = "GATEHOUSE_PROXY_TLS_LISTEN",
        value_parser = address,
        default_value = "0.0.0.0:8443",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    pub(crate) proxy_tls_listen: Vec<SocketAddr>,
    /// Where TCP connections and TLS by server name are passed on; several are separated by commas, default none.
    #[arg(
        long,
        env = "GATEHOUSE_STREAM_LISTEN",
        value_parser = address,
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    pub(crate) stream_listen: Vec<SocketAddr>,
    /// Where `/livez`, `/readyz` and `/metrics` are answered.
    #[arg(
        long,
        env = "GATEHOUSE_STATUS_LISTEN",
        value_parser = address,
        default_value = "127.0.0.1:8100",
        value_name = "ADDRESS"
    )]
    pub(crate) status_listen: SocketAddr,
    /// What this gateway is called in the console; default is the machine's name.
    #[arg(long, env = "GATEHOUSE_GATEWAY_NAME", value_name = "NAME")]
    pub(crate) gateway_name: Option<String>,
    /// DNS servers that the names of targets are asked of, separated by commas, like `10.0.0.2:53`; default the system's.
    #[arg(long, env = "GATEHOUSE_DNS_SERVERS", value_delimiter = ',', value_name = "ADDRESS", value_parser = address)]
    pub(crate) dns_servers: Vec<SocketAddr>,
    /// Networks that no target may be in (CIDR), separated by commas; default none. Link-local addresses, those of clouds'
    /// metadata, and Gatehouse's own console, status and database are never reached anyway.
    #[arg(long, env = "GATEHOUSE_DENIED_TARGETS", value_delimiter = ',', value_name = "NETWORK", value_parser = network)]
    pub(crate) denied_targets: Vec<IpNet>,
    /// What targets may reach all the same: networks, addresses, or addresses with a port, separated by commas; default
    /// none.
    #[arg(
        long,
        env = "GATEHOUSE_ALLOWED_TARGETS",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    pub(crate) allowed_targets: Vec<Exception>,
    /// Whether connections begin with a PROXY header (version 1 or 2): `off`, or `trusted`, which means that those from
    /// trusted proxies must.
    #[arg(long, env = "GATEHOUSE_PROXY_PROTOCOL", value_enum, default_value_t = ProxyProtocolSetting::Off, value_name = "WHEN")]
    pub(crate) proxy_protocol: ProxyProtocolSetting,
    /// Whether responses say in milliseconds how long they took: `X-Gatehouse-Upstream-Latency` for the service,
    /// `X-Gatehouse-Proxy-Latency` for everything else.
    #[arg(
        long,
        env = "GATEHOUSE_LATENCY_HEADERS",
        action = ArgAction::Set,
        default_value_t = false,
        value_name = "BOOLEAN"
    )]
    pub(crate) latency_headers: bool,
    /// How long requests in flight may go on after a stop, in seconds.
    #[arg(long, env = "GATEHOUSE_DRAIN_SECONDS", default_value_t = 30, value_name = "SECONDS")]
    pub(crate) drain_seconds: u64,
    /// The memory that the gateway may use, in MiB; default is the limit of its control group, if there is one.
    #[arg(long, env = "GATEHOUSE_MEMORY_LIMIT_MB", value_name = "MIB")]
    pub(crate) memory_limit_mb: Option<NonZeroU32>,
    /// Worker threads; default one per processor.
    #[arg(long, env = "GATEHOUSE_THREADS", value_name = "COUNT")]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    pub(crate) telemetry: TelemetrySettings,
}

/// What a gateway writes about requests.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access log and traces")]
pub(crate) struct TelemetrySettings {
    /// Where the access log goes, one line of JSON for a request: `off`, `stdout`, `file:PATH`, `syslog`,
    /// `syslog:unix:PATH` or `syslog:udp://host:port`.
    #[arg(long, env = "GATEHOUSE_ACCESS_LOG", default_value = "stdout", value_name = "PLACE")]
    pub(crate) access_log: Destination,
    /// The share of requests in the access log, from 0 to 1; failures and refusals are always there.
    #[arg(long, env = "GATEHOUSE_ACCESS_LOG_SAMPLING", default_value = "1", value_name = "SHARE", value_parser = share)]
    pub(crate) access_log_sampling: f64,
    /// The share of requests that are traced when no trusted proxy decided, from 0 to 1.
    #[arg(long, env = "GATEHOUSE_TRACE_SAMPLING", default_value = "0", value_name = "SHARE", value_parser = share)]
    pub(crate) trace_sampling: f64,
    /// The OTLP receiver (gRPC) that traces are sent to; default is `OTEL_EXPORTER_OTLP_ENDPOINT`, and without both no
    /// trace is sent.
    #[arg(long, env = "GATEHOUSE_OTLP_ENDPOINT", hide_env_values = true, value_name = "URL", value_parser = site)]
    pub(crate) otlp_endpoint: Option<Url>,
}

/// Whether connections begin with a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyProtocolSetting {
    /// None does.
    Off,
    /// Those from trusted proxies do.
    Trusted,
}

/// The demo shop.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Demo")]
pub(crate) struct DemoSettings {
    /// Where the demo shop listens; several are separated by commas.
    #[arg(
        long = "listen",
        id = "demo_listen",
        env = "GATEHOUSE_DEMO_LISTEN",
        value_parser = address,
        default_value = "127.0.0.1:8090,127.0.0.1:8091",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    pub(crate) listen: Vec<SocketAddr>,
}

/// What the program writes about itself.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogSettings {
    /// Which messages: a level (`error`, `warn`, `info`, `debug`, `trace`), or levels by part of the program.
    #[arg(
        long,
        env = "GATEHOUSE_LOG",
        default_value = "info",
        value_name = "FILTER",
        global = true
    )]
    pub(crate) log: String,
    /// How they look.
    #[arg(long, env = "GATEHOUSE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT", global = true)]
    pub(crate) log_format: LogFormat,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Reads where to listen.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let address = text.trim().parse();
    address.map_err(|_| "must be an address with a port, such as 127.0.0.1:8001".to_owned())
}

/// Reads how browsers or clients get somewhere.
pub(crate) fn site(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| "must begin with http:// or https:// and name a host".to_owned())
}

fn key_brand(text: &str) -> Result<String, String> {
    let fits = (2..=8).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must be 2 to 8 lower-case letters or digits".to_owned())
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| "is neither a network like 10.0.0.0/8 nor an address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_brand_is_short_and_plain() {
        assert!(key_brand("gh").is_ok() && key_brand("acme2").is_ok());
        for wrong in ["g", "Gatehouse", "a_b", "waytoolong"] {
            assert!(key_brand(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_site_is_a_url_with_a_host() {
        assert!(site("https://console.example.com").is_ok() && site("http://[::1]:8001/base").is_ok());
        for wrong in ["localhost:8000", "console.example.com", "ftp://example.com", "http://"] {
            assert!(site(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_address_is_a_network_too() {
        assert_eq!(
            network("10.0.0.1").map(|network| network.to_string()),
            Ok("10.0.0.1/32".to_owned())
        );
        assert!(network("10.0.0.0/40").is_err());
    }
}
