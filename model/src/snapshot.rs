//! The rows that gateways follow.
//!
//! An entry is the state of one object as of a revision; a tombstone has no body. All entries with a revision
//! above the reader's are a delta; above zero they are a full load. The order within a revision has no meaning.

use std::borrow::Cow;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::credential::{CredentialKind, CredentialStatus};
use crate::id::{ConsumerGroupId, ConsumerId, ServiceId, SubscriptionId};
use crate::noun::Kind;

/// One row of the feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Which kind of object: service, route, upstream, target, certificate, SNI, CA certificate, ACME challenge, consumer,
    /// credential or plugin.
    pub kind: Kind,
    /// Which object.
    pub id: Uuid,
    /// The revision that last changed it.
    pub revision: i64,
    /// Its state; absent when it was deleted. Consumers and credentials are the rows below, everything else
    /// is its spec; the keys of certificates in it are sealed.
    pub body: Option<Value>,
}

/// What a gateway knows of a consumer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsumerRow {
    /// Its name.
    pub name: String,
    /// Its owner's identifier for it.
    pub custom_id: Option<String>,
    /// Whether its credentials are accepted.
    pub status: ConsumerStatus,
    /// What it may call; `None` for consumers that administrators made, which may call everything.
    pub grants: Option<Vec<Grant>>,
}

/// Whether a consumer's credentials are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsumerStatus {
    /// They are.
    Active,
    /// An administrator disabled it.
    Disabled,
    /// Its application is suspended.
    ApplicationSuspended,
}

/// The right of an application to call the services of a product, under the limits of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// The subscription that gives it.
    pub subscription: SubscriptionId,
    /// The group of the plan.
    pub group: ConsumerGroupId,
    /// The services it covers.
    pub services: Vec<ServiceId>,
}

/// What a gateway knows of a credential: never the secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CredentialRow {
    /// Whose it is.
    pub consumer: ConsumerId,
    /// Which proof it is.
    pub kind: CredentialKind,
    /// HMAC-SHA-256 of the key under the pepper, in lower-case hexadecimal.
    pub hash: String,
    /// What services see as `X-Credential-Identifier`: the readable beginning of the key.
    pub identifier: String,
    /// Where it is in its life.
    pub status: CredentialStatus,
    /// Where it may be used from; empty means anywhere.
    pub ip_allow: Vec<IpNet>,
    /// The earlier of its own end and the end of its rotation.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<Timestamp>,
}

/// A [`CredentialRow`] as a gateway reads it, of which there are very many: its texts are those of the JSON.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CredentialRef<'a> {
    /// Whose it is.
    pub consumer: ConsumerId,
    /// Which proof it is.
    pub kind: CredentialKind,
    /// HMAC-SHA-256 of the key under the pepper, in lower-case hexadecimal.
    #[serde(borrow)]
    pub hash: Cow<'a, str>,
    /// What services see as `X-Credential-Identifier`.
    #[serde(borrow)]
    pub identifier: Cow<'a, str>,
    /// Where it is in its life.
    pub status: CredentialStatus,
    /// Where it may be used from; empty means anywhere.
    pub ip_allow: Vec<IpNet>,
    /// The earlier of its own end and the end of its rotation.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_read_as_it_was_written() {
        for identifier in ["gh_live_7f3k", "a \"quoted\" one"] {
            let row = CredentialRow {
                consumer: ConsumerId::generate(),
                kind: CredentialKind::Key,
                hash: "00ff".to_owned(),
                identifier: identifier.to_owned(),
                status: CredentialStatus::Disabled,
                ip_allow: vec!["10.0.0.0/8".parse().expect("a network")],
                expires_at: Some(Timestamp::UNIX_EPOCH),
            };
            let text = serde_json::to_string(&row).expect("json");
            let read: CredentialRef<'_> = serde_json::from_str(&text).expect("a credential");
            assert_eq!(
                (read.consumer, read.kind, read.status),
                (row.consumer, row.kind, row.status)
            );
            assert_eq!((read.hash, read.identifier), (row.hash.into(), row.identifier.into()));
            assert_eq!((read.ip_allow, read.expires_at), (row.ip_allow, row.expires_at));
        }
    }
}
