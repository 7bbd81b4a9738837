//! What is done with each request.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue};
use model::credential::KeySecret;
use model::reason::Reason;
use model::snapshot::ConsumerStatus;
use pingora_http::RequestHeader;

use super::KeyAuth;
use crate::directory::Identity;
use crate::exchange::{Answer, Exchange, Flow, Outcome, Refusal};
use crate::plugin::Filter;
use crate::query;
use crate::services::Services;

/// No key is longer; more is not even hashed.
const MAX_KEY_LENGTH: usize = 512;

pub(super) struct KeyFilter {
    headers: Vec<HeaderName>,
    config: KeyAuth,
    key_brand: Arc<str>,
}

/// What a request brought.
enum Presented {
    None,
    One(KeySecret),
    Several,
}

impl Presented {
    fn add(self, key: &str) -> Self {
        match self {
            known if key.is_empty() => known,
            Self::None => Self::One(KeySecret::presented(key)),
            Self::One(known) if known.expose() == key => Self::One(known),
            _ => Self::Several,
        }
    }
}

impl KeyFilter {
    pub(super) fn new(config: KeyAuth, services: &Services) -> Result<Self, String> {
        let headers = config
            .headers
            .iter()
            .map(|name| HeaderName::from_bytes(name.as_bytes()));
        let headers = headers.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        Ok(Self {
            headers,
            config,
            key_brand: services.key_brand.clone(),
        })
    }

    fn presented(&self, request: &RequestHeader, query: Option<&str>) -> Presented {
        let mut presented = Presented::None;
        for name in &self.headers {
            for value in request.headers.get_all(name) {
                presented = presented.add(&String::from_utf8_lossy(value.as_bytes()));
            }
        }
        if self.config.bearer {
            for value in request.headers.get_all(AUTHORIZATION) {
                if let Some(token) = bearer(&String::from_utf8_lossy(value.as_bytes())) {
                    presented = presented.add(token);
                }
            }
        }
        let query = query.unwrap_or_default();
        for name in &self.config.query_parameters {
            for value in query::values(query, name) {
                presented = presented.add(&value);
            }
        }
        presented
    }

    fn authenticate(&self, exchange: &mut Exchange<'_>) -> Flow {
        let key = match self.presented(exchange.request, exchange.facts.query.as_deref()) {
            Presented::One(key) => key,
            Presented::None => return self.without_key(exchange),
            Presented::Several => return self.refuse(Reason::BadRequest, "The request has several different keys."),
        };
        if self.config.hide_credentials {
            self.hide(exchange);
        }
        if key.expose().len() > MAX_KEY_LENGTH {
            return self.refuse(Reason::CredentialUnknown, "This is not a key: it is too long.");
        }
        if key.is_mistyped(&self.key_brand) {
            return self.refuse(
                Reason::CredentialUnknown,
                "The key was not copied correctly: its check digits are wrong.",
            );
        }
        let Some(found) = exchange.directory.find_key(&key) else {
            return self.refuse(Reason::CredentialUnknown, "There is no such key.");
        };
        match found.admit(exchange.facts.received_at, exchange.facts.client_ip) {
            Ok(identity) => {
                exchange.facts.identity = Some(identity);
                Flow::Continue
            }
            Err(reason) => self.refuse(reason, why_not(reason, exchange.facts.client_ip)),
        }
    }

    fn without_key(&self, exchange: &mut Exchange<'_>) -> Flow {
        let Some(name) = &self.config.anonymous_consumer else {
            if self.config.optional {
                return Flow::Continue;
            }
            return self.refuse(Reason::CredentialMissing, self.where_to_send());
        };
        match exchange.directory.find_consumer(name) {
            Some(consumer) if consumer.row.status == ConsumerStatus::Active => {
                exchange.facts.identity = Some(Identity {
                    consumer,
                    credential: None,
                    credential_identifier: None,
                });
                Flow::Continue
            }
            _ => self.refuse(Reason::CredentialMissing, self.where_to_send()),
        }
    }

    fn where_to_send(&self) -> Cow<'static, str> {
        let place = match (self.config.headers.first(), self.config.query_parameters.first()) {
            (Some(name), _) => format!("in the header `{name}`"),
            (None, _) if self.config.bearer => "as `Authorization: Bearer`".to_owned(),
            (None, Some(name)) => format!("in the query parameter `{name}`"),
            (None, None) => String::new(),
        };
        format!("Send your API key {place}.").into()
    }

    fn hide(&self, exchange: &mut Exchange<'_>) {
        for name in &self.headers {
            exchange.request.remove_header(name);
        }
        if self.config.bearer {
            hide_bearer(exchange.request);
        }
        let names = &self.config.query_parameters;
        let hidden = |name: &str| names.iter().any(|hidden| hidden == name);
        if let Some(query) = &exchange.facts.query
            && query.split('&').any(|pair| hidden(&query::name(pair)))
        {
            exchange.facts.query = query::without(query, hidden);
        }
    }

    fn refuse(&self, reason: Reason, detail: impl Into<Cow<'static, str>>) -> Flow {
        let mut headers = Vec::new();
        if reason.status() == 401 {
            // RFC 6750, section 3.1: no error code when the request brought nothing.
            let challenge = match (self.config.bearer, reason) {
                (false, _) => "Key realm=\"gatehouse\"",
                (true, Reason::CredentialMissing) => "Bearer realm=\"gatehouse\"",
                (true, _) => "Bearer realm=\"gatehouse\", error=\"invalid_token\"",
            };
            headers.push((WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
        }
        Flow::Respond(Box::new(Answer::Refusal(Refusal {
            reason,
            detail: detail.into(),
            headers,
        })))
    }
}

impl Filter for KeyFilter {
    fn on_request<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Outcome<'a> {
        Outcome::Ready(self.authenticate(exchange))
    }

    fn secret_parameters(&self) -> &[String] {
        &self.config.query_parameters
    }
}

/// Removes bearer tokens and leaves other credentials, which are for the service.
fn hide_bearer(request: &mut RequestHeader) {
    let is_bearer = |value: &HeaderValue| bearer(&String::from_utf8_lossy(value.as_bytes())).is_some();
    let values = request.headers.get_all(AUTHORIZATION);
    if !values.iter().any(is_bearer) {
        return;
    }
    let others: Vec<HeaderValue> = values.iter().filter(|value| !is_bearer(value)).cloned().collect();
    request.remove_header(&AUTHORIZATION);
    for value in others {
        // There is room: one more was there before.
        let _ = request.append_header(AUTHORIZATION, value);
    }
}

/// Why a key that is known does not count, for the one who has it.
fn why_not(reason: Reason, client_ip: IpAddr) -> Cow<'static, str> {
    match reason {
        Reason::CredentialDisabled => "This key is disabled.".into(),
        Reason::CredentialRevoked => "This key was revoked.".into(),
        Reason::CredentialExpired => "This key has expired.".into(),
        Reason::IpDenied => format!("This key may not be used from {client_ip}.").into(),
        Reason::ConsumerDisabled => "The consumer of this key is disabled.".into(),
        Reason::ApplicationSuspended => "The application of this key is suspended.".into(),
        other => other.title().into(),
    }
}

/// The token of an `Authorization` value of the scheme `Bearer`, which is compared without case (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
