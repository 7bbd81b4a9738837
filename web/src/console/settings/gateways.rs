//! The gateways: which run, on which revision, and what they could not apply.

use actix_web::web;
use askama::Template;
use control::gateways::{self, Gateway};
use control::revisions;
use model::clock::Timestamp;

use crate::times::{self, Time};
use crate::{Console, ConsolePage, PageResult, text};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/settings/gateways", web::get().to(list));
}

#[derive(Template)]
#[template(path = "console/settings/gateways.html")]
struct GatewaysPage {
    page: ConsolePage,
    gateways: Vec<Gateway>,
    head: i64,
    now: Timestamp,
}

async fn list(console: Console) -> PageResult {
    let control = console.control();
    console.html(&GatewaysPage {
        page: super::page(&console, "Gateways", None).await?,
        gateways: gateways::list(control, console.actor()).await?,
        head: revisions::head(control).await?,
        now: control.now(),
    })
}

impl GatewaysPage {
    fn live(&self) -> usize {
        self.gateways.iter().filter(|gateway| gateway.live).count()
    }

    fn state(gateway: &Gateway) -> (&'static str, &'static str) {
        match (gateway.live, &gateway.error) {
            (true, Some(_)) => ("In trouble", "bad"),
            (true, None) if gateway.lag > 0 => ("Behind", "warn"),
            (true, None) => ("Live", "ok"),
            (false, _) if gateway.silent() => ("Silent", "bad"),
            (false, _) => ("Stopped", ""),
        }
    }

    fn lag(gateway: &Gateway) -> String {
        if gateway.lag == 0 {
            "up to date".to_owned()
        } else {
            text::plural(gateway.lag, "revision behind", "revisions behind")
        }
    }

    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }
}
