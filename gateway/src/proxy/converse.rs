//! A connection that speaks another protocol than HTTP, such as a WebSocket: bytes both ways until one side ends it,
//! nobody says anything for too long, or who opened it may not be here any more.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pingora::protocols::Stream;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};

use super::{Context, Proxy};
use crate::traffic::{Counted, Moved};
use crate::upstream::Picked;
use crate::upstream::client::Transport;

/// What of a conversation the service's side is.
pub(super) struct Conversation {
    service: Transport,
    /// What the service said right behind its head.
    early: Bytes,
    idle: Duration,
    /// The target, which has a request in flight for as long as this lasts.
    target: Option<Picked>,
}

impl Conversation {
    pub(super) const fn new(service: Transport, early: Bytes, idle: Duration) -> Self {
        Self {
            service,
            early,
            idle,
            target: None,
        }
    }

    /// Keeps the target counted as busy.
    pub(super) fn hold(&mut self, target: Picked) {
        self.target = Some(target);
    }

    /// Lets both sides talk; how many bytes the service has said.
    pub(super) async fn run(mut self, proxy: &Proxy, client: Stream, context: &Context) -> usize {
        let moved = Arc::new(Moved::default());
        let mut client = Counted {
            stream: client,
            moved: moved.clone(),
        };
        if client.write_all(&self.early).await.is_err() || client.flush().await.is_err() {
            return 0;
        }
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut self.service) => {}
            () = moved.silence(self.idle) => {
                tracing::debug!(request_id = context.request_id, "a conversation ends: nobody said anything");
            }
            () = proxy.unwelcome(context) => {
                tracing::info!(request_id = context.request_id, "a conversation ends: its credential is not valid any more");
            }
        }
        let _ = client.shutdown().await;
        usize::try_from(moved.sent()).unwrap_or(usize::MAX)
    }
}
