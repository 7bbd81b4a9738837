//! How a service is spoken to: the protocol, its version, and what goes before it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a connection is plain or encrypted.
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

/// What targets speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceProtocol {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// gRPC over plain HTTP/2.
    Grpc,
    /// gRPC over HTTP/2 with TLS.
    Grpcs,
}

impl ServiceProtocol {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Http, Self::Https, Self::Grpc, Self::Grpcs];
    /// Their words.
    pub const WORDS: [&'static str; 4] = ["http", "https", "grpc", "grpcs"];

    /// The word in JSON, and the scheme of its URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == text)
    }

    /// Whether its connections are plain or encrypted.
    pub const fn scheme(self) -> Scheme {
        match self {
            Self::Http | Self::Grpc => Scheme::Http,
            Self::Https | Self::Grpcs => Scheme::Https,
        }
    }

    /// Whether it is gRPC, which needs HTTP/2 and trailers.
    pub const fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }
}

/// The version of HTTP that targets are spoken to in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum HttpVersion {
    /// What TLS agrees on; HTTP/1.1 without TLS.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1.
    #[serde(rename = "1")]
    One,
    /// HTTP/2; without TLS by prior knowledge.
    #[serde(rename = "2")]
    Two,
}

/// Whether a target is told the client's address by the PROXY protocol, before anything else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocol {
    /// It is not.
    #[default]
    Off,
    /// In one line of text.
    V1,
    /// In binary.
    V2,
}
