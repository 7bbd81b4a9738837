//! The rows that gateways follow.
//!
//! An entry is the state of one object as of a revision; a tombstone has no body. All entries with a revision
//! above the reader's are a delta; above zero they are a full load. The order within a revision has no meaning.

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
    /// Which kind of object: service, route, upstream, target, certificate, SNI, CA certificate, consumer, credential or
    /// plugin.
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
