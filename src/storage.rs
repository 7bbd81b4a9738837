//! The database of a deployment: a given one, or one that the program brings up itself.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use control::MIGRATOR;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgPool};

use crate::settings::StateSettings;

/// How long opening a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a server that is starting up is asked again.
const LOOK: Duration = Duration::from_millis(100);
/// What a server says that is starting up, or stopping.
const CANNOT_CONNECT_NOW: &str = "57P03";
/// Connections that control may hold.
const CONNECTIONS: u32 = 16;

/// A database in use, with its server when the program runs it.
pub(crate) struct Storage {
    /// How others in the program reach it.
    pub(crate) url: String,
    options: PgConnectOptions,
    server: Option<database::Server>,
}

impl Storage {
    /// Finds the database, and brings up an embedded one when none is given, which is said by `say`.
    pub(crate) async fn open(settings: &StateSettings, say: fn(&str)) -> Result<Self> {
        if let Some(url) = &settings.database_url {
            return Ok(Self {
                url: url.clone(),
                options: options(url)?,
                server: None,
            });
        }
        let directory = settings.data_dir.join("postgres");
        let server = database::Server::start(&directory)
            .await
            .context("the embedded Postgres did not start")?;
        say(&format!("Postgres is up, its data is in {}", directory.display()));
        Ok(Self {
            url: server.url().to_owned(),
            options: options(server.url())?,
            server: Some(server),
        })
    }

    /// Whether the program runs the server itself.
    pub(crate) fn is_embedded(&self) -> bool {
        self.server.is_some()
    }

    /// Connections to it; the first one is made at once, so that what is wrong with the URL is known now.
    pub(crate) async fn connect(&self) -> Result<PgPool> {
        let options = self.options.clone();
        let place = format!("{}:{}", options.get_host(), options.get_port());
        let failed = || format!("cannot use the database of DATABASE_URL at {place}");
        match tokio::time::timeout(CONNECT, first_connection(&options)).await {
            Ok(connected) => connected.with_context(failed)?,
            Err(_) => bail!("the database of DATABASE_URL at {place} does not answer within {CONNECT:?}"),
        }
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT);
        pool.connect_with(options).await.with_context(failed)
    }

    /// Ends the embedded server.
    pub(crate) async fn close(self) -> Result<()> {
        match self.server {
            Some(server) => server.stop().await.context("the embedded Postgres did not stop"),
            None => Ok(()),
        }
    }
}

/// What a pool would only call a timeout has its cause here. A server that is starting up gets its time.
async fn first_connection(options: &PgConnectOptions) -> sqlx::Result<()> {
    loop {
        match options.connect().await {
            Ok(connection) => return connection.close().await,
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(CANNOT_CONNECT_NOW) => {
                tokio::time::sleep(LOOK).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Reads a URL as Postgres' own programs do. It is a secret, so it is not repeated.
fn options(url: &str) -> Result<PgConnectOptions> {
    if !["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        bail!("DATABASE_URL is wrong: it must be like postgres://user:password@host:port/database");
    }
    let options: PgConnectOptions = url.parse().map_err(|error| anyhow!("DATABASE_URL is wrong: {error}"))?;
    Ok(options
        .application_name("gatehouse")
        .log_statements(log::LevelFilter::Trace))
}

/// Brings the schema to this program's version; refuses one that a newer program made.
pub(crate) async fn migrate(pool: &PgPool) -> Result<()> {
    let known = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
    let applied = applied(pool).await.context("cannot read the schema's version")?;
    if applied > known {
        bail!(
            "the database has schema version {applied}, this program knows versions up to {known}: \
             run the version of Gatehouse that made it, or a newer one"
        );
    }
    MIGRATOR.run(pool).await.context("migrating the database failed")
}

async fn applied(pool: &PgPool) -> sqlx::Result<i64> {
    let table: Option<String> = sqlx::query_scalar("select to_regclass('_sqlx_migrations')::text")
        .fetch_one(pool)
        .await?;
    if table.is_none() {
        return Ok(0);
    }
    let version: Option<i64> = sqlx::query_scalar("select max(version) from _sqlx_migrations")
        .fetch_one(pool)
        .await?;
    Ok(version.unwrap_or(0))
}
