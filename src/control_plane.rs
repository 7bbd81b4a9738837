//! Console, API and portal, and what works in the background for them.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use control::mail::deliver;
use control::mail::transport::Transport;
use control::{Control, Secrets, Settings, acme, jobs};
use gateway::Sockets;
use model::clock::SystemClock;
use sqlx::PgPool;
use url::Url;

use crate::servers::Face;
use crate::settings::{ControlSettings, FrontSettings};
use crate::storage::{self, Storage};
use crate::tasks::Tasks;
use crate::terminal;

/// The port of a gateway that runs elsewhere and listens where gateways do.
const PROXY_PORT: u16 = 8000;

/// A control plane with everything that it needs, which answers nobody yet.
pub(crate) struct Prepared<'a> {
    settings: &'a ControlSettings,
    front: &'a FrontSettings,
    transport: Transport,
    admin: Face,
    portal: Face,
    pool: PgPool,
}

/// A control plane that runs.
pub(crate) struct People {
    /// The way to every operation.
    pub(crate) control: Control,
    /// Its connections.
    pub(crate) pool: PgPool,
}

impl<'a> Prepared<'a> {
    /// Listens, and brings the schema to this program's version.
    pub(crate) async fn new(
        (settings, front): (&'a ControlSettings, &'a FrontSettings),
        storage: &Storage,
        sockets: &Sockets,
    ) -> Result<Self> {
        let transport = transport(settings)?;
        let (admin, portal) = (Face::admin(settings, sockets)?, Face::portal(settings, sockets)?);
        let pool = storage.connect().await?;
        storage::migrate(&pool).await?;
        Ok(Self {
            settings,
            front,
            transport,
            admin,
            portal,
            pool,
        })
    }

    /// Where administrators are answered.
    pub(crate) fn console(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Starts to answer; `proxy` is where the gateway of the same program listens.
    pub(crate) fn start(self, secret: [u8; 32], proxy: Option<SocketAddr>, tasks: &mut Tasks) -> Result<People> {
        let deployment = self.deployment(proxy);
        let clock = Arc::new(SystemClock);
        let control = Control::new(self.pool.clone(), clock, Secrets::new(secret), deployment);
        tasks.serve(self.admin.serve(&control)?);
        tasks.serve(self.portal.serve(&control)?);
        let (jobs_stop, mail_stop, acme_stop) = (tasks.stopped(), tasks.stopped(), tasks.stopped());
        let (for_jobs, for_mail, for_acme) = (control.clone(), control.clone(), control.clone());
        let transport = self.transport;
        tasks.spawn(async move {
            jobs::run(for_jobs, jobs_stop).await;
            Ok(())
        });
        tasks.spawn(async move {
            deliver::run(for_mail, transport, mail_stop).await;
            Ok(())
        });
        tasks.spawn(async move {
            acme::run(for_acme, acme_stop).await;
            Ok(())
        });
        Ok(People {
            control,
            pool: self.pool,
        })
    }

    fn deployment(&self, proxy: Option<SocketAddr>) -> Settings {
        let url = |given: &Option<Url>, port: u16| match given {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://localhost:{port}"),
        };
        let settings = self.settings;
        Settings {
            key_brand: settings.keys.key_brand.clone(),
            console_url: url(&settings.console_url, self.admin.address().port()),
            portal_url: url(&settings.portal_url, self.portal.address().port()),
            proxy_url: url(&settings.proxy_url, proxy.map_or(PROXY_PORT, |proxy| proxy.port())),
            trusted_proxies: self.front.trusted_proxies.clone(),
        }
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
