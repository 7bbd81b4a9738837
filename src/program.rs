//! The whole program: starts the faces that a deployment has, keeps them running, stops them in order.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use anyhow::{Context, Result, anyhow};
use control::accounts::setup;
use control::mail::deliver;
use control::mail::transport::Transport;
use control::{Control, Secrets, Settings, jobs};
use model::clock::SystemClock;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

use crate::servers::Face;
use crate::settings::{ControlSettings, DemoSettings, GatewaySettings, StateSettings};
use crate::storage::{self, Storage};
use crate::{data_plane, demo, secret, signals, terminal};

/// What shall run.
pub(crate) struct Program {
    /// Database and secret.
    pub(crate) state: StateSettings,
    /// Console, API and portal.
    pub(crate) control: Option<ControlSettings>,
    /// The data plane.
    pub(crate) gateway: Option<GatewaySettings>,
    /// The demo shop.
    pub(crate) demo: Option<DemoSettings>,
}

impl Program {
    /// Runs until somebody wants it to stop, or until a part of it fails.
    pub(crate) async fn run(self) -> Result<()> {
        let stop = signals::stop()?;
        let secret = secret::secret(&self.state)?;
        let storage = Storage::open(&self.state, terminal::good).await?;
        let result = self.serve(&storage, secret, stop).await;
        // The database goes last: everything else may still have something to write.
        let closed = storage.close().await;
        result.and(closed)
    }

    async fn serve(&self, storage: &Storage, secret: [u8; 32], stop: impl Future<Output = ()>) -> Result<()> {
        let mut tasks = Tasks::new();
        let people = match &self.control {
            Some(settings) => Some(People::start(settings, storage, secret, &mut tasks).await?),
            None => None,
        };
        let gateway = match &self.gateway {
            Some(settings) => {
                let brand = self
                    .control
                    .as_ref()
                    .map_or("gh", |control| control.keys.key_brand.as_str());
                Some(gateway::Gateway::start(data_plane::config(
                    settings,
                    &self.state,
                    &storage.url,
                    secret,
                    brand,
                ))?)
            }
            None => None,
        };
        if let (Some(demo), Some(people)) = (&self.demo, &people) {
            tasks.serve(demo::bind(&demo.listen)?);
            demo::seed(&people.control, &demo.listen).await?;
        }
        self.announce(people.as_ref(), gateway.as_ref()).await?;
        let ended = tasks.watch(stop).await;
        terminal::say("\nStopping; requests in flight may end.");
        if let Some(gateway) = gateway {
            gateway.stop().await;
        }
        tasks.stop().await;
        if let Some(people) = people {
            people.pool.close().await;
        }
        ended
    }

    async fn announce(&self, people: Option<&People>, gateway: Option<&gateway::Running>) -> Result<()> {
        terminal::heading("Gatehouse is running. Ctrl-C stops it.");
        if let Some(people) = people {
            let settings = people.control.settings();
            match setup::link(&people.control).await? {
                Some(link) => terminal::link("Set it up", &link),
                None => terminal::link("Console", &format!("{}/console", settings.console_url)),
            }
            terminal::link("Portal", &settings.portal_url);
            terminal::link("API manual", &format!("{}/docs", settings.console_url));
        }
        if let Some(gateway) = gateway {
            let addresses: Vec<String> = gateway.proxy_addresses().iter().map(SocketAddr::to_string).collect();
            terminal::paste("Gateway", &addresses.join(", "));
            terminal::link("Health", &format!("http://{}/readyz", gateway.status_address()));
        }
        if let (Some(_), Some(people)) = (&self.demo, people)
            && let Some(key) = demo::key(&people.control, &self.state.data_dir).await?
        {
            let url = format!("{}/shop/orders", people.control.settings().proxy_url);
            terminal::paste("Try it", &format!("curl -H 'X-API-Key: {key}' {url}"));
        }
        terminal::say("");
        Ok(())
    }
}

/// Console, API and portal, and what works in the background for them.
struct People {
    control: Control,
    pool: PgPool,
}

impl People {
    async fn start(settings: &ControlSettings, storage: &Storage, secret: [u8; 32], tasks: &mut Tasks) -> Result<Self> {
        let transport = transport(settings)?;
        let (admin, portal) = (Face::admin(settings)?, Face::portal(settings)?);
        let pool = storage.connect().await?;
        storage::migrate(&pool).await?;
        let local = |address: SocketAddr| format!("http://localhost:{}", address.port());
        let plain = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        let deployment = Settings {
            key_brand: settings.keys.key_brand.clone(),
            console_url: settings
                .console_url
                .as_ref()
                .map_or_else(|| local(admin.address()), plain),
            portal_url: settings
                .portal_url
                .as_ref()
                .map_or_else(|| local(portal.address()), plain),
            proxy_url: plain(&settings.proxy_url),
        };
        let control = Control::new(pool.clone(), Arc::new(SystemClock), Secrets::new(secret), deployment);
        tasks.serve(admin.serve(&control)?);
        tasks.serve(portal.serve(&control)?);
        let (jobs_stop, mail_stop) = (tasks.stopped(), tasks.stopped());
        let (for_jobs, for_mail) = (control.clone(), control.clone());
        tasks.spawn(async move {
            jobs::run(for_jobs, jobs_stop).await;
            Ok(())
        });
        tasks.spawn(async move {
            deliver::run(for_mail, transport, mail_stop).await;
            Ok(())
        });
        Ok(Self { control, pool })
    }
}

/// Without a mail server the person at the terminal gets to see mails.
fn transport(settings: &ControlSettings) -> Result<Transport> {
    match &settings.smtp_url {
        Some(url) => {
            Transport::smtp(url, &settings.mail_from).map_err(|error| anyhow!("GATEHOUSE_SMTP_URL is wrong: {error}"))
        }
        None => Ok(Transport::keep(|mail| {
            terminal::heading(&format!("Mail to {}: {}", mail.mail.recipient, mail.mail.subject));
            terminal::say(&mail.body);
        })),
    }
}

/// The tasks of the program; when one of them ends, the program does.
struct Tasks {
    running: JoinSet<Result<()>>,
    servers: Vec<ServerHandle>,
    stopping: watch::Sender<bool>,
}

impl Tasks {
    fn new() -> Self {
        Self {
            running: JoinSet::new(),
            servers: Vec::new(),
            stopping: watch::channel(false).0,
        }
    }

    fn serve(&mut self, server: Server) {
        self.servers.push(server.handle());
        self.running
            .spawn(async move { server.await.context("a server failed") });
    }

    fn spawn(&mut self, task: impl Future<Output = Result<()>> + Send + 'static) {
        self.running.spawn(task);
    }

    /// Resolves when the program stops.
    fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.stopping.subscribe();
        async move {
            // An error means that the program is gone, which is a stop too.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }

    /// Waits for the wish to stop, or for a task that ends by itself.
    async fn watch(&mut self, stop: impl Future<Output = ()>) -> Result<()> {
        tokio::select! {
            () = stop => Ok(()),
            Some(ended) = self.running.join_next() => {
                ended.context("a part of the program broke down")??;
                Err(anyhow!("a part of the program ended by itself"))
            }
        }
    }

    async fn stop(mut self) {
        let _ = self.stopping.send(true);
        for server in &self.servers {
            server.stop(true).await;
        }
        while self.running.join_next().await.is_some() {}
    }
}
