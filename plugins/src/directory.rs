//! Who is known: the credentials and consumers of one snapshot, and the rules by which a credential is admitted.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use model::clock::Timestamp;
use model::credential::{CredentialStatus, KeySecret};
use model::id::{ConsumerId, CredentialId};
use model::reason::Reason;
use model::snapshot::{ConsumerRow, ConsumerStatus};

/// The credentials and consumers that a request sees.
pub trait Directory: Send + Sync {
    /// The credential that this key proves; `None` when there is none. One hash and one probe.
    fn find_key(&self, key: &KeySecret) -> Option<KeyMatch>;

    /// A consumer by its name.
    fn find_consumer(&self, name: &str) -> Option<Arc<Consumer>>;
}

/// A consumer with its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Consumer {
    /// The id.
    pub id: ConsumerId,
    /// The rest.
    pub row: ConsumerRow,
}

/// What decides whether a credential is admitted, and what services see of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    /// Where it is in its life.
    pub status: CredentialStatus,
    /// What services see as `X-Credential-Identifier`.
    pub identifier: String,
    /// Where it may be used from; empty means anywhere.
    pub ip_allow: Vec<IpNet>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A credential with its id, and the consumer it proves.
#[derive(Debug, Clone)]
pub struct KeyMatch {
    /// The id of the credential.
    pub id: CredentialId,
    /// The credential.
    pub credential: Credential,
    /// Whose it is.
    pub consumer: Arc<Consumer>,
}

/// Who calls.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The consumer.
    pub consumer: Arc<Consumer>,
    /// The credential that proved it; none for the anonymous consumer.
    pub credential: Option<CredentialId>,
    /// What services see as `X-Credential-Identifier`.
    pub credential_identifier: Option<String>,
}

impl Identity {
    /// Whether nobody proved anything, and the route's anonymous consumer stands in.
    pub fn is_anonymous(&self) -> bool {
        self.credential.is_none()
    }
}

impl KeyMatch {
    /// Admits the credential or says why not, in the order of the model: status, end, address, consumer.
    pub fn admit(self, now: Timestamp, client_ip: IpAddr) -> Result<Identity, Reason> {
        match self.credential.status {
            CredentialStatus::Active => {}
            CredentialStatus::Disabled => return Err(Reason::CredentialDisabled),
            CredentialStatus::Revoked => return Err(Reason::CredentialRevoked),
        }
        if self.credential.expires_at.is_some_and(|end| end <= now) {
            return Err(Reason::CredentialExpired);
        }
        let allowed = &self.credential.ip_allow;
        if !allowed.is_empty() && !allowed.iter().any(|network| network.contains(&client_ip)) {
            return Err(Reason::IpDenied);
        }
        match self.consumer.row.status {
            ConsumerStatus::Active => {}
            ConsumerStatus::Disabled => return Err(Reason::ConsumerDisabled),
            ConsumerStatus::ApplicationSuspended => return Err(Reason::ApplicationSuspended),
        }
        Ok(Identity {
            credential: Some(self.id),
            credential_identifier: Some(self.credential.identifier),
            consumer: self.consumer,
        })
    }
}
