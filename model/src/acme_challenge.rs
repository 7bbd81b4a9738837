//! An ACME challenge: what every gateway answers while an authority finds out whether a name is ours (RFC 8555, section 8).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where an authority looks for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
pub enum ChallengeKind {
    /// Over HTTP on port 80 of the name, below `/.well-known/acme-challenge/` (RFC 8555, section 8.3).
    #[default]
    #[serde(rename = "http-01")]
    Http01,
    /// In the TLS handshake on port 443 of the name (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

impl ChallengeKind {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }
}

/// One challenge that waits for its authority. None of it is secret: whoever asks gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChallengeSpec {
    /// The name that is asked about.
    pub name: String,
    /// Where the authority looks.
    pub kind: ChallengeKind,
    /// What the authority calls it.
    pub token: String,
    /// The answer.
    pub key_authorization: String,
}
