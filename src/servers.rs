//! The HTTP servers for people and automation: console with API, and portal.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpServer};
use anyhow::{Context, Result};
use control::Control;
use gateway::Sockets;

use crate::settings::ControlSettings;

/// How long a client may take to send the head of a request.
const REQUEST: Duration = Duration::from_secs(10);
/// How long answers under way may take after a stop, in seconds.
const STOP: u64 = 5;

/// A server that listens, by the setting that decides where.
pub(crate) struct Face {
    listener: TcpListener,
    address: SocketAddr,
    configure: fn(&mut ServiceConfig),
}

impl Face {
    /// Binds the console and the API to their address.
    pub(crate) fn admin(settings: &ControlSettings, sockets: &Sockets) -> Result<Self> {
        let listener = sockets.bind(settings.admin_listen, "GATEHOUSE_ADMIN_LISTEN")?;
        Self::new(listener, configure_admin)
    }

    /// Binds the portal to its address.
    pub(crate) fn portal(settings: &ControlSettings, sockets: &Sockets) -> Result<Self> {
        let listener = sockets.bind(settings.portal_listen, "GATEHOUSE_PORTAL_LISTEN")?;
        Self::new(listener, web::portal::configure)
    }

    fn new(listener: TcpListener, configure: fn(&mut ServiceConfig)) -> Result<Self> {
        let address = listener.local_addr().context("a listening socket has no address")?;
        Ok(Self {
            listener,
            address,
            configure,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to answer.
    pub(crate) fn serve(self, control: &Control) -> Result<Server> {
        let (data, configure) = (Data::new(control.clone()), self.configure);
        let server = HttpServer::new(move || App::new().app_data(data.clone()).configure(configure))
            .workers(2)
            .client_request_timeout(REQUEST)
            .shutdown_timeout(STOP)
            .disable_signals()
            .listen(self.listener)
            .context("cannot serve")?;
        Ok(server.run())
    }
}

fn configure_admin(config: &mut ServiceConfig) {
    admin::configure(config);
    web::console::configure(config);
}
