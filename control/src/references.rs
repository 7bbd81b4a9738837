//! References between objects: by id or by name on the way in, as dependants on the way out.

use model::acme_account::AcmeAccountSpec;
use model::api::ApiSpec;
use model::ca_certificate::CaCertificateSpec;
use model::certificate::CertificateSpec;
use model::consumer::ConsumerSpec;
use model::plugin::PluginSpec;
use model::route::RouteSpec;
use model::service::{ServiceSpec, Tls};
use model::sni::SniSpec;
use model::upstream::{TargetSpec, UpstreamSpec};
use model::{Code, Errors, Kind};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::change::Change;
use crate::error::{Dependant, Error, Result};
use crate::store::{self, Precondition};

/// The table of a kind whose objects others refer to.
pub(crate) fn table(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Service => Some("services"),
        Kind::Route => Some("routes"),
        Kind::Upstream => Some("upstreams"),
        Kind::Certificate => Some("certificates"),
        Kind::Sni => Some("snis"),
        Kind::CaCertificate => Some("ca_certificates"),
        Kind::AcmeAccount => Some("acme_accounts"),
        Kind::Consumer => Some("consumers"),
        Kind::ConsumerGroup => Some("consumer_groups"),
        Kind::Api => Some("apis"),
        Kind::Product => Some("products"),
        Kind::Plan => Some("plans"),
        _ => None,
    }
}

/// The id of an object that is named by id or name.
pub(crate) async fn find(connection: &mut PgConnection, kind: Kind, reference: &str) -> Result<Option<Uuid>> {
    let Some(table) = table(kind) else { return Ok(None) };
    let found = match reference.trim().parse::<Uuid>() {
        Ok(id) => {
            let sql = AssertSqlSafe(format!("select id from {table} where id = $1"));
            sqlx::query_scalar(sql).bind(id).fetch_optional(connection).await?
        }
        Err(_) => {
            let sql = AssertSqlSafe(format!("select id from {table} where name = $1"));
            sqlx::query_scalar(sql)
                .bind(reference.trim().to_owned())
                .fetch_optional(connection)
                .await?
        }
    };
    Ok(found)
}

/// Replaces the reference in one member of a draft by the id, or reports that there is no such object.
pub(crate) async fn resolve(
    connection: &mut PgConnection,
    kind: Kind,
    path: &str,
    reference: &mut Option<String>,
    errors: &mut Errors,
) -> Result<()> {
    let Some(text) = reference.as_mut().filter(|text| !text.trim().is_empty()) else {
        return Ok(());
    };
    match find(connection, kind, text).await? {
        Some(id) => *text = id.to_string(),
        None => {
            let shown: String = text.chars().take(64).collect();
            errors.add(
                path,
                Code::NotFound,
                format!("does not exist: there is no {kind} `{shown}`"),
            );
            *reference = None;
        }
    }
    Ok(())
}

/// Resolves the certificates that TLS settings name; `place` is what stands before their members' names.
pub(crate) async fn resolve_tls(
    connection: &mut PgConnection,
    place: &str,
    authorities: &mut [String],
    certificate: &mut Option<String>,
    errors: &mut Errors,
) -> Result<()> {
    for (index, authority) in authorities.iter_mut().enumerate() {
        let mut reference = Some(std::mem::take(authority));
        let path = format!("{place}ca_certificates.{index}");
        resolve(connection, Kind::CaCertificate, &path, &mut reference, errors).await?;
        *authority = reference.unwrap_or_default();
    }
    let path = format!("{place}client_certificate");
    resolve(connection, Kind::Certificate, &path, certificate, errors).await
}

/// Holds the certificates that TLS settings name. They stand in a list, which Postgres does not hold to be true by itself:
/// until the end of the change they cannot be deleted, and from then on what names them is in the way.
pub(crate) async fn hold_tls(connection: &mut PgConnection, place: &str, tls: &Tls, errors: &mut Errors) -> Result<()> {
    let authorities = &tls.ca_certificates;
    let certificate: Vec<Uuid> = tls.client_certificate.into_iter().collect();
    let held = sqlx::query_scalar!(
        "with authorities as (select id from ca_certificates where id = any($1) for key share),
                  certificate as (select id from certificates where id = any($2) for key share)
             select id as \"id!\" from authorities union all select id from certificate",
        authorities,
        &certificate,
    )
    .fetch_all(connection)
    .await?;
    let named = authorities.iter().enumerate();
    let named = named.map(|(index, id)| (format!("ca_certificates.{index}"), id));
    let named = named.chain(certificate.iter().map(|id| ("client_certificate".to_owned(), id)));
    for (member, id) in named.filter(|(_, id)| !held.contains(id)) {
        let message = format!("does not exist: there is no certificate `{id}`");
        errors.add(format!("{place}{member}"), Code::NotFound, message);
    }
    Ok(())
}

/// The objects of `kind` whose `column` refers to `id`.
pub(crate) async fn dependants(
    connection: &mut PgConnection,
    kind: Kind,
    (table, column): (&str, &str),
    id: Uuid,
) -> Result<Vec<Dependant>> {
    let sql = format!("select id, name from {table} where {column} = $1 order by name, id");
    let rows: Vec<(Uuid, String)> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_all(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, name)| Dependant { kind, id, name })
        .collect())
}

/// Deletes an object because one that it needs is deleted.
pub(crate) async fn delete(change: &mut Change, kind: Kind, id: Uuid) -> Result<()> {
    let (reference, any) = (id.to_string(), Precondition::default());
    let deleted = match kind {
        Kind::Service => store::delete::<ServiceSpec>(change, &reference, any, true).await,
        Kind::Route => store::delete::<RouteSpec>(change, &reference, any, true).await,
        Kind::Upstream => store::delete::<UpstreamSpec>(change, &reference, any, true).await,
        Kind::Target => store::delete::<TargetSpec>(change, &reference, any, true).await,
        Kind::Certificate => store::delete::<CertificateSpec>(change, &reference, any, true).await,
        Kind::Sni => store::delete::<SniSpec>(change, &reference, any, true).await,
        Kind::CaCertificate => store::delete::<CaCertificateSpec>(change, &reference, any, true).await,
        Kind::AcmeAccount => store::delete::<AcmeAccountSpec>(change, &reference, any, true).await,
        Kind::Consumer => store::delete::<ConsumerSpec>(change, &reference, any, true).await,
        Kind::Plugin => store::delete::<PluginSpec>(change, &reference, any, true).await,
        Kind::Api => store::delete::<ApiSpec>(change, &reference, any, true).await,
        Kind::Credential => crate::credentials::delete(change, id.into()).await,
        _ => Err(Error::Conflict(format!(
            "a {kind} is not deleted together with what it needs; delete it first"
        ))),
    };
    match deleted {
        // Two ways can lead to the same dependant: then the second finds it gone.
        Err(Error::NotFound { .. }) => Ok(()),
        other => other,
    }
}
