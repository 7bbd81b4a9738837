//! What is decided of a request before its service is asked: which service that is, what it sees, how long it may take.

use std::net::SocketAddr;
use std::sync::Arc;

use model::service::Scheme;

use super::deadlines::Times;
use super::forward;
use super::grpc::{self, Dialect, Messages};
use super::grpc_web::Translation;
use super::relay::Relay;
use crate::guard::BodyPace;
use crate::runtime::Service;
use crate::upstream::Choice;
use crate::upstream::client::Version;

impl Relay<'_> {
    /// Chooses the service, and writes what it shall see into the request.
    pub(super) fn prepare(&mut self) -> Option<Arc<Service>> {
        let (route, runtime) = (self.context.route.clone()?, self.context.runtime.clone()?);
        self.consumer = self.consumer_id();
        let service = match &route.split {
            Some(split) => {
                let chosen = self
                    .choice()
                    .and_then(|choice| split.choose(&choice, &self.proxy.random))?;
                // One that is off is stood in for by the route's own.
                runtime.services.get(&chosen).unwrap_or(&route.service).clone()
            }
            None => route.service.clone(),
        };
        let peer = self.session.client_addr().and_then(|address| address.as_inet());
        let peer = peer.map(SocketAddr::ip).map(|ip| ip.to_canonical());
        let facts = self.context.facts.as_ref()?;
        let peer = peer.unwrap_or(facts.client_ip);
        let request = self.session.req_header_mut();
        let forward = &self.context.forward;
        let mut rewrite = forward::rewrite(request, facts, (&route, &service), forward, peer);
        if let Some(trace) = &self.context.trace {
            rewrite.headers.push(trace.parent());
            trace.check_state(request);
        }
        self.context.rewrite = rewrite;
        let dialect = Dialect::of(&request.headers);
        // Only a service that speaks it is called; elsewhere the words mean nothing.
        let dialect = dialect.filter(|_| service.version != Version::Http1);
        let wanted = dialect.and_then(|_| grpc::timeout(&request.headers));
        self.times = Times::of(&route, &service, wanted, self.context.began);
        match dialect {
            Some(dialect) => self.prepare_call(dialect),
            None => self.pace = self.session.is_http2().then(BodyPace::default),
        }
        self.context.service = Some(service.clone());
        Some(service)
    }

    /// What balancing may look at when the caller is known.
    fn consumer_id(&self) -> Option<String> {
        let identity = self.context.facts.as_ref()?.identity.as_ref()?;
        Some(identity.consumer.id.to_string())
    }

    pub(super) fn choice(&self) -> Option<Choice<'_>> {
        let facts = self.context.facts.as_ref()?;
        Some(Choice {
            consumer: self.consumer.as_deref(),
            ip: facts.client_ip,
            path: &facts.path,
            query: facts.query.as_deref(),
            headers: &self.session.req_header().headers,
            secure: facts.scheme == Scheme::Https,
            tried: &self.context.keys,
        })
    }

    /// Makes a call of any dialect one that the service understands.
    fn prepare_call(&mut self, dialect: Dialect) {
        self.context.dialect = Some(dialect);
        self.translation = Translation::of(dialect);
        if let Some(translation) = &self.translation {
            grpc::translate(self.session.req_header_mut());
            if !translation.keeps_length() {
                self.upload.forget_length();
            }
        }
        if self.translation.is_some() || dialect == Dialect::Grpc {
            self.messages =
                Some(Messages::up_to(self.upload.lift_limit().map_or(usize::MAX, |limit| {
                    usize::try_from(limit).unwrap_or(usize::MAX)
                })));
        }
    }
}
