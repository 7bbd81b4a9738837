//! Databases for tests: one server that all test processes share, and servers that one test may break.
//!
//! The shared server is started by the first test that needs it and runs on, since no test knows to be the last;
//! `make test` stops it. Migrations are applied once, to a template that every database is a copy of.

use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, PgPool};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::cluster::{self, ROLE};
use crate::error::{Error, Result, file};
use crate::process::Purpose;
use crate::server::Server;

/// How long a test waits for others that prepare the server or the template.
const TURN: Duration = Duration::from_mins(2);
/// Connections that one test may hold.
const CONNECTIONS: u32 = 8;
/// How long a test waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(10);

/// A database of one test, with the schema in it; gone when this is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    name: String,
    pool: PgPool,
    maintenance: PgConnectOptions,
    _user: File,
}

impl TestDatabase {
    /// Makes a database on the shared server to which these migrations are applied.
    pub async fn create(migrator: &Migrator) -> Result<Self> {
        let user = user()?;
        let (url, template) = prepare(migrator).await?;
        let maintenance = options(&url)?;
        let name = format!("test_{}", Uuid::new_v4().simple());
        let mut connection = maintenance.connect().await?;
        execute(&mut connection, format!("create database {name} template {template}")).await?;
        connection.close().await?;
        let url = url.replace(&format!("/{ROLE}?"), &format!("/{name}?"));
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE);
        let pool = pool.connect_with(options(&url)?).await?;
        Ok(Self {
            url,
            name,
            pool,
            maintenance,
            _user: user,
        })
    }

    /// How another process reaches it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Connections to it.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!("drop database if exists {} with (force)", self.name);
        let options = self.maintenance.clone();
        // The test's own runtime may have ended, and nobody can await here.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| {
                runtime.block_on(async {
                    let mut connection = options.connect().await?;
                    execute(&mut connection, statement).await
                })
            })
        });
        // A database that stays is dropped at the next start of the server.
        if !matches!(dropping.join(), Ok(Ok(Ok(())))) {
            tracing::debug!(database = self.name, "a test database could not be dropped");
        }
    }
}

/// A server for one test that wants to stop or break it; its data goes with it.
#[derive(Debug)]
pub struct TestServer {
    server: Option<Server>,
    link: PathBuf,
}

impl TestServer {
    /// Brings up a new server with an empty database.
    pub async fn start() -> Result<Self> {
        let link = place("private").join(Uuid::new_v4().to_string());
        let server = Server::start_for(&link, Purpose::Test).await?;
        Ok(Self {
            server: Some(server),
            link,
        })
    }
}

impl Deref for TestServer {
    type Target = Server;

    #[expect(clippy::expect_used, reason = "only `drop` takes the server")]
    fn deref(&self) -> &Server {
        self.server.as_ref().expect("the server is there until it is dropped")
    }
}

impl DerefMut for TestServer {
    #[expect(clippy::expect_used, reason = "only `drop` takes the server")]
    fn deref_mut(&mut self) -> &mut Server {
        self.server.as_mut().expect("the server is there until it is dropped")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let directory = server.directory().to_owned();
        let halting = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(server.halt()))
        });
        if !matches!(halting.join(), Ok(Ok(Ok(())))) {
            tracing::warn!("the server of a test did not stop");
        }
        // What cannot be removed is in target/, where nothing is dear.
        let _left = fs::remove_dir_all(directory);
        let _left = fs::remove_file(&self.link);
    }
}

/// Makes sure of the server and of the template: one process at a time, the others find both there.
async fn prepare(migrator: &Migrator) -> Result<(String, String)> {
    let directory = place("shared");
    let _turn = turn(&directory).await?;
    let url = match running(&directory).await {
        Some(url) => url,
        None => start_shared(&directory).await?,
    };
    let template = format!("template_{:016x}", fingerprint(migrator));
    let mut connection = options(&url)?.connect().await?;
    let there: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(&template)
        .fetch_one(&mut connection)
        .await?;
    if !there {
        make_template(&mut connection, &url, &template, migrator).await?;
    }
    connection.close().await?;
    Ok((url, template))
}

async fn make_template(connection: &mut PgConnection, url: &str, template: &str, migrator: &Migrator) -> Result<()> {
    // Under another name until it is complete, for a process may end half-way.
    execute(connection, "drop database if exists unfinished with (force)".to_owned()).await?;
    execute(connection, "create database unfinished".to_owned()).await?;
    let mut unfinished = options(&url.replace(&format!("/{ROLE}?"), "/unfinished?"))?
        .connect()
        .await?;
    migrator.run(&mut unfinished).await?;
    unfinished.close().await?;
    execute(connection, format!("alter database unfinished rename to {template}")).await
}

async fn start_shared(directory: &Path) -> Result<String> {
    let server = Server::start_for(directory, Purpose::Test).await?;
    let url = server.url().to_owned();
    let mut connection = options(&url)?.connect().await?;
    let left: Vec<String> = sqlx::query_scalar("select datname from pg_database where datname like 'test\\_%'")
        .fetch_all(&mut connection)
        .await?;
    for name in left {
        execute(&mut connection, format!("drop database if exists {name} with (force)")).await?;
    }
    connection.close().await?;
    server.leave();
    Ok(url)
}

/// The URL of the shared server when it runs.
async fn running(directory: &Path) -> Option<String> {
    let port = cluster::remembered_port(directory)?;
    let password = fs::read_to_string(directory.join("password")).ok()?;
    let url = cluster::url(password.trim(), port, ROLE);
    let connection = options(&url).ok()?.connect().await.ok()?;
    connection.close().await.ok()?;
    Some(url)
}

/// Tells that the shared server is in use, as long as the file is open: scripts/test stops it only when nobody uses it.
fn user() -> Result<File> {
    let path = place("shared").with_extension("users");
    let users = open(&path)?;
    users.lock_shared().map_err(file("lock", path))?;
    Ok(users)
}

fn open(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(file("make", parent))?;
    }
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(file("open", path))
}

/// Waits until no other process prepares anything; the turn ends when the file is dropped.
async fn turn(directory: &Path) -> Result<File> {
    let path = directory.with_extension("turn");
    let lock = open(&path)?;
    let deadline = Instant::now() + TURN;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(file("lock", path)(error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Err(Error::InUse(path)),
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Under the folder for what is built, where `cargo clean` finds it.
fn place(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    target.join("test-postgres").join(name)
}

fn options(url: &str) -> Result<PgConnectOptions> {
    let options: PgConnectOptions = url.parse()?;
    Ok(options.disable_statement_logging())
}

async fn execute(connection: &mut PgConnection, statement: String) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

fn fingerprint(migrator: &Migrator) -> u64 {
    let mut hasher = DefaultHasher::new();
    for migration in migrator.iter() {
        migration.version.hash(&mut hasher);
        migration.checksum.hash(&mut hasher);
    }
    hasher.finish()
}
