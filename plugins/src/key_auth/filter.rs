//! What is done with each request.

use std::borrow::Cow;
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
                presented = presented.add(value.to_str().unwrap_or_default());
            }
        }
        if self.config.bearer {
            for value in request.headers.get_all(AUTHORIZATION) {
                if let Some(token) = value.to_str().ok().and_then(bearer) {
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
            Err(reason) => self.refuse(reason, reason.title()),
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
        let token = exchange
            .request
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(bearer);
        if self.config.bearer && token.is_some() {
            exchange.request.remove_header(&AUTHORIZATION);
        }
        if let Some(query) = exchange.facts.query.take() {
            let names = &self.config.query_parameters;
            exchange.facts.query = query::without(&query, |name| names.iter().any(|hidden| hidden == name));
        }
    }

    fn refuse(&self, reason: Reason, detail: impl Into<Cow<'static, str>>) -> Flow {
        let mut headers = Vec::new();
        if reason.status() == 401 {
            let challenge = if self.config.bearer {
                "Bearer realm=\"gatehouse\""
            } else {
                "Key realm=\"gatehouse\""
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
}

/// The token of an `Authorization` value of the scheme `Bearer`, which is compared without case (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
