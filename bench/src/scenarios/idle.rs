//! What connections cost that are open and silent.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;

use super::{Plan, mebibytes};
use crate::load::Connection;
use crate::peers::Work;
use crate::results::Figure;

/// As many as fit into the usual limit of 20,000 files, of which `HAProxy` reserves two for each.
const CONNECTIONS: u16 = 9_800;
/// From each address of the client, since gateways may bound them.
const OF_ADDRESS: u16 = 1000;

pub(super) async fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let workshop = &plan.workshop;
    let configuration = plan.configuration(10, 0);
    let request = &configuration.requests(1024)[0];
    let peers = [
        workshop.nginx(Work::PassOn, false)?,
        workshop.haproxy(Work::PassOn, false)?,
        workshop.bare_pingora()?,
        workshop.gatehouse("gatehouse", configuration)?,
    ];
    let count = if plan.quick { CONNECTIONS / 10 } else { CONNECTIONS };
    let mut figures = Vec::new();
    for mut peer in peers {
        peer.until_ready(request).await?;
        let before = mebibytes(peer.process.resident()?);
        let mut open = Vec::new();
        for number in 0..count {
            let host = u8::try_from(2 + number / OF_ADDRESS)?;
            let from = IpAddr::V4(Ipv4Addr::new(127, 0, 0, host));
            let mut connection = Connection::to(peer.address).from(from);
            connection.ask(request).await?;
            open.push(connection);
        }
        let after = mebibytes(peer.process.resident()?);
        let each = (after - before) * 1024.0 / f64::from(count);
        figures.push(
            Figure::new("idle", &peer.name, "")
                .with("KiB each", each)
                .with("MiB", after),
        );
        drop(open);
    }
    Ok(figures)
}
