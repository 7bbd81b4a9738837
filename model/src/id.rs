//! Typed identifiers, so that the id of one noun cannot be passed where another is meant.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = Uuid)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id; version 7, so that ids sort by the time they were made.
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }
        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// Identifies a service.
    ServiceId,
    /// Identifies a route.
    RouteId,
    /// Identifies an upstream.
    UpstreamId,
    /// Identifies a target of an upstream.
    TargetId,
    /// Identifies a certificate with its key.
    CertificateId,
    /// Identifies a name that clients ask for in the TLS handshake.
    SniId,
    /// Identifies the certificate of an authority that signs client certificates.
    CaCertificateId,
    /// Identifies an account with a certificate authority.
    AcmeAccountId,
    /// Identifies a consumer.
    ConsumerId,
    /// Identifies a consumer group.
    ConsumerGroupId,
    /// Identifies a credential.
    CredentialId,
    /// Identifies a plugin instance.
    PluginId,
    /// Identifies an API of the catalogue.
    ApiId,
    /// Identifies a product.
    ProductId,
    /// Identifies a plan.
    PlanId,
    /// Identifies an application.
    ApplicationId,
    /// Identifies a subscription.
    SubscriptionId,
    /// Identifies an administrator.
    AdminId,
    /// Identifies a developer.
    DeveloperId,
    /// Identifies an API token.
    TokenId,
    /// Identifies a running gateway.
    GatewayId,
}
