//! What is done with each request (the Fetch standard, section CORS protocol).

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use model::reason::Reason;

use super::config::{Cors, Origin};
use crate::exchange::{Answer, Exchange, Flow, Outcome, ResponseExchange};
use crate::plugin::Filter;

pub(super) struct CorsFilter {
    /// Whether one of the origins is `*`.
    any: bool,
    origins: Vec<Origin>,
    methods: HeaderValue,
    headers: Option<HeaderValue>,
    exposed: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

impl CorsFilter {
    pub(super) fn new(config: &Cors) -> Result<Self, String> {
        let list = |words: &[String]| HeaderValue::try_from(words.join(", ")).map_err(|error| error.to_string());
        let some_list = |words: &[String]| {
            if words.is_empty() {
                Ok(None)
            } else {
                list(words).map(Some)
            }
        };
        let origins = config.allow_origins.iter().map(|origin| Origin::parse(origin));
        let origins = origins.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            any: origins.contains(&Origin::Any),
            origins,
            methods: list(&config.allow_methods)?,
            headers: some_list(&config.allow_headers)?,
            exposed: some_list(&config.expose_headers)?,
            credentials: config.allow_credentials,
            max_age: HeaderValue::from(config.max_age_seconds),
        })
    }

    fn decide(&self, exchange: &mut Exchange<'_>) -> Flow {
        let headers = &exchange.request.headers;
        let promised = &mut exchange.facts.response_headers;
        if !self.any {
            // Caches must know that the answer depends on who asks, also when nobody does.
            promised.push((VARY, HeaderValue::from_name(ORIGIN)));
        }
        let Some(origin) = headers.get(ORIGIN) else {
            return Flow::Continue;
        };
        let preflight =
            exchange.request.method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !origin
            .to_str()
            .is_ok_and(|origin| self.origins.iter().any(|known| known.allows(origin)))
        {
            // Without the headers below the browser keeps the answer from the page; other clients do not care.
            return if preflight {
                Flow::refuse(Reason::OriginDenied, "Pages of this origin may not call.")
            } else {
                Flow::Continue
            };
        }
        let shown = if self.any {
            HeaderValue::from_static("*")
        } else {
            origin.clone()
        };
        promised.push((ACCESS_CONTROL_ALLOW_ORIGIN, shown));
        if self.credentials {
            promised.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
        }
        if preflight {
            return self.answer(headers.get(ACCESS_CONTROL_REQUEST_HEADERS), promised);
        }
        if let Some(exposed) = &self.exposed {
            promised.push((ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone()));
        }
        Flow::Continue
    }

    fn answer(&self, asked: Option<&HeaderValue>, promised: &mut Vec<(HeaderName, HeaderValue)>) -> Flow {
        let mut headers = vec![
            (ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone()),
            (ACCESS_CONTROL_MAX_AGE, self.max_age.clone()),
        ];
        if self.headers.is_none() {
            promised.push((VARY, HeaderValue::from_name(ACCESS_CONTROL_REQUEST_HEADERS)));
        }
        headers.extend(
            self.headers
                .as_ref()
                .or(asked)
                .map(|value| (ACCESS_CONTROL_ALLOW_HEADERS, value.clone())),
        );
        let (status, body) = (StatusCode::NO_CONTENT, Bytes::new());
        Flow::Respond(Box::new(Answer::Response { status, headers, body }))
    }
}

impl Filter for CorsFilter {
    fn on_request<'a>(&'a self, exchange: &'a mut Exchange<'_>) -> Outcome<'a> {
        Outcome::Ready(self.decide(exchange))
    }

    /// The service's own headers give way: two answers to one question confuse browsers.
    fn on_response(&self, exchange: &mut ResponseExchange<'_>) {
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
        ] {
            exchange.response.remove_header(&name);
        }
    }
}
