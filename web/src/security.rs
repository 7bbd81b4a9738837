//! What every answer tells browsers to refuse, and what we refuse from them.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest};
use url::Url;

use crate::error::PageError;

/// No inline script or style anywhere, so no nonce is needed; charts keep their data in JSON blocks.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// Middleware around all pages: refuses writes that another site sends, and adds the headers.
pub async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<actix_web::body::EitherBody<B>>, Error> {
    // Pages are routed by GET. The server leaves the body out of its answer to HEAD by itself.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let mut response = if is_write(request.method()) && !same_origin(request.request()) {
        let (request, _) = request.into_parts();
        let refusal = actix_web::ResponseError::error_response(&PageError::ForeignOrigin);
        ServiceResponse::new(request, refusal).map_into_right_body()
    } else {
        next.call(request).await?.map_into_left_body()
    };
    for (name, value) in HEADERS {
        if !response.headers().contains_key(&name) {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    Ok(response)
}

fn is_write(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether the page that sends this is one of ours. Browsers always say so on writes; programs may say nothing.
fn same_origin(request: &HttpRequest) -> bool {
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = text(header::ORIGIN) else {
        return true;
    };
    let host = text(header::HOST).unwrap_or_default();
    Url::parse(origin).is_ok_and(|origin| origin[url::Position::BeforeHost..url::Position::AfterPort] == *host)
}

#[cfg(test)]
mod tests {
    use actix_web::middleware::from_fn;
    use actix_web::{App, HttpResponse, test as http, web};

    use super::*;

    async fn post(headers: &[(&str, &str)]) -> u16 {
        let scope = web::scope("")
            .wrap(from_fn(guard))
            .route("/", web::post().to(HttpResponse::Ok));
        let app = http::init_service(App::new().service(scope)).await;
        let mut request = http::TestRequest::post().uri("/");
        for header in headers {
            request = request.insert_header(*header);
        }
        http::call_service(&app, request.to_request()).await.status().as_u16()
    }

    #[actix_web::test]
    async fn a_write_from_another_site_is_refused() {
        let host = ("host", "gate.example:8001");
        assert_eq!(post(&[host, ("origin", "http://gate.example:8001")]).await, 200);
        assert_eq!(post(&[host, ("sec-fetch-site", "same-origin")]).await, 200);
        assert_eq!(post(&[host]).await, 200);
        for foreign in [
            "http://evil.example",
            "http://gate.example",
            "http://gate.example:8001.evil.example",
            "null",
        ] {
            assert_eq!(post(&[host, ("origin", foreign)]).await, 403, "{foreign}");
        }
        for site in ["cross-site", "same-site"] {
            assert_eq!(post(&[host, ("sec-fetch-site", site)]).await, 403, "{site}");
        }
    }

    #[actix_web::test]
    async fn every_answer_has_a_strict_policy() {
        let scope = web::scope("")
            .wrap(from_fn(guard))
            .route("/", web::get().to(HttpResponse::Ok));
        let app = http::init_service(App::new().service(scope)).await;
        let response = http::call_service(&app, http::TestRequest::get().to_request()).await;
        let policy = response
            .headers()
            .get(header::CONTENT_SECURITY_POLICY)
            .expect("set")
            .to_str()
            .expect("ascii");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
        assert_eq!(
            response.headers().get(header::X_CONTENT_TYPE_OPTIONS).expect("set"),
            "nosniff"
        );
    }
}
