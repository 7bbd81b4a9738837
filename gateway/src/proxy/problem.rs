//! A refusal in the form that the client asked for: JSON (RFC 9457), a page, text, or the status of a gRPC call.

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, HeaderValue};
use plugins::Refusal;

use super::grpc::{self, Dialect};
use crate::guard::problem_json;

/// The forms of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Html,
    Text,
    Grpc(Dialect),
}

impl Form {
    /// A call of gRPC gets a status of gRPC; else the form that `Accept` prefers (RFC 9110, section 12.5.1), JSON when it
    /// prefers none.
    pub(super) fn asked(headers: &HeaderMap) -> Self {
        if let Some(dialect) = Dialect::of(headers) {
            return Self::Grpc(dialect);
        }
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<(String, f32)> = values.flat_map(|value| value.split(',')).map(range).collect();
        let mut best = (Self::Json, Self::Json.weight(&ranges));
        for form in [Self::Html, Self::Text] {
            let weight = form.weight(&ranges);
            if weight > best.1 {
                best = (form, weight);
            }
        }
        best.0
    }

    /// How much a client wants it: of the ranges that fit, the most specific one counts.
    fn weight(self, ranges: &[(String, f32)]) -> f32 {
        let (types, group): (&[&str], &str) = match self {
            Self::Json => (&["application/problem+json", "application/json"], "application/*"),
            Self::Html => (&["text/html", "application/xhtml+xml"], "text/*"),
            Self::Text => (&["text/plain"], "text/*"),
            Self::Grpc(_) => return 0.0,
        };
        let of = |name: &str| {
            ranges
                .iter()
                .find(|(range, _)| range == name)
                .map(|(_, weight)| *weight)
        };
        let exact = types.iter().filter_map(|name| of(name)).reduce(f32::max);
        exact.or_else(|| of(group)).or_else(|| of("*/*")).unwrap_or(0.0)
    }

    /// The media type of its bodies.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/problem+json",
            Self::Html => "text/html; charset=utf-8",
            Self::Text => "text/plain; charset=utf-8",
            Self::Grpc(dialect) => dialect.content_type(),
        }
    }

    /// The HTTP status of a refusal; a call of gRPC has its own, and HTTP did its part.
    pub(super) const fn status(self, refusal: &Refusal) -> u16 {
        match self {
            Self::Grpc(_) => 200,
            _ => refusal.reason.status(),
        }
    }

    /// The headers that belong to the form, but for the content type.
    pub(super) fn headers(self, refusal: &Refusal) -> Vec<(HeaderName, HeaderValue)> {
        match self {
            Self::Grpc(_) => grpc::headers(refusal),
            _ => Vec::new(),
        }
    }

    /// The refusal in this form.
    pub(super) fn body(self, refusal: &Refusal, request_id: &str) -> Bytes {
        match self {
            Self::Json => problem_json(refusal.reason, &refusal.detail, request_id),
            Self::Html => html_body(refusal, request_id),
            Self::Text => text_body(refusal, request_id),
            Self::Grpc(_) => String::new(),
        }
        .into()
    }
}

/// A media range with its weight; a weight that is none counts as 0.
fn range(text: &str) -> (String, f32) {
    let text = text.to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().unwrap_or_default().to_owned();
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map(|weight| {
        let read = weight.parse::<f32>().ok();
        read.filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0)
    });
    (range, weight.unwrap_or(1.0))
}

fn html_body(refusal: &Refusal, request_id: &str) -> String {
    let reason = refusal.reason;
    let (status, title, advice, code) = (reason.status(), reason.title(), reason.advice(), reason.code());
    let (detail, request_id) = (escaped(&refusal.detail), escaped(request_id));
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{status} {title}</title>\n\
         <h1>{title}</h1>\n<p>{detail}\n<p>{advice}\n<p><small>{status} {code}, request {request_id}</small>\n"
    )
}

fn text_body(refusal: &Refusal, request_id: &str) -> String {
    let reason = refusal.reason;
    let (title, advice) = (reason.title(), reason.advice());
    format!(
        "{title}: {}\n{advice}\n{} {}, request {request_id}\n",
        refusal.detail,
        reason.status(),
        reason.code()
    )
}

/// Details may repeat what a client sent.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use model::reason::Reason;

    fn asked(accept: &'static str) -> Form {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        Form::asked(&headers)
    }

    #[test]
    fn browsers_get_a_page_and_programs_get_json() {
        assert_eq!(
            asked("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            Form::Html
        );
        assert_eq!(asked("*/*"), Form::Json);
        assert_eq!(asked("application/json, text/plain, */*"), Form::Json);
        assert_eq!(asked("text/plain"), Form::Text);
        assert_eq!(asked("text/html;q=0.5, application/json"), Form::Json);
        assert_eq!(asked("image/png"), Form::Json);
        assert_eq!(asked("text/html;q=0, text/*"), Form::Text);
        assert_eq!(asked("Text/HTML;Q=0.9, */*;q=0.1"), Form::Html);
        assert_eq!(asked("text/html;q=nan, application/json;q=0.1"), Form::Json);
        assert_eq!(Form::asked(&HeaderMap::new()), Form::Json);
    }

    #[test]
    fn a_page_shows_what_was_sent_as_text() {
        let refusal = Refusal {
            reason: Reason::RouteNotFound,
            detail: "No route matches GET /<script>.".into(),
            headers: Vec::new(),
        };
        let page = Form::Html.body(&refusal, "abc");
        let page = std::str::from_utf8(&page).expect("text");
        assert!(page.contains("/&lt;script&gt;.") && !page.contains("<script"), "{page}");
    }
}
