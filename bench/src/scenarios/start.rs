//! How long it takes from the start of the program to the first answer.

use std::fs;

use anyhow::Result;

use super::{Plan, mebibytes};
use crate::database::Database;
use crate::peers::NO_DATABASE;
use crate::results::Figure;

pub(super) async fn run(plan: &Plan) -> Result<Vec<Figure>> {
    let workshop = &plan.workshop;
    let configuration = plan.configuration(100_000, 1_000_000);
    let request = &configuration.requests(1024)[0];
    let (own, empty) = (workshop.directory.join("start"), workshop.directory.join("empty"));
    fs::create_dir_all(&own)?;
    configuration.write_copy(&own)?;
    let database = Database::start(&workshop.directory)?;
    database.fill(configuration, &workshop.directory)?;
    let (mut copy, mut postgres) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds.min(3) {
        let mut peer = workshop.gatehouse_in("gatehouse-copy", &own, NO_DATABASE)?;
        copy.push((peer.until_ready(request).await?.as_secs_f64(), peer.process.resident()?));
        drop(peer);
        fs::create_dir_all(&empty)?;
        let mut peer = workshop.gatehouse_in("gatehouse-postgres", &empty, &database.url)?;
        postgres.push((peer.until_ready(request).await?.as_secs_f64(), peer.process.resident()?));
        drop(peer);
        fs::remove_dir_all(&empty)?;
    }
    Ok(vec![
        figure("gatehouse-copy", copy),
        figure("gatehouse-postgres", postgres),
    ])
}

fn figure(name: &str, mut starts: Vec<(f64, u64)>) -> Figure {
    starts.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (seconds, resident) = starts[starts.len() / 2];
    Figure::new("start", name, "")
        .with("s", seconds)
        .with("MiB", mebibytes(resident))
}
