//! Consumers: what gateways are told of one, with the grants of its application's subscriptions.

use std::collections::HashMap;

use model::account::DeveloperStatus;
use model::actor::Resource;
use model::application::ApplicationStatus;
use model::consumer::ConsumerSpec;
use model::id::{ConsumerGroupId, ConsumerId, ServiceId, SubscriptionId};
use model::plugin::PluginSpec;
use model::snapshot::{ConsumerRow, ConsumerStatus, Grant};
use model::{Code, Errors, Kind, Noun};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::change::Change;
use crate::error::{Dependant, Error, Result};
use crate::store::{self, Table, to_json};
use crate::{credentials, references};

impl Table for ConsumerSpec {
    const TABLE: &'static str = "consumers";
    const RESOURCE: Resource = Resource::Consumers;

    async fn check(
        connection: &mut PgConnection,
        id: Uuid,
        before: Option<&Self>,
        spec: &mut Self,
        errors: &mut Errors,
    ) -> Result<()> {
        let owned = sqlx::query_scalar!("select application_id from consumers where id = $1", id)
            .fetch_optional(connection)
            .await?
            .flatten();
        if owned.is_some() && before.is_some_and(|before| before.name != spec.name) {
            errors.add(
                "name",
                Code::Conflict,
                "belongs to an application and cannot be changed",
            );
        }
        Ok(())
    }

    async fn dependants(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Dependant>> {
        // One that was deleted needs nothing any more.
        let application = ("applications", "deleted_at is null and consumer_id");
        let mut all = references::dependants(connection, Kind::Application, application, id).await?;
        all.extend(references::dependants(connection, Kind::Credential, ("credentials", "consumer_id"), id).await?);
        all.extend(references::dependants(connection, Kind::Plugin, ("plugins", "consumer_id"), id).await?);
        Ok(all)
    }

    async fn publish(change: &mut Change, id: Uuid, spec: Option<&Self>) -> Result<()> {
        match spec {
            Some(spec) => publish_all(change, vec![(id, spec.clone())]).await,
            None => {
                change.publish(Kind::Consumer, id, None);
                Ok(())
            }
        }
    }
}

/// Deletes the consumer of an application that is deleted, with its keys and plugins. Whoever may delete the application
/// needs no right to these.
pub(crate) async fn delete_of_application(change: &mut Change, id: ConsumerId) -> Result<()> {
    for dependant in ConsumerSpec::dependants(change.connection(), id.0).await? {
        match dependant.kind {
            Kind::Credential => credentials::delete(change, dependant.id.into()).await?,
            Kind::Plugin => remove::<PluginSpec>(change, dependant.id).await?,
            _ => {}
        }
    }
    remove::<ConsumerSpec>(change, id.0).await
}

async fn remove<S: Table>(change: &mut Change, id: Uuid) -> Result<()> {
    match store::find::<S>(change.connection(), &id.to_string(), true).await? {
        Some(stored) => store::remove(change, &stored).await,
        None => Ok(()),
    }
}

/// Tells gateways about consumers again because something that their rows are made of changed. All take the rows in the
/// same order, so that none waits for one who waits for it.
pub(crate) async fn republish(change: &mut Change, ids: &[Uuid]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query!(
        "select id, spec from consumers where id = any($1) order by id for update",
        ids
    )
    .fetch_all(change.connection())
    .await?;
    let read = |spec| {
        serde_json::from_value(spec).map_err(|source| Error::Corrupt {
            what: Kind::Consumer.as_str(),
            source,
        })
    };
    let consumers = rows.into_iter().map(|row| Ok((row.id, read(row.spec)?)));
    let consumers = consumers.collect::<Result<Vec<(Uuid, ConsumerSpec)>>>()?;
    publish_all(change, consumers).await
}

async fn publish_all(change: &mut Change, consumers: Vec<(Uuid, ConsumerSpec)>) -> Result<()> {
    let ids: Vec<Uuid> = consumers.iter().map(|(id, _)| *id).collect();
    let applications = suspended(change.connection(), &ids).await?;
    let mut grants = grants(change.connection(), &ids).await?;
    for (id, spec) in consumers {
        let suspended = applications.get(&id);
        let status = match (spec.enabled, suspended) {
            (_, Some(true)) => ConsumerStatus::ApplicationSuspended,
            (false, _) => ConsumerStatus::Disabled,
            (true, _) => ConsumerStatus::Active,
        };
        let row = ConsumerRow {
            name: spec.name(),
            custom_id: spec.custom_id.clone(),
            status,
            grants: suspended.map(|_| grants.remove(&id).unwrap_or_default()),
        };
        change.publish(Kind::Consumer, id, Some(to_json(&row)?));
    }
    Ok(())
}

/// Of the consumers that belong to an application, whether it or its developer is suspended.
async fn suspended(connection: &mut PgConnection, consumers: &[Uuid]) -> Result<HashMap<Uuid, bool>> {
    let rows = sqlx::query!(
        r#"select applications.consumer_id as "consumer_id!", applications.status, developers.status as developer_status
           from applications join developers on developers.id = applications.developer_id
           where consumer_id = any($1)"#,
        consumers,
    )
    .fetch_all(connection)
    .await?;
    let suspended = rows.into_iter().map(|row| {
        let suspended = ApplicationStatus::parse(&row.status) != Some(ApplicationStatus::Active)
            || DeveloperStatus::parse(&row.developer_status) == Some(DeveloperStatus::Suspended);
        (row.consumer_id, suspended)
    });
    Ok(suspended.collect())
}

/// What the approved subscriptions of their applications let consumers call.
async fn grants(connection: &mut PgConnection, consumers: &[Uuid]) -> Result<HashMap<Uuid, Vec<Grant>>> {
    let rows = sqlx::query!(
        r#"select applications.consumer_id as "consumer_id!", subscriptions.id, subscriptions.plan_id,
                  array_agg(distinct apis.service_id order by apis.service_id) as "services!"
           from applications
           join subscriptions on subscriptions.application_id = applications.id
           join product_apis on product_apis.product_id = subscriptions.product_id
           join apis on apis.id = product_apis.api_id
           where applications.consumer_id = any($1) and subscriptions.state = 'approved'
           group by applications.consumer_id, subscriptions.id
           order by subscriptions.id"#,
        consumers,
    )
    .fetch_all(connection)
    .await?;
    let mut grants: HashMap<Uuid, Vec<Grant>> = HashMap::new();
    for row in rows {
        grants.entry(row.consumer_id).or_default().push(Grant {
            subscription: SubscriptionId(row.id),
            group: ConsumerGroupId(row.plan_id),
            services: row.services.into_iter().map(ServiceId).collect(),
        });
    }
    Ok(grants)
}
