//! Consumers: what gateways are told of one, with the grants of its application's subscriptions.

use std::collections::BTreeMap;

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
use crate::error::{Dependant, Result};
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
        let row = match spec {
            Some(spec) => Some(to_json(&row(change.connection(), id, spec).await?)?),
            None => None,
        };
        change.publish(Kind::Consumer, id, row);
        Ok(())
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

/// Tells gateways about a consumer again because something that its row is made of changed.
pub(crate) async fn republish(change: &mut Change, id: Uuid) -> Result<()> {
    let Some(stored) = store::find::<ConsumerSpec>(change.connection(), &id.to_string(), true).await? else {
        return Ok(());
    };
    ConsumerSpec::publish(change, id, Some(&stored.spec)).await
}

async fn row(connection: &mut PgConnection, id: Uuid, spec: &ConsumerSpec) -> Result<ConsumerRow> {
    let application = sqlx::query!(
        "select applications.id, applications.status, developers.status as developer_status
         from applications join developers on developers.id = applications.developer_id where consumer_id = $1",
        id,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let suspended = application.as_ref().is_some_and(|row| {
        ApplicationStatus::parse(&row.status) != Some(ApplicationStatus::Active)
            || DeveloperStatus::parse(&row.developer_status) == Some(DeveloperStatus::Suspended)
    });
    let status = match (spec.enabled, suspended) {
        (_, true) => ConsumerStatus::ApplicationSuspended,
        (false, _) => ConsumerStatus::Disabled,
        (true, false) => ConsumerStatus::Active,
    };
    let grants = match application {
        Some(application) => Some(grants(connection, application.id).await?),
        None => None,
    };
    Ok(ConsumerRow {
        name: spec.name(),
        custom_id: spec.custom_id.clone(),
        status,
        grants,
    })
}

/// What the approved subscriptions of an application let it call.
async fn grants(connection: &mut PgConnection, application: Uuid) -> Result<Vec<Grant>> {
    let rows = sqlx::query!(
        "select subscriptions.id, subscriptions.plan_id, apis.service_id
         from subscriptions
         join product_apis on product_apis.product_id = subscriptions.product_id
         join apis on apis.id = product_apis.api_id
         where subscriptions.application_id = $1 and subscriptions.state = 'approved'
         order by subscriptions.id, apis.service_id",
        application,
    )
    .fetch_all(connection)
    .await?;
    let mut grants: BTreeMap<Uuid, Grant> = BTreeMap::new();
    for row in rows {
        let grant = grants.entry(row.id).or_insert_with(|| Grant {
            subscription: SubscriptionId(row.id),
            group: ConsumerGroupId(row.plan_id),
            services: Vec::new(),
        });
        let service = ServiceId(row.service_id);
        if !grant.services.contains(&service) {
            grant.services.push(service);
        }
    }
    Ok(grants.into_values().collect())
}
