//! What a stranger may send, byte by byte and frame by frame. The numbers in the names are those of the list of attacks
//! that the edge must withstand.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod client;
mod corpus;
mod differential;
mod early;
mod forwarded;
mod frames;
mod framing;
mod handshakes;
mod hosts;
mod http2;
mod limits;
mod methods;
mod paths;
mod proxied;
mod recorder;
mod servers;
mod slow;
#[path = "../support/mod.rs"]
mod support;
mod upgrades;

use gateway::Running;
use recorder::Recorder;
use serde_json::json;
use support::Configuration;

/// A gateway that forwards everything to a recorder, as it came.
async fn open_gateway() -> (Running, Recorder) {
    let recorder = Recorder::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", recorder.address))
        .route_with(2, 1, json!({"paths": ["/"], "strip_path": false}))
        .start();
    (gateway, recorder)
}

/// Waits until the gateway has counted a refusal for this rule.
async fn refused_by(gateway: &Running, rule: &str) {
    let line = format!("gatehouse_edge_refusals_total{{rule=\"{rule}\"}}");
    support::eventually(async || {
        let metrics = support::get(gateway.status_address(), "/metrics", &[]).await.body;
        metrics.contains(&line)
    })
    .await;
}
