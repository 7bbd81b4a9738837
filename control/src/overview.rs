//! How much of everything there is, for the first page of the console.

use model::actor::{Action, Actor, Resource};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Result;
use crate::{Control, authorize};

/// How many objects there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    /// Services.
    pub services: i64,
    /// Routes.
    pub routes: i64,
    /// Consumers.
    pub consumers: i64,
    /// Credentials that are not revoked.
    pub credentials: i64,
    /// Developers.
    pub developers: i64,
    /// Applications.
    pub applications: i64,
    /// Subscriptions that wait for an administrator.
    pub pending_subscriptions: i64,
}

/// Counts everything.
pub async fn counts(control: &Control, actor: &Actor) -> Result<Counts> {
    authorize(actor, Resource::Usage, Action::Read)?;
    let counts = sqlx::query_as!(
        Counts,
        r#"select (select count(*) from services) as "services!", (select count(*) from routes) as "routes!",
                  (select count(*) from consumers) as "consumers!",
                  (select count(*) from credentials where status <> 'revoked') as "credentials!",
                  (select count(*) from developers) as "developers!",
                  (select count(*) from applications where deleted_at is null) as "applications!",
                  (select count(*) from subscriptions where state = 'pending') as "pending_subscriptions!""#
    )
    .fetch_one(control.pool())
    .await?;
    Ok(counts)
}
