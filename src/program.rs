//! The whole program: starts the faces that a deployment has, keeps them running, stops them in order.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use control::Control;
use control::accounts::setup;
use gateway::Sockets;
use tokio::time::{Instant, sleep};

use crate::control_plane::{People, Prepared};
use crate::handover::{Offer, Taken};
use crate::settings::{ControlSettings, DemoSettings, FrontSettings, GatewaySettings, StateSettings};
use crate::storage::Storage;
use crate::tasks::Tasks;
use crate::{data_plane, demo, handover, secret, signals, terminal};

/// How long the gateway may take to serve the demo before the program says that it runs.
const CATCH_UP: Duration = Duration::from_secs(10);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(10);

/// What shall run.
pub(crate) struct Program {
    /// The settings that are not the defaults, for the log.
    pub(crate) settings: Vec<String>,
    /// Database and secret.
    pub(crate) state: StateSettings,
    /// The proxies before it.
    pub(crate) front: FrontSettings,
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
        let taken = Taken::from_environment()?;
        let secret = secret::secret(&self.state)?;
        let storage = Storage::open(&self.state, terminal::good).await?;
        let result = self.serve(&storage, secret, taken, stop).await;
        // The database goes last: everything else may still have something to write.
        let closed = storage.close().await;
        result.and(closed)
    }

    async fn serve(
        &self,
        storage: &Storage,
        secret: [u8; 32],
        mut taken: Taken,
        stop: impl Future<Output = ()>,
    ) -> Result<()> {
        let sockets = taken.sockets.clone();
        let mut tasks = Tasks::new();
        let prepared = match &self.control {
            Some(settings) => Some(Prepared::new((settings, &self.front), storage, &sockets).await?),
            None => None,
        };
        let console = prepared.as_ref().map(Prepared::console);
        let gateway = self.start_gateway((storage, console), secret, &sockets)?;
        let proxy = gateway
            .as_ref()
            .and_then(|gateway| gateway.proxy_addresses().first().copied());
        let people = prepared
            .map(|prepared| prepared.start(secret, proxy, &mut tasks))
            .transpose()?;
        if let (Some(demo), Some(people)) = (&self.demo, &people) {
            let (server, addresses) = demo::bind(&demo.listen)?;
            tasks.serve(server);
            demo::seed(&people.control, &addresses).await?;
        }
        self.announce(people.as_ref(), gateway.as_ref()).await?;
        if let Some(gateway) = &gateway
            && !is_loaded(gateway, taken.deadline()).await
        {
            bail!("the configuration was not loaded in time: the program before goes on");
        }
        sockets.settle();
        let replaces = taken.ready()?;
        let offer = self.offer(storage, &sockets, replaces);
        let ended = match &offer {
            Some(offer) => tasks.watch(either(stop, offer.replaced())).await,
            None => tasks.watch(stop).await,
        };
        drop(offer);
        sockets.close();
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

    /// Offers the listening sockets to a program that replaces this one. Without the offer everything else works.
    fn offer(&self, storage: &Storage, sockets: &Sockets, replaces: bool) -> Option<Offer> {
        let obstacle = storage.is_embedded().then_some(
            "the embedded Postgres belongs to the running program: replacing it in place needs a database of its own, set by \
             DATABASE_URL",
        );
        let offer = Offer::at(
            handover::path(&self.state.data_dir),
            sockets.clone(),
            obstacle,
            replaces,
        );
        let failed = |error| tracing::warn!(error = format!("{error:#}"), "this program cannot be replaced in place");
        offer.map_err(failed).ok()
    }

    fn start_gateway(
        &self,
        (storage, console): (&Storage, Option<SocketAddr>),
        secret: [u8; 32],
        sockets: &Sockets,
    ) -> Result<Option<gateway::Running>> {
        let Some(settings) = &self.gateway else {
            return Ok(None);
        };
        let brand = self
            .control
            .as_ref()
            .map_or("gh", |control| control.keys.key_brand.as_str());
        let config = data_plane::config(
            (settings, &self.front),
            &self.state,
            (&storage.url, console),
            (secret, brand),
            sockets,
        )?;
        data_plane::raise_descriptors();
        Ok(Some(gateway::Gateway::start(config)?))
    }

    async fn announce(&self, people: Option<&People>, gateway: Option<&gateway::Running>) -> Result<()> {
        if !self.settings.is_empty() {
            tracing::info!(
                settings = self.settings.join(", "),
                "settings that are not the defaults"
            );
        }
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
            let addresses: Vec<String> = gateway.tls_addresses().iter().map(SocketAddr::to_string).collect();
            terminal::paste("Over TLS", &addresses.join(", "));
            terminal::link("Health", &format!("http://{}/readyz", gateway.status_address()));
        }
        if let (Some(_), Some(people)) = (&self.demo, people)
            && let Some(key) = demo::key(&people.control, &self.state.data_dir).await?
        {
            if let Some(gateway) = gateway {
                catch_up(&people.control, gateway).await?;
            }
            let url = format!("{}/shop/orders", people.control.settings().proxy_url);
            terminal::paste("Try it", &format!("curl -H 'X-API-Key: {key}' {url}"));
        }
        terminal::say("");
        Ok(())
    }
}

/// Waits for the first configuration where there is a program that goes on until then; whether it came in time.
async fn is_loaded(gateway: &gateway::Running, deadline: Option<Instant>) -> bool {
    let Some(deadline) = deadline else { return true };
    while gateway.revision().is_none() && Instant::now() < deadline {
        sleep(LOOK).await;
    }
    gateway.revision().is_some()
}

async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}

/// Waits until the gateway serves what is configured, so that a line which is pasted at once works.
async fn catch_up(control: &Control, gateway: &gateway::Running) -> Result<()> {
    let newest = control::revisions::head(control).await?;
    let deadline = Instant::now() + CATCH_UP;
    while gateway.revision().is_none_or(|revision| revision < newest) && Instant::now() < deadline {
        sleep(LOOK).await;
    }
    Ok(())
}
