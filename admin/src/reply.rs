//! Answers before they are sent: kept as plain values, so that they can be stored and given again.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use control::idempotency::Answer;
use serde::Serialize;
use serde_json::Value;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
}

impl Reply {
    /// An answer without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// JSON.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        // Nothing of ours has a map with other keys than text, the one thing that JSON cannot say.
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self {
            body,
            ..Self::empty(status)
        }
        .with_type("application/json")
    }

    /// 200 with JSON.
    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// The same with a header; one of this name that was there goes.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
        self
    }

    /// The same with a header of our own making.
    pub(crate) fn with_text(self, name: &'static str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => self.with_header(HeaderName::from_static(name), value),
            Err(_) => self,
        }
    }

    /// The same with another media type.
    pub(crate) fn with_type(self, media_type: &'static str) -> Self {
        self.with_header(header::CONTENT_TYPE, HeaderValue::from_static(media_type))
    }

    /// The JSON in it; `null` when there is none.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The same with another status and body.
    pub(crate) fn replaced(self, status: StatusCode, body: &impl Serialize) -> Self {
        let headers = self
            .headers
            .into_iter()
            .filter(|(name, _)| *name != header::CONTENT_TYPE);
        headers.fold(Self::json(status, body), |reply, (name, value)| {
            reply.with_header(name, value)
        })
    }

    /// The same with another member in its JSON object.
    pub(crate) fn with_member(mut self, name: &str, member: &impl Serialize) -> Self {
        let mut value = self.value();
        if let Some(members) = value.as_object_mut() {
            members.insert(name.to_owned(), serde_json::json!(member));
            self.body = serde_json::to_vec(&value).unwrap_or_default();
        }
        self
    }

    /// As it is kept for a repeated request.
    pub(crate) fn kept(&self) -> Answer {
        let text = |value: &HeaderValue| value.to_str().map(str::to_owned).ok();
        let headers = self
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), text(value)?)));
        Answer {
            status: self.status.as_u16(),
            headers: headers.collect(),
            body: self.body.clone(),
        }
    }

    /// The answer that was kept.
    pub(crate) fn of_kept(answer: Answer) -> Self {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
        let headers = answer.headers.iter().filter_map(|(name, value)| {
            Some((
                HeaderName::try_from(name.as_str()).ok()?,
                HeaderValue::from_str(value).ok()?,
            ))
        });
        let reply = Self {
            status,
            headers: headers.collect(),
            body: answer.body,
        };
        reply.with_text("idempotency-replayed", "true")
    }

    /// The response itself.
    pub(crate) fn into_response(self, request_id: &str) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status);
        for header in self.headers {
            response.insert_header(header);
        }
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
        response.insert_header(("x-request-id", request_id));
        if self.body.is_empty() {
            response.finish()
        } else {
            response.body(self.body)
        }
    }
}
