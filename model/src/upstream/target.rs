//! A target: one address of an upstream, with a weight.

use serde::{Deserialize, Serialize};
use url::Host;
use utoipa::ToSchema;

use crate::id::{TargetId, UpstreamId};
use crate::name::validate_tags;
use crate::noun::{Kind, Noun};
use crate::validation::{Code, Errors};

/// The greatest weight.
const MAX_WEIGHT: u16 = 1000;
/// What the names of services in DNS begin with.
const SRV: &str = "srv:";

crate::draft! {
    /// A target as it is sent.
    pub struct TargetDraft {
        /// Id or name of the upstream it belongs to.
        pub upstream: Option<String>,
        /// Host name or IP address with port, IPv6 in brackets; or `srv:` and the name of SRV records.
        #[schema(example = "10.0.4.12:8080")]
        pub address: Option<String>,
        /// Its share of the traffic relative to the others, 0 to 1000; default 100. With 0 it gets none.
        pub weight: Option<u16>,
        /// Whether it gets no new requests while those in flight end; default false.
        pub drain: Option<bool>,
        /// Labels to find and group by.
        pub tags: Vec<String>,
        /// Whether it serves; default true.
        pub enabled: Option<bool>,
    }
}

/// A valid target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetSpec {
    /// The upstream it belongs to.
    pub upstream: UpstreamId,
    /// Host name or IP address with port, or `srv:` and the name of SRV records.
    #[schema(value_type = String)]
    pub address: Address,
    /// Its share of the traffic.
    pub weight: u16,
    /// Whether it gets no new requests.
    #[serde(default)]
    pub drain: bool,
    /// Labels.
    pub tags: Vec<String>,
    /// Whether it serves.
    pub enabled: bool,
}

impl Noun for TargetSpec {
    type Id = TargetId;
    type Draft = TargetDraft;
    const KIND: Kind = Kind::Target;

    fn validate(draft: &TargetDraft, errors: &mut Errors) -> Option<Self> {
        let upstream = match draft.upstream.as_deref().filter(|text| !text.trim().is_empty()) {
            None => {
                errors.add(
                    "upstream",
                    Code::Required,
                    "is required: the id or name of its upstream",
                );
                None
            }
            Some(text) => text
                .parse()
                .map_err(|_| errors.add("upstream", Code::Invalid, "must be an id"))
                .ok(),
        };
        let address = match draft.address.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            None => {
                errors.add("address", Code::Required, "is required, like `10.0.4.12:8080`");
                None
            }
            Some(text) => Address::parse(text)
                .map_err(|message| errors.add("address", Code::Invalid, message))
                .ok(),
        };
        let weight = draft.weight.unwrap_or(100);
        if weight > MAX_WEIGHT {
            errors.add("weight", Code::OutOfRange, format!("must be 0 to {MAX_WEIGHT}"));
        }
        let tags = validate_tags(&draft.tags, errors);
        Some(Self {
            upstream: upstream?,
            address: address?,
            weight,
            drain: draft.drain.unwrap_or(false),
            tags,
            enabled: draft.enabled.unwrap_or(true),
        })
    }

    fn name(&self) -> String {
        format!("{}/{}", self.upstream, self.address.as_str())
    }

    fn tags(&self) -> &[String] {
        &self.tags
    }

    fn enabled(&self) -> bool {
        self.enabled
    }

    fn search_terms(&self) -> Vec<String> {
        vec![self.address.as_str().to_owned()]
    }
}

/// A host with a port, or the name of SRV records that have both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

impl Address {
    /// Reads `host:port` or `srv:_service._proto.name`; the error is a sentence for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix(SRV) {
            return Self::parse_srv(name);
        }
        if text.contains('/') {
            return Err("must be `host:port` without scheme and path".to_owned());
        }
        let (host, port) = text.rsplit_once(':').ok_or("has no port; write `host:port`")?;
        let host = Host::parse(host).map_err(|_| "has no valid host; IPv6 addresses stand in brackets".to_owned())?;
        match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok(Self(format!("{host}:{port}"))),
            _ => Err("needs a port from 1 to 65535".to_owned()),
        }
    }

    fn parse_srv(name: &str) -> Result<Self, String> {
        let label = |label: &str| {
            let known = label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            known && (1..=63).contains(&label.len())
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if name.len() > 250 || name.split('.').count() < 2 || !name.split('.').all(label) {
            return Err("must be `srv:` and a name in DNS, like `srv:_http._tcp.orders.internal`".to_owned());
        }
        Ok(Self(format!("{SRV}{name}")))
    }

    /// The name of its SRV records, when it is such a name.
    pub fn srv(&self) -> Option<&str> {
        self.0.strip_prefix(SRV)
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host part, IPv6 without brackets; the whole name of SRV records.
    pub fn host(&self) -> &str {
        if let Some(name) = self.srv() {
            return name;
        }
        let host = self.0.rsplit_once(':').map_or(self.0.as_str(), |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl TryFrom<String> for Address {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_host_and_port() {
        for text in [
            "10.0.4.12:8080",
            "api.internal:80",
            "[::1]:9000",
            "srv:_http._tcp.api.internal",
        ] {
            assert_eq!(Address::parse(text).expect(text).as_str(), text);
        }
        for text in [
            "10.0.4.12",
            "x:0",
            "x:99999",
            "http://x:80",
            ":80",
            "::1:80/",
            "srv:",
            "srv:a b.c",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
