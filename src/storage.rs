//! The database of a deployment: a given one, or one that the program brings up itself.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use control::MIGRATOR;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgPool};

use crate::settings::StateSettings;

/// How long opening a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// Connections that control may hold.
const CONNECTIONS: u32 = 16;

/// A database in use, with its server when the program runs it.
pub(crate) struct Storage {
    /// How others in the program reach it.
    pub(crate) url: String,
    server: Option<database::Server>,
}

impl Storage {
    /// Finds the database, and brings up an embedded one when none is given, which is said by `say`.
    pub(crate) async fn open(settings: &StateSettings, say: fn(&str)) -> Result<Self> {
        if let Some(url) = &settings.database_url {
            return Ok(Self {
                url: url.clone(),
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
            server: Some(server),
        })
    }

    /// Connections to it; the first one is made at once, so that a wrong URL is known now.
    pub(crate) async fn connect(&self) -> Result<PgPool> {
        let options: PgConnectOptions = self
            .url
            .parse()
            .map_err(|error| anyhow!("DATABASE_URL is no database URL: {error}"))?;
        let place = format!("{}:{}", options.get_host(), options.get_port());
        let options = options
            .application_name("gatehouse")
            .log_statements(log::LevelFilter::Trace);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT)
            .connect_with(options);
        match tokio::time::timeout(CONNECT * 2, pool).await {
            Ok(Ok(pool)) => Ok(pool),
            Ok(Err(error)) => Err(error).with_context(|| format!("cannot use the database of DATABASE_URL at {place}")),
            Err(_) => bail!("the database of DATABASE_URL at {place} does not answer"),
        }
    }

    /// Ends the embedded server.
    pub(crate) async fn close(self) -> Result<()> {
        match self.server {
            Some(server) => server.stop().await.context("the embedded Postgres did not stop"),
            None => Ok(()),
        }
    }
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
