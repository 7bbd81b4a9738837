//! The part of a request's way that decides whether it is forwarded: limits, route, plugins, subscription.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::Method;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use model::reason::Reason;
use pingora::protocols::http::ServerSession;
use pingora_http::RequestHeader;
use plugins::{Answer, Exchange, Facts, Flow, Outcome, Refusal};
use tokio::time::timeout;

use super::context::{ClientTls, Context, Forward};
use super::grpc::Dialect;
use super::{Proxy, answer, client, forward, head, record};
use crate::config::limits;
use crate::host::{self, Authority};
use crate::path::{self, CanonicalPath};
use crate::router::{self, Match, NoMatch, Wanted};
use crate::runtime::{Access, Link, Route, Runtime};
use crate::upstream::client::Version;

impl Proxy {
    /// Decides about a request; what is returned is the answer that it gets instead of the service's.
    pub(super) async fn admit(&self, session: &mut ServerSession, context: &mut Context) -> Option<Answer> {
        let peer = session
            .client_addr()
            .and_then(|address| address.as_inet())
            .map(SocketAddr::ip);
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
        let trusted = self.trusted_proxies.iter().any(|network| network.contains(&peer));
        context.request_id = head::request_id(session.req_header(), trusted);
        context.forward.from_trusted_proxy = trusted;
        if self.telemetry.in_flight() > self.pressure.requests() {
            return Some(Answer::Refusal(head::overloaded()));
        }
        let Some(runtime) = self.current.load_full() else {
            return Some(Answer::Refusal(head::refusal(
                Reason::NotReady,
                "The gateway has not loaded its configuration yet.",
            )));
        };
        context.runtime = Some(runtime.clone());
        context.tls = ClientTls::of(session);
        let tls = context.tls.is_some();
        let client = Client {
            ip: client::client_ip(peer, &session.req_header().headers, &self.trusted_proxies),
            tls,
        };
        context.client_ip = Some(client.ip);
        let request = session.req_header_mut();
        if let Some(answer) = runtime.challenges.answer(request) {
            return Some(answer);
        }
        if let Err(refusal) = self.find_route(request, context, &runtime, &client) {
            return Some(Answer::Refusal(refusal));
        }
        if let Some(route) = &context.route {
            let choice = record::choice(route);
            context.trace = Some(self.telemetry.trace(request, trusted, choice));
        }
        forward::clean(request, trusted);
        self.run_plugins(request, context, &runtime).await
    }

    fn find_route(
        &self,
        request: &RequestHeader,
        context: &mut Context,
        runtime: &Runtime,
        client: &Client,
    ) -> Result<(), Refusal> {
        head::check(request)?;
        let authority = host::authority(request).map_err(|detail| head::refusal(Reason::HostRejected, detail))?;
        check_name(context, runtime, authority.as_ref())?;
        let path = path::canonical(request.uri.path()).map_err(|detail| head::refusal(Reason::PathRejected, detail))?;
        let scheme = forward::scheme(request, client.tls, context.forward.from_trusted_proxy);
        let port = authority.as_ref().and_then(|authority| authority.port);
        let wanted = Wanted {
            host: authority.as_ref().map(|authority| &authority.host),
            port: Some(port.unwrap_or(scheme.default_port())),
            scheme,
            path: &path,
            method: &request.method,
            headers: &request.headers,
            query: request.uri.query(),
            sni: context.tls.as_ref().and_then(|tls| tls.server_name.as_deref()),
            source: client.ip,
            kind: router::kind_of(&request.headers, None),
        };
        let found = find(runtime, &wanted).map_err(|no_match| refuse(&no_match, &request.method, &path))?;
        let route = runtime.routes.get(&found.route).cloned();
        let route = route.ok_or_else(|| head::refusal(Reason::InternalError, "The route is gone."))?;
        // Of a call each message has the limit, however many there are.
        let called = Dialect::of(&request.headers).is_some() && route.service.version != Version::Http1;
        head::check_length(request, route.body_limit.filter(|_| !called))?;
        let seen = path.seen(route.merge_slashes);
        context.forward = forwarding(&route, &found, seen, context.forward.from_trusted_proxy);
        // `/ex../a` has no dot segment until the prefix `/ex` is gone.
        if path::has_dot_segment(&context.forward.rest) {
            return Err(head::refusal(
                Reason::PathRejected,
                "The path has a dot segment behind the route's prefix.",
            ));
        }
        context.facts = Some(Facts {
            received_at: self.clock.now(),
            request_id: context.request_id.clone(),
            client_ip: client.ip,
            scheme,
            host: authority
                .as_ref()
                .map(|authority| authority.host.as_str().to_owned())
                .unwrap_or_default(),
            path: seen.to_owned(),
            query: request.uri.query().map(str::to_owned),
            parameters: found.parameters,
            route: route.id,
            service: route.service.id,
            identity: None,
            response_headers: Vec::new(),
        });
        context.forward.authority = authority;
        context.route = Some(route);
        Ok(())
    }

    async fn run_plugins(
        &self,
        request: &mut RequestHeader,
        context: &mut Context,
        runtime: &Runtime,
    ) -> Option<Answer> {
        let route = context.route.clone()?;
        for link in route.chain.before_identity() {
            if let Some(answer) = run(link, request, context, runtime).await {
                return Some(answer);
            }
        }
        let identity = context.facts.as_ref().and_then(|facts| facts.identity.clone());
        let groups = match runtime.access(identity.as_ref(), route.service.id) {
            Access::Granted(groups) => groups,
            Access::SubscriptionMissing if !route.authenticates => Vec::new(),
            Access::SubscriptionMissing => {
                let detail = "The application has no approved subscription that covers this API.";
                return Some(Answer::Refusal(head::refusal(Reason::SubscriptionMissing, detail)));
            }
        };
        let chain = runtime.chain_for(&route, identity.as_ref(), &groups);
        for link in chain.after_identity() {
            if let Some(answer) = run(link, request, context, runtime).await {
                return Some(answer);
            }
        }
        None
    }
}

/// Refuses a host whose clients have to prove more than the name did that the connection was made for.
fn check_name(context: &Context, runtime: &Runtime, authority: Option<&Authority>) -> Result<(), Refusal> {
    let (Some(tls), Some(authority)) = (&context.tls, authority) else {
        return Ok(());
    };
    let host = authority.host.as_str();
    if runtime.tls.misdirects(tls.server_name.as_deref(), tls.verified, host) {
        let detail = "This connection was made for another name; make one for this host.";
        return Err(head::refusal(Reason::MisdirectedRequest, detail));
    }
    Ok(())
}

/// Where the request comes from.
struct Client {
    ip: IpAddr,
    tls: bool,
}

async fn run(link: &Link, request: &mut RequestHeader, context: &mut Context, runtime: &Runtime) -> Option<Answer> {
    let facts = context.facts.as_mut()?;
    context.ran.push(Arc::clone(&link.filter));
    let mut exchange = Exchange {
        request,
        facts,
        directory: &runtime.known,
    };
    let flow = match link.filter.on_request(&mut exchange) {
        Outcome::Ready(flow) => flow,
        Outcome::Later(decision) => match timeout(limits::PLUGIN, decision).await {
            Ok(flow) => flow,
            Err(_) => Flow::refuse(
                Reason::InternalError,
                format!("The plugin {} did not decide in time.", link.plugin),
            ),
        },
    };
    match flow {
        Flow::Continue => None,
        Flow::Respond(answer) => Some(*answer),
    }
}

/// A preflight request asks about the method that will follow, so where its own has no route the other's counts.
fn find(runtime: &Runtime, wanted: &Wanted<'_>) -> Result<Match, NoMatch> {
    let found = runtime.router.find(wanted);
    let asked = wanted
        .headers
        .get(ACCESS_CONTROL_REQUEST_METHOD)
        .and_then(|name| Method::from_bytes(name.as_bytes()).ok());
    match (found, asked) {
        (Err(NoMatch::Method(_)), Some(method))
            if wanted.method == Method::OPTIONS && wanted.headers.contains_key(ORIGIN) =>
        {
            runtime.router.find(&Wanted {
                method: &method,
                ..*wanted
            })
        }
        (found, _) => found,
    }
}

fn refuse(no_match: &NoMatch, method: &Method, path: &CanonicalPath<'_>) -> Refusal {
    match no_match {
        NoMatch::NotFound => head::refusal(
            Reason::RouteNotFound,
            format!("No route matches {method} {}.", path.plain),
        ),
        NoMatch::EncodedSlash => head::refusal(Reason::PathRejected, "The path has an encoded slash."),
        NoMatch::Method(methods) => answer::method_not_allowed(methods),
    }
}

fn forwarding(route: &Route, found: &Match, path: &str, from_trusted_proxy: bool) -> Forward {
    let strip = route.strip_path && found.matched > 0;
    let (prefix, rest) = if strip {
        path.split_at(found.matched)
    } else {
        ("", path)
    };
    let prefix = prefix.trim_end_matches('/');
    Forward {
        authority: None,
        rest: rest.to_owned(),
        stripped_prefix: (!prefix.is_empty()).then(|| prefix.to_owned()),
        from_trusted_proxy,
    }
}
