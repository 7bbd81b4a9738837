//! Copies of requests for another service: sent when the client has its answer, their answers read and forgotten.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pingora::protocols::http::ServerSession;
use pingora_http::RequestHeader;
use tokio::time::timeout;

use super::attempt::preamble_for;
use super::context::Context;
use super::forward::Rewrite;
use super::upload::Upload;
use super::{Proxy, forward};
use crate::runtime::Service;
use crate::upstream::Choice;
use crate::upstream::client::{Client, Dial, Event, Fault, Framing, Head};

/// The most copies under way at once; those beyond are dropped and counted.
pub(crate) const COPIES: usize = 256;
/// What a copy may take.
const LONGEST: Duration = Duration::from_secs(15);

impl Proxy {
    /// Sends a copy of a request that has its answer, when it is one of those that are copied. Bodies that were not kept
    /// are not copied, and neither are conversations.
    pub(super) fn mirror(&self, service: &Service, session: &ServerSession, context: &Context, upload: &Upload) {
        let Some(mirror) = &service.mirror else { return };
        let body = upload.kept();
        if context.upgraded || !mirror.sampled(&self.random) {
            return;
        }
        let runtime = context.runtime.as_ref();
        let other = runtime
            .and_then(|runtime| runtime.services.get(&mirror.service))
            .cloned();
        let (Some(other), Some(body), Ok(place)) = (other, body, self.copies.clone().try_acquire_owned()) else {
            self.telemetry.mirror_dropped();
            return;
        };
        let query = context.facts.as_ref().and_then(|facts| facts.query.as_deref());
        let copy = Copy {
            rewrite: Rewrite {
                target: forward::target(&other, &context.forward.rest, query),
                host: forward::host_of(&other),
                headers: context.rewrite.headers.clone(),
            },
            framing: upload.framing,
            client_ip: context.facts.as_ref().map(|facts| facts.client_ip),
            preamble: preamble_for(&other, session, context),
            request: session.req_header().clone(),
            body,
        };
        let client = self.client.clone();
        tokio::spawn(async move {
            let sent = timeout(LONGEST, copy.send(&client, &other)).await;
            if let Ok(Err(fault)) = sent {
                tracing::debug!(service = other.name, fault = %fault, "a copy of a request was not answered");
            }
            drop(place);
        });
    }
}

/// A request as it was sent to the service.
struct Copy {
    request: RequestHeader,
    rewrite: Rewrite,
    framing: Framing,
    client_ip: Option<std::net::IpAddr>,
    preamble: Option<Bytes>,
    body: Vec<Bytes>,
}

impl Copy {
    async fn send(self, client: &Client, service: &Arc<Service>) -> Result<(), Fault> {
        service.pool.ready(service.connect_timeout).await;
        let choice = Choice {
            consumer: None,
            ip: self.client_ip.unwrap_or_else(|| [0, 0, 0, 0].into()),
            path: "",
            query: None,
            headers: &self.request.headers,
            secure: false,
            tried: &[],
        };
        let began = Instant::now();
        let picked = service.pool.pick(&choice, began);
        let mut picked = picked.ok_or_else(|| super::failure::no_target_of(&service.pool))?;
        let dial = Dial {
            address: picked.endpoint.socket,
            tls: service.tls(service.version)?,
            version: service.version,
            timeout: service.connect_timeout,
            preamble: self.preamble.clone(),
        };
        let lease = client.lease(&dial, false).await?;
        let (mut exchange, back) = lease.start(&Head {
            request: &self.request,
            host: &self.rewrite.host,
            headers: &self.rewrite.headers,
            target: &self.rewrite.target,
            upgrade: false,
            body: self.framing,
        })?;
        for piece in self.body {
            exchange.send(piece);
        }
        exchange.finish();
        loop {
            match poll_fn(|cx| exchange.poll(cx)).await? {
                Event::Head(header, _) => picked.answered(header.status.as_u16(), began.elapsed(), Instant::now()),
                Event::End(_) => break,
                _ => {}
            }
        }
        client.give_back(exchange, back);
        Ok(())
    }
}
