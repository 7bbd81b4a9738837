//! What an operator decides about log and traces.

use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

/// What is written about requests, and where to.
#[derive(Debug, Clone, PartialEq)]
pub struct TelemetryConfig {
    /// Where the access log goes.
    pub access_log: Destination,
    /// The share of requests in it, from 0 to 1; failures and refusals are always there.
    pub access_log_sampling: f64,
    /// The share of requests that are traced when nobody before decided, from 0 to 1.
    pub trace_sampling: f64,
    /// The OTLP receiver that traces are sent to, over gRPC; without it none is.
    pub otlp_endpoint: Option<Url>,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            access_log: Destination::Off,
            access_log_sampling: 1.0,
            trace_sampling: 0.0,
            otlp_endpoint: None,
        }
    }
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// The end of a file, which may be moved away at any time.
    File(PathBuf),
    /// A syslog daemon.
    Syslog(Syslog),
}

/// How a syslog daemon is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Syslog {
    /// By a socket in the file system.
    Unix(PathBuf),
    /// By datagrams to `host:port`.
    Udp(String),
}

/// Where syslog listens on most systems.
const LOCAL_SYSLOG: &str = "/dev/log";

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "off" => Ok(Self::Off),
            None if text == "stdout" => Ok(Self::Stdout),
            None if text == "syslog" => Ok(Self::Syslog(Syslog::Unix(LOCAL_SYSLOG.into()))),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("syslog", place)) => syslog(place).map(Self::Syslog),
            _ => Err("must be off, stdout, file:PATH, syslog, syslog:unix:PATH or syslog:udp://host:port".to_owned()),
        }
    }
}

fn syslog(place: &str) -> Result<Syslog, String> {
    if let Some(path) = place.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        return Ok(Syslog::Unix(path.into()));
    }
    let address = place.strip_prefix("udp://").unwrap_or_default();
    let (host, port) = address.rsplit_once(':').unwrap_or_default();
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err("must name syslog as unix:PATH or udp://host:port".to_owned());
    }
    Ok(Syslog::Udp(address.to_owned()))
}

/// Reads a share: a number from 0 to 1.
pub fn share(text: &str) -> Result<f64, String> {
    let share = text.trim().parse().ok();
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_read_or_explained() {
        for (text, wanted) in [
            ("off", Destination::Off),
            ("stdout", Destination::Stdout),
            ("file:/var/log/a:b.log", Destination::File("/var/log/a:b.log".into())),
            ("syslog", Destination::Syslog(Syslog::Unix("/dev/log".into()))),
            (
                "syslog:unix:/run/log",
                Destination::Syslog(Syslog::Unix("/run/log".into())),
            ),
            (
                "syslog:udp://[::1]:514",
                Destination::Syslog(Syslog::Udp("[::1]:514".into())),
            ),
        ] {
            assert_eq!(text.parse(), Ok(wanted), "{text}");
        }
        for wrong in [
            "",
            "on",
            "file:",
            "syslog:",
            "syslog:udp://host",
            "syslog:tcp://h:1",
            "stdout:",
        ] {
            assert!(wrong.parse::<Destination>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_is_between_nothing_and_all() {
        assert_eq!(share("0.25"), Ok(0.25));
        for wrong in ["-0.1", "1.1", "NaN", "all", ""] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
