//! Whether who opened a long conversation may still have it: keys are revoked and expire while it lasts.

use std::time::Duration;

use plugins::Identity;
use tokio::time::sleep;

use super::{Context, Proxy};
use crate::runtime::{Access, Route, Runtime};

/// The longest time between two looks at what expires.
const LOOK: Duration = Duration::from_secs(3600);

impl Proxy {
    /// Waits until the caller may not go on; for ever when nothing was proved that could end.
    pub(super) async fn unwelcome(&self, context: &Context) {
        let identity = context.facts.as_ref().and_then(|facts| facts.identity.as_ref());
        let (Some(identity), Some(route)) = (identity, &context.route) else {
            return std::future::pending().await;
        };
        let mut changed = self.changed.clone();
        loop {
            changed.mark_unchanged();
            let Some(left) = self.time_left(identity, route, context) else {
                return;
            };
            tokio::select! {
                changed = changed.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
                () = sleep(left.min(LOOK)) => {}
            }
        }
    }

    /// How long the caller may go on as of now; none when not at all.
    fn time_left(&self, identity: &Identity, route: &Route, context: &Context) -> Option<Duration> {
        let runtime = self.current.load_full()?;
        let client_ip = context.facts.as_ref()?.client_ip;
        let Some(credential) = identity.credential else {
            return is_subscribed(&runtime, identity, route).then_some(LOOK);
        };
        let known = runtime.known.credential(credential)?;
        let (now, end) = (self.clock.now(), known.credential.expires_at);
        let identity = known.admit(now, client_ip).ok()?;
        let left = end.map_or(LOOK, |end| (end - now).unsigned_abs());
        is_subscribed(&runtime, &identity, route).then_some(left.max(Duration::from_millis(1)))
    }
}

fn is_subscribed(runtime: &Runtime, identity: &Identity, route: &Route) -> bool {
    !route.authenticates || matches!(runtime.access(Some(identity), route.service.id), Access::Granted(_))
}
