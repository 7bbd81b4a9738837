//! What all stored objects have in common.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::validation::Errors;
use time::OffsetDateTime;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal / $plural:literal,)*) => {
        /// The kinds of object that history, audit and refusals speak of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant),*];

            /// The word in JSON and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Kind::$variant => $text,)* }
            }

            /// The last part of its URL.
            pub const fn plural(self) -> &'static str {
                match self { $(Kind::$variant => $plural,)* }
            }

            /// Reads the word again.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
            }
        }
    };
}

kinds! {
    /// An API behind the gateway.
    Service = "service" / "services",
    /// A match rule that leads to a service.
    Route = "route" / "routes",
    /// A named pool of targets.
    Upstream = "upstream" / "upstreams",
    /// One address in an upstream.
    Target = "target" / "targets",
    /// A certificate chain with its key.
    Certificate = "certificate" / "certificates",
    /// A name that clients ask for in the TLS handshake.
    Sni = "sni" / "snis",
    /// An authority that signs client certificates.
    CaCertificate = "ca_certificate" / "ca-certificates",
    /// An account with a certificate authority that speaks ACME.
    AcmeAccount = "acme_account" / "acme-accounts",
    /// What gateways answer to an authority that asks whether a name is ours.
    AcmeChallenge = "acme_challenge" / "acme-challenges",
    /// An identity that the data plane sees.
    Consumer = "consumer" / "consumers",
    /// Consumers that share plugins.
    ConsumerGroup = "consumer_group" / "consumer-groups",
    /// Proof of a consumer.
    Credential = "credential" / "credentials",
    /// The use of a plugin at a scope.
    Plugin = "plugin" / "plugins",
    /// An entry of the catalogue.
    Api = "api" / "apis",
    /// A bundle of APIs on offer.
    Product = "product" / "products",
    /// Limits and terms of a product.
    Plan = "plan" / "plans",
    /// A developer's program.
    Application = "application" / "applications",
    /// An application's use of a plan.
    Subscription = "subscription" / "subscriptions",
    /// A person who runs Gatehouse.
    Admin = "admin" / "admins",
    /// A person who uses the portal.
    Developer = "developer" / "developers",
    /// A token for automation.
    ApiToken = "api_token" / "api-tokens",
    /// Somebody who is signed in.
    Session = "session" / "sessions",
    /// An outgoing mail.
    Mail = "mail" / "mails",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api => f.write_str("API"),
            Self::ApiToken => f.write_str("API token"),
            Self::Sni => f.write_str("SNI"),
            Self::CaCertificate => f.write_str("CA certificate"),
            Self::AcmeAccount => f.write_str("ACME account"),
            Self::AcmeChallenge => f.write_str("ACME challenge"),
            other => f.write_str(&other.as_str().replace('_', " ")),
        }
    }
}

/// A noun whose specs are stored: what the store needs to know of every one of them.
pub trait Noun: Serialize + DeserializeOwned + Clone + Send + Sync + Unpin + 'static {
    /// Its typed id.
    type Id: From<Uuid> + Into<Uuid> + Copy + Send + Sync + fmt::Display + fmt::Debug + Serialize;
    /// Its unvalidated form; a spec serialises to JSON that this draft reads back unchanged.
    type Draft: crate::draft::Draft + Clone + Send + Sync;
    /// Which kind it is.
    const KIND: Kind;

    /// Checks a draft whose references to other objects were already resolved to ids.
    fn validate(draft: &Self::Draft, errors: &mut Errors) -> Option<Self>;

    /// What people call this object; unique within the kind (nouns without a name give a natural key).
    fn name(&self) -> String;

    /// Its tags.
    fn tags(&self) -> &[String];

    /// Whether it takes effect.
    fn enabled(&self) -> bool;

    /// The words that a substring search finds it by, besides name and tags.
    fn search_terms(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A spec as it is stored and answered: with its id, lock version and times.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Stored<S: Noun> {
    /// The id, a UUID version 7.
    #[schema(value_type = Uuid)]
    pub id: S::Id,
    /// The object itself.
    #[serde(flatten)]
    pub spec: S,
    /// Counts the changes of this object; also its `ETag`.
    pub version: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}
