//! One attempt at one target, and whether there is to be another.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use model::service::RetryOn;
use pingora::protocols::http::ServerSession;
use pingora_http::ResponseHeader;
use tokio::time::timeout_at;

use super::context::Context;
use super::converse::Conversation;
use super::relay::{Done, Relay, Trouble};
use super::{End, deadlines, failure};
use crate::runtime::Service;
use crate::upstream::client::{Dial, Exchange, Fault, Head, Return, Version};
use crate::upstream::{Failure, Picked, preamble};

impl Relay<'_> {
    /// Picks a target, and asks it.
    pub(super) async fn attempt(&mut self, service: &Service) -> Result<End, Trouble> {
        let now = Instant::now();
        let picked = self.choice().and_then(|choice| service.pool.pick(&choice, now));
        let mut picked = picked.ok_or_else(|| failure::no_target_of(&service.pool))?;
        self.context.tried.push(picked.endpoint.address.clone());
        self.context.keys.push(picked.endpoint.key);
        self.context.upstream_began = Some(now);
        if self.context.tried.len() == 1 {
            self.context.exchange.began = now - self.context.began;
        }
        let mut result = self.ask(service, &mut picked).await;
        self.context.exchange.total = self.context.began.elapsed().saturating_sub(self.context.exchange.began);
        if let Err(Trouble::Service(fault)) = &result
            // That a connection had waited too long says nothing about the target.
            && !fault.stale
            && !fault.blameless
        {
            picked.failed(fault.failure, Instant::now());
        }
        if let Ok(End::Upgraded(conversation)) = &mut result {
            conversation.hold(picked);
        }
        result
    }

    async fn ask(&mut self, service: &Service, picked: &mut Picked) -> Result<End, Trouble> {
        let (until, opening) = (self.times.until, self.start(service, picked.endpoint.socket));
        let (mut exchange, back) = match until {
            Some(until) => timeout_at(until, opening).await.map_err(|_| self.out_of_time())??,
            None => opening.await?,
        };
        let exchanged = self.exchange(service, &mut exchange, picked).await;
        if matches!(&exchanged, Err(Trouble::Service(fault)) if fault.failure == Failure::Timeout) {
            self.proxy.client.distrust(&back);
        }
        match exchanged? {
            Done::Whole => {
                self.proxy.client.give_back(exchange, back);
                // Otherwise the service did not want the rest of the body.
                Ok(if self.upload.whole { End::Whole } else { End::Early })
            }
            Done::Upgraded(header) => {
                self.session
                    .write_response_header(header)
                    .await
                    .map_err(|_| self.gone())?;
                let (service_side, early) = exchange
                    .into_upgraded()
                    .ok_or_else(|| Fault::bad_answer("the connection cannot be taken over"))?;
                Ok(End::Upgraded(Conversation::new(service_side, early, self.times.idle)))
            }
        }
    }

    async fn start(&mut self, service: &Service, address: SocketAddr) -> Result<(Exchange, Return), Fault> {
        // Only HTTP/1.1 can become another protocol.
        let version = if self.upgrade { Version::Http1 } else { service.version };
        let dial = Dial {
            address,
            tls: service.tls(version)?,
            version,
            timeout: self.times.connect,
            preamble: preamble_for(service, self.session, self.context),
        };
        // After a connection that was closed while it waited, one that has not waited is surer.
        let began = Instant::now();
        let lease = self.proxy.client.lease(&dial, self.context.stale).await?;
        let exchange = &mut self.context.exchange;
        if lease.reused {
            exchange.reuses += 1;
        } else {
            exchange.connects += 1;
            exchange.connect += began.elapsed();
        }
        lease.start(&Head {
            request: self.session.req_header(),
            host: &self.context.rewrite.host,
            headers: &self.context.rewrite.headers,
            target: &self.context.rewrite.target,
            upgrade: self.upgrade,
            body: self.upload.framing,
        })
    }

    /// Whether another attempt could do better and can do no harm.
    pub(super) fn may_retry(&mut self, trouble: &Trouble, service: &Service) -> bool {
        if self.context.answered || !self.upload.can_be_sent_again() {
            return false;
        }
        let idempotent = self.session.req_header().method.is_idempotent();
        match trouble {
            // Nobody has worked on it, and the target is the same as before.
            Trouble::Service(fault) if fault.stale => {
                let first = !std::mem::replace(&mut self.context.stale, true);
                if first && idempotent {
                    self.context.tried.pop();
                    self.context.keys.pop();
                }
                first && idempotent
            }
            Trouble::Service(fault) if fault.nobody => false,
            Trouble::Service(fault) => {
                let harmless = fault.unsent || idempotent;
                harmless && self.wants(service, condition(fault)) && service.pool.retry_allowed(Instant::now())
            }
            // It was asked whether there is another attempt before the answer was given up.
            Trouble::Status => true,
            Trouble::Client | Trouble::Refused(_) => false,
        }
    }

    /// Whether a status is one that another target may do better than, and there may be another attempt.
    pub(super) fn is_retried(&self, service: &Service, header: &ResponseHeader) -> bool {
        let condition = RetryOn::of_status(header.status.as_u16());
        condition.is_some()
            && self.session.req_header().method.is_idempotent()
            && self.upload.can_be_sent_again()
            && self.wants(service, condition)
            // Nobody else could do better.
            && service.pool.endpoints().len() > self.context.keys.len()
            && service.pool.retry_allowed(Instant::now())
    }

    /// The time was over before the service was asked.
    fn out_of_time(&self) -> Fault {
        Fault {
            blameless: self.times.by_caller,
            ..deadlines::over()
        }
    }

    fn wants(&self, service: &Service, condition: Option<RetryOn>) -> bool {
        let late = self
            .times
            .until
            .is_some_and(|until| until <= tokio::time::Instant::now());
        !late
            && self.context.tried.len() <= usize::from(service.retry.retries)
            && condition.is_some_and(|condition| service.retry.retry_on.contains(&condition))
    }
}

/// The condition of the settings that a failure is.
fn condition(fault: &Fault) -> Option<RetryOn> {
    match fault.failure {
        _ if fault.unsent => Some(RetryOn::ConnectFailure),
        Failure::Connect | Failure::Tls => Some(RetryOn::ConnectFailure),
        Failure::Reset => Some(RetryOn::Reset),
        Failure::Timeout => Some(RetryOn::Timeout),
        // It would most likely be as bad again.
        Failure::BadAnswer => None,
    }
}

/// Who the client is, for a service that wants to know it before anything else. Its port is known when it connected itself.
pub(super) fn preamble_for(service: &Service, session: &ServerSession, context: &Context) -> Option<Bytes> {
    let facts = context.facts.as_ref()?;
    let local = session.server_addr().and_then(|address| address.as_inet())?;
    let peer = session.client_addr().and_then(|address| address.as_inet())?;
    let direct = peer.ip().to_canonical() == facts.client_ip;
    let port = if direct { peer.port() } else { 0 };
    preamble::header(service.proxy_protocol, SocketAddr::new(facts.client_ip, port), *local)
}
