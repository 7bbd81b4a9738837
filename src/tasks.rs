//! The tasks of the program: started, watched, stopped together.

use actix_web::dev::{Server, ServerHandle};
use anyhow::{Context, Result, anyhow};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The tasks of the program; when one of them ends, the program does.
pub(crate) struct Tasks {
    running: JoinSet<Result<()>>,
    servers: Vec<ServerHandle>,
    stopping: watch::Sender<bool>,
}

impl Tasks {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self {
            running: JoinSet::new(),
            servers: Vec::new(),
            stopping: watch::channel(false).0,
        }
    }

    /// Runs a server.
    pub(crate) fn serve(&mut self, server: Server) {
        self.servers.push(server.handle());
        self.running
            .spawn(async move { server.await.context("a server failed") });
    }

    /// Runs a task.
    pub(crate) fn spawn(&mut self, task: impl Future<Output = Result<()>> + Send + 'static) {
        self.running.spawn(task);
    }

    /// Resolves when the program stops.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.stopping.subscribe();
        async move {
            // An error means that the program is gone, which is a stop too.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }

    /// Waits for the wish to stop, or for a task that ends by itself.
    pub(crate) async fn watch(&mut self, stop: impl Future<Output = ()>) -> Result<()> {
        tokio::select! {
            () = stop => Ok(()),
            Some(ended) = self.running.join_next() => {
                ended.context("a part of the program broke down")??;
                Err(anyhow!("a part of the program ended by itself"))
            }
        }
    }

    /// Stops all of them and waits until they are over.
    pub(crate) async fn stop(mut self) {
        let _ = self.stopping.send(true);
        for server in &self.servers {
            server.stop(true).await;
        }
        while self.running.join_next().await.is_some() {}
    }
}
