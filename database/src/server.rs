//! A server in the hands of the program.

use std::path::Path;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::cluster::{Cluster, ROLE};
use crate::error::{Error, Result};
use crate::process::{self, Process, Purpose};

/// How often another port is tried when somebody takes the chosen one first.
const PORTS: usize = 5;

/// A Postgres that this program runs; it is asked to stop when this is dropped.
#[derive(Debug)]
pub struct Server {
    cluster: Cluster,
    purpose: Purpose,
    port: u16,
    url: String,
    process: Option<Process>,
}

impl Server {
    /// Brings up the server of a directory, which is made when it is not there.
    ///
    /// A server that an earlier program left behind there is stopped first. Errors: no Postgres is installed, another
    /// program has the directory, it belongs to somebody else, or another version made its data.
    pub async fn start(directory: &Path) -> Result<Self> {
        Self::start_for(directory, Purpose::Keep).await
    }

    pub(crate) async fn start_for(directory: &Path, purpose: Purpose) -> Result<Self> {
        let cluster = Cluster::open(directory).await?;
        process::end_leftover(&cluster).await?;
        let (port, process) = start_process(&cluster, purpose).await?;
        let url = cluster.url(port, ROLE);
        let server = Self {
            cluster,
            purpose,
            port,
            url,
            process: Some(process),
        };
        server.make_database().await?;
        Ok(server)
    }

    /// How to reach its database: a secret, since the password is in it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server: clients are disconnected, everything is written to disk.
    pub async fn stop(mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.stop().await,
            None => Ok(()),
        }
    }

    /// Stops the server as a crash would, to see how others bear it. [`Server::resume`] brings it back.
    pub async fn halt(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.halt().await,
            None => Ok(()),
        }
    }

    /// Kills the server, as the system does that has no more memory. [`Server::resume`] brings it back.
    pub async fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Starts a halted server again under the same URL.
    pub async fn resume(&mut self) -> Result<()> {
        if self.process.is_none() {
            process::end_leftover(&self.cluster).await?;
            self.process = Some(Process::start(&self.cluster, self.port, self.purpose).await?);
        }
        Ok(())
    }

    /// Lets the server run on without this program.
    pub(crate) fn leave(mut self) {
        self.process = None;
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.cluster.directory
    }

    async fn make_database(&self) -> Result<()> {
        let options: PgConnectOptions = self.cluster.url(self.port, "postgres").parse()?;
        let mut connection = options.disable_statement_logging().connect().await?;
        let there: bool = sqlx::query_scalar("select exists (select from pg_database where datname = 'gatehouse')")
            .fetch_one(&mut connection)
            .await?;
        if !there {
            sqlx::raw_sql("create database gatehouse")
                .execute(&mut connection)
                .await?;
        }
        Ok(connection.close().await?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &self.process {
            process.ask_to_stop();
        }
    }
}

async fn start_process(cluster: &Cluster, purpose: Purpose) -> Result<(u16, Process)> {
    let mut tries = 1;
    loop {
        let port = cluster.port()?;
        match Process::start(cluster, port, purpose).await {
            Err(Error::Program { output, .. }) if output.contains("Address already in use") && tries < PORTS => {
                tries += 1;
            }
            started => return Ok((port, started?)),
        }
    }
}
