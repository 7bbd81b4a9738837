//! A subscription: an application's use of a plan.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::{ApplicationId, PlanId, ProductId, SubscriptionId};
use crate::plan::Approval;
use time::OffsetDateTime;

/// Where a subscription is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// Waits for an administrator.
    Pending,
    /// Lets the application call.
    Approved,
    /// An administrator stopped it for now.
    Suspended,
    /// An administrator said no.
    Rejected,
    /// Ended for good.
    Cancelled,
}

impl SubscriptionState {
    const ALL: [Self; 5] = [
        Self::Pending,
        Self::Approved,
        Self::Suspended,
        Self::Rejected,
        Self::Cancelled,
    ];

    /// The state a subscription begins in.
    pub const fn requested(approval: Approval) -> Self {
        match approval {
            Approval::Auto => Self::Approved,
            Approval::Manual => Self::Pending,
        }
    }

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Suspended => "suspended",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word again.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether it still stands: at most one such subscription per application and product.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Approved | Self::Suspended)
    }

    /// An administrator says yes.
    pub fn approve(self) -> Option<Self> {
        (self == Self::Pending).then_some(Self::Approved)
    }

    /// An administrator says no.
    pub fn reject(self) -> Option<Self> {
        (self == Self::Pending).then_some(Self::Rejected)
    }

    /// An administrator stops it for now.
    pub fn suspend(self) -> Option<Self> {
        (self == Self::Approved).then_some(Self::Suspended)
    }

    /// An administrator lets it go on.
    pub fn resume(self) -> Option<Self> {
        (self == Self::Suspended).then_some(Self::Approved)
    }

    /// Either side ends it.
    pub fn cancel(self) -> Option<Self> {
        self.is_live().then_some(Self::Cancelled)
    }
}

/// A subscription as it is stored and answered.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Subscription {
    /// The id.
    pub id: SubscriptionId,
    /// Who uses the plan.
    pub application: ApplicationId,
    /// The plan.
    pub plan: PlanId,
    /// The product that the plan offers.
    pub product: ProductId,
    /// Where it is in its life.
    pub state: SubscriptionState,
    /// Counts the changes; also its `ETag`.
    pub version: i64,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_subscription_stays_ended() {
        for state in [SubscriptionState::Rejected, SubscriptionState::Cancelled] {
            assert!(!state.is_live());
            assert_eq!(
                (state.approve(), state.resume(), state.suspend(), state.cancel()),
                (None, None, None, None)
            );
        }
    }
}
