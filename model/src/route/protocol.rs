//! How clients connect, and what kind of traffic a protocol stands for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::service::Scheme;
use crate::validation::{Code, Errors, unknown_word};

/// How a client may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Plain HTTP of every kind.
    Http,
    /// HTTP over TLS, of every kind.
    Https,
    /// gRPC without TLS.
    Grpc,
    /// gRPC over TLS.
    Grpcs,
    /// A WebSocket without TLS.
    Ws,
    /// A WebSocket over TLS.
    Wss,
    /// A TLS connection that is passed through unopened, by its server name.
    Tls,
    /// A TCP connection, by the port it came to.
    Tcp,
}

/// What an HTTP request is, beyond being one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// Nothing special.
    Plain,
    /// A call whose `content-type` begins with `application/grpc`.
    Grpc,
    /// The opening of a WebSocket.
    WebSocket,
}

/// Which of the gateway's indexes a protocol belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// HTTP requests.
    Http,
    /// TLS connections.
    Tls,
    /// TCP connections.
    Tcp,
}

impl Protocol {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 8] = [
        Self::Http,
        Self::Https,
        Self::Grpc,
        Self::Grpcs,
        Self::Ws,
        Self::Wss,
        Self::Tls,
        Self::Tcp,
    ];

    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Tls => "tls",
            Self::Tcp => "tcp",
        }
    }

    /// What it carries.
    pub const fn layer(self) -> Layer {
        match self {
            Self::Tls => Layer::Tls,
            Self::Tcp => Layer::Tcp,
            _ => Layer::Http,
        }
    }

    /// Whether the client's connection is encrypted.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs | Self::Wss | Self::Tls)
    }

    /// Whether a request of this kind that came by this scheme is one of the protocol.
    pub const fn takes(self, scheme: Scheme, kind: RequestKind) -> bool {
        let secure = matches!(scheme, Scheme::Https);
        match self {
            Self::Http => !secure,
            Self::Https => secure,
            Self::Grpc => !secure && matches!(kind, RequestKind::Grpc),
            Self::Grpcs => secure && matches!(kind, RequestKind::Grpc),
            Self::Ws => !secure && matches!(kind, RequestKind::WebSocket),
            Self::Wss => secure && matches!(kind, RequestKind::WebSocket),
            Self::Tls | Self::Tcp => false,
        }
    }

    /// Whether everything that comes by `other` comes by this one too.
    pub(super) fn covers(self, other: Self) -> bool {
        let whole = self == Self::Http || self == Self::Https;
        let same_layer = other.layer() == Layer::Http && self.is_secure() == other.is_secure();
        self == other || (whole && same_layer)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|protocol| protocol.as_str() == text);
        found.ok_or_else(|| unknown_word("protocol", text, &Self::ALL.map(Self::as_str)))
    }
}

/// Reads the protocols of a draft; none means plain and encrypted HTTP.
pub(super) fn validate(texts: &[String], errors: &mut Errors) -> Vec<Protocol> {
    if texts.is_empty() {
        return vec![Protocol::Http, Protocol::Https];
    }
    let protocols = super::validate::list("protocols", texts, Protocol::parse, errors);
    if let Some(first) = protocols.first() {
        for (index, other) in protocols.iter().enumerate() {
            if other.layer() != first.layer() {
                let message = format!(
                    "cannot stand beside `{}`: `tls` and `tcp` each need a route of their own",
                    first.as_str()
                );
                errors.add(format!("protocols.{index}"), Code::Conflict, message);
            }
        }
    }
    protocols
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_covers_what_it_takes() {
        let kinds = [RequestKind::Plain, RequestKind::Grpc, RequestKind::WebSocket];
        let requests: Vec<_> = [Scheme::Http, Scheme::Https]
            .into_iter()
            .flat_map(|scheme| kinds.map(|kind| (scheme, kind)))
            .collect();
        let http = || Protocol::ALL.into_iter().filter(|one| one.layer() == Layer::Http);
        for one in http() {
            for other in http() {
                let all = requests
                    .iter()
                    .filter(|(scheme, kind)| other.takes(*scheme, *kind))
                    .all(|(scheme, kind)| one.takes(*scheme, *kind));
                assert_eq!(one.covers(other), all, "{one:?} over {other:?}");
            }
        }
    }
}
