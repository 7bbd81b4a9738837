//! Subscriptions: an application's use of a plan. An approved one lets the application call, on the next request.

use model::actor::{Action, Actor, Identity, Resource};
use model::application::Application;
use model::clock::Timestamp;
use model::id::{ApplicationId, PlanId, ProductId, SubscriptionId};
use model::plan::{PlanSpec, PlanState};
use model::subscription::{Subscription, SubscriptionState};
use model::{Code, Kind};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::applications;
use crate::change::{Change, ChangeRecord};
use crate::error::{Error, Result};
use crate::list::{ListQuery, Page};
use crate::mail::{self, templates};
use crate::store::{self, Precondition, to_json};
use crate::{Control, authorize, catalogue, consumers};

/// A subscription with the names that people read.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NamedSubscription {
    /// The subscription.
    #[serde(flatten)]
    pub subscription: Subscription,
    /// What its application is called.
    pub application_name: String,
    /// What its plan is called.
    pub plan_title: String,
    /// What its product is called.
    pub product_title: String,
    /// The address of the developer.
    pub developer_email: String,
}

struct Row {
    id: Uuid,
    application_id: Uuid,
    plan_id: Uuid,
    product_id: Uuid,
    state: String,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
    application_name: String,
    plan_title: String,
    product_title: String,
    developer_email: String,
}

impl From<Row> for NamedSubscription {
    fn from(row: Row) -> Self {
        let subscription = Subscription {
            id: SubscriptionId(row.id),
            application: ApplicationId(row.application_id),
            plan: PlanId(row.plan_id),
            product: ProductId(row.product_id),
            // An unknown word must not open a door.
            state: SubscriptionState::parse(&row.state).unwrap_or(SubscriptionState::Suspended),
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        Self {
            subscription,
            application_name: row.application_name,
            plan_title: row.plan_title,
            product_title: row.product_title,
            developer_email: row.developer_email,
        }
    }
}

/// Subscriptions, newest first; filters: `application`, `plan`, `product` (ids) and `state`. Developers see their own.
pub async fn list(control: &Control, actor: &Actor, query: &ListQuery) -> Result<Page<NamedSubscription>> {
    let owner = match actor.identity {
        Identity::Developer(id) => Some(id.0),
        _ => {
            authorize(actor, Resource::Applications, Action::Read)?;
            None
        }
    };
    let [application, plan, product] = [
        query.uuid_filter("application")?,
        query.uuid_filter("plan")?,
        query.uuid_filter("product")?,
    ];
    let (pattern, cursor) = (query.pattern(), query.cursor_id(control)?);
    let rows = sqlx::query_as!(
        Row,
        r#"select s.id, s.application_id, s.plan_id, s.product_id, s.state, s.version, s.created_at, s.updated_at,
                  a.name as application_name, p.spec->>'title' as "plan_title!", r.spec->>'title' as "product_title!",
                  d.email as developer_email
           from subscriptions s
           join applications a on a.id = s.application_id
           join developers d on d.id = a.developer_id
           join plans p on p.id = s.plan_id
           join products r on r.id = s.product_id
           where ($1::uuid is null or a.developer_id = $1) and ($2::uuid is null or s.application_id = $2)
             and ($3::uuid is null or s.plan_id = $3) and ($4::uuid is null or s.product_id = $4)
             and ($5::text is null or s.state = $5) and ($6::text is null or a.name ilike $6 or d.email ilike $6)
             and ($7::uuid is null or s.id < $7)
           order by s.id desc limit $8"#,
        owner,
        application,
        plan,
        product,
        query.filter("state"),
        pattern,
        cursor,
        query.limit + 1,
    )
    .fetch_all(control.pool())
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!" from subscriptions s
           join applications a on a.id = s.application_id
           join developers d on d.id = a.developer_id
           where ($1::uuid is null or a.developer_id = $1) and ($2::uuid is null or s.application_id = $2)
             and ($3::uuid is null or s.plan_id = $3) and ($4::uuid is null or s.product_id = $4)
             and ($5::text is null or s.state = $5) and ($6::text is null or a.name ilike $6 or d.email ilike $6)"#,
        owner,
        application,
        plan,
        product,
        query.filter("state"),
        pattern,
    )
    .fetch_one(control.pool())
    .await?;
    Ok(query
        .page_by_id(control, rows, total, |row| row.id)
        .map(NamedSubscription::from))
}

/// One subscription; to a developer another's does not exist.
pub async fn get(control: &Control, actor: &Actor, id: SubscriptionId) -> Result<NamedSubscription> {
    let mut connection = control.pool().acquire().await?;
    let subscription = find(&mut connection, id).await?;
    drop(connection);
    applications::get(control, actor, subscription.subscription.application)
        .await
        .map_err(|error| match error {
            Error::NotFound { .. } => Error::not_found(Kind::Subscription, id),
            other => other,
        })?;
    Ok(subscription)
}

async fn find(connection: &mut PgConnection, id: SubscriptionId) -> Result<NamedSubscription> {
    sqlx::query_as!(
        Row,
        r#"select s.id, s.application_id, s.plan_id, s.product_id, s.state, s.version, s.created_at, s.updated_at,
                  a.name as application_name, p.spec->>'title' as "plan_title!", r.spec->>'title' as "product_title!",
                  d.email as developer_email
           from subscriptions s
           join applications a on a.id = s.application_id
           join developers d on d.id = a.developer_id
           join plans p on p.id = s.plan_id
           join products r on r.id = s.product_id
           where s.id = $1"#,
        id.0,
    )
    .fetch_optional(connection)
    .await?
    .map(NamedSubscription::from)
    .ok_or_else(|| Error::not_found(Kind::Subscription, id))
}

/// A subscription with its application, for one who may change it, both held until the change ends. The application comes
/// first, as in every change that takes both: then none waits for one who waits for it.
async fn find_for_write(change: &mut Change, id: SubscriptionId) -> Result<(NamedSubscription, Application)> {
    let found = find(change.connection(), id).await?;
    let application = applications::find_for_write(change, found.subscription.application, Precondition::default());
    let application = application.await.map_err(|error| match error {
        Error::NotFound { .. } => Error::not_found(Kind::Subscription, id),
        other => other,
    })?;
    sqlx::query!("select id from subscriptions where id = $1 for update", id.0)
        .fetch_optional(change.connection())
        .await?;
    // It may have been changed while it was waited for.
    Ok((find(change.connection(), id).await?, application))
}

/// Asks for a plan. Where no approval is needed the application may call at once.
pub async fn request(change: &mut Change, application: ApplicationId, plan: &str) -> Result<NamedSubscription> {
    let application = applications::find_for_write(change, application, Precondition::default()).await?;
    let found = store::find::<PlanSpec>(change.connection(), plan, false).await?;
    let by_developer = matches!(change.actor().identity, Identity::Developer(_));
    // A plan in staging is the administrators' own business: to developers it does not exist.
    let found = found.filter(|plan| !by_developer || plan.spec.state != PlanState::Staging);
    let plan = found.ok_or_else(|| Error::field("plan", Code::NotFound, "does not exist"))?;
    if by_developer && plan.spec.state != PlanState::Published {
        return Err(Error::field("plan", Code::Conflict, "takes no new subscriptions"));
    }
    let standing = sqlx::query_scalar!(
        "select id from subscriptions
         where application_id = $1 and product_id = $2 and state in ('pending', 'approved', 'suspended')",
        application.id.0,
        plan.spec.product.0,
    )
    .fetch_optional(change.connection())
    .await?;
    if standing.is_some() {
        return Err(Error::Conflict(
            "the application has a subscription to this product already; cancel it first".to_owned(),
        ));
    }
    let state = SubscriptionState::requested(plan.spec.approval);
    if state == SubscriptionState::Approved {
        catalogue::hold(change, plan.spec.product.0).await?;
    }
    let (id, now) = (SubscriptionId::generate(), change.now());
    sqlx::query!(
        "insert into subscriptions (id, application_id, plan_id, product_id, state, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $6)",
        id.0,
        application.id.0,
        plan.id.0,
        plan.spec.product.0,
        state.as_str(),
        now,
    )
    .execute(change.connection())
    .await?;
    let subscription = find(change.connection(), id).await?;
    note(change, None, &subscription)?;
    if state == SubscriptionState::Approved {
        consumers::republish(change, &[application.consumer.0]).await?;
    }
    Ok(subscription)
}

/// An administrator says yes; the developer is told.
pub async fn approve(change: &mut Change, id: SubscriptionId) -> Result<NamedSubscription> {
    decide(change, id, "approved", SubscriptionState::approve).await
}

/// An administrator says no; the developer is told.
pub async fn reject(change: &mut Change, id: SubscriptionId) -> Result<NamedSubscription> {
    decide(change, id, "rejected", SubscriptionState::reject).await
}

/// An administrator stops it for now; the developer is told.
pub async fn suspend(change: &mut Change, id: SubscriptionId) -> Result<NamedSubscription> {
    decide(change, id, "suspended", SubscriptionState::suspend).await
}

/// An administrator lets it go on; the developer is told.
pub async fn resume(change: &mut Change, id: SubscriptionId) -> Result<NamedSubscription> {
    decide(change, id, "resumed", SubscriptionState::resume).await
}

/// Ends it for good; its developer may do that too.
pub async fn cancel(change: &mut Change, id: SubscriptionId) -> Result<NamedSubscription> {
    let (before, application) = find_for_write(change, id).await?;
    let by_developer = matches!(change.actor().identity, Identity::Developer(_));
    if by_developer && before.subscription.state == SubscriptionState::Suspended {
        // Else a new subscription would undo what an administrator decided.
        return Err(Error::Conflict(
            "an operator suspended this subscription; ask them about it".to_owned(),
        ));
    }
    turn(change, before, &application, SubscriptionState::cancel, "cancelled").await
}

/// Ends all that still stand, because their application goes.
pub(crate) async fn cancel_all(change: &mut Change, application: ApplicationId) -> Result<()> {
    let standing = sqlx::query_scalar!(
        "select id from subscriptions
         where application_id = $1 and state in ('pending', 'approved', 'suspended') order by id",
        application.0,
    )
    .fetch_all(change.connection())
    .await?;
    for id in standing {
        cancel(change, SubscriptionId(id)).await?;
    }
    Ok(())
}

async fn decide(
    change: &mut Change,
    id: SubscriptionId,
    done: &str,
    next: fn(SubscriptionState) -> Option<SubscriptionState>,
) -> Result<NamedSubscription> {
    change.authorize(Resource::Applications, Action::Write)?;
    let (before, application) = find_for_write(change, id).await?;
    let after = turn(change, before, &application, next, done).await?;
    let message = templates::subscription(&after, done, &change.control().settings().portal_url);
    let now = change.now();
    mail::enqueue(change.connection(), now, &after.developer_email, &message).await?;
    Ok(after)
}

async fn turn(
    change: &mut Change,
    before: NamedSubscription,
    application: &Application,
    next: fn(SubscriptionState) -> Option<SubscriptionState>,
    done: &str,
) -> Result<NamedSubscription> {
    let state = before.subscription.state;
    let next = next(state)
        .ok_or_else(|| Error::Conflict(format!("a subscription that is {} cannot be {done}", state.as_str())))?;
    if next == SubscriptionState::Approved {
        catalogue::hold(change, before.subscription.product.0).await?;
    }
    let (id, now) = (before.subscription.id, change.now());
    sqlx::query!(
        "update subscriptions set state = $2, version = version + 1, updated_at = $3 where id = $1",
        id.0,
        next.as_str(),
        now,
    )
    .execute(change.connection())
    .await?;
    let after = find(change.connection(), id).await?;
    note(change, Some(&before), &after)?;
    consumers::republish(change, &[application.consumer.0]).await?;
    Ok(after)
}

fn note(change: &mut Change, before: Option<&NamedSubscription>, after: &NamedSubscription) -> Result<()> {
    let state = |subscription: &NamedSubscription| to_json(&subscription.subscription);
    change.record(ChangeRecord {
        kind: Kind::Subscription,
        id: after.subscription.id.0,
        name: format!("{} on {}", after.application_name, after.plan_title),
        before: before.map(state).transpose()?,
        after: Some(state(after)?),
    });
    Ok(())
}
