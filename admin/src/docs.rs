//! The OpenAPI document, and Swagger UI to read and try it, served from this program alone.

use std::sync::{Arc, LazyLock};

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, Path, ServiceConfig};
use utoipa_swagger_ui::Config;

use crate::openapi;

const DOCUMENT_URL: &str = "/api/v1/openapi.json";
/// Swagger UI sets styles in its markup and has pictures in data URLs; everything else is its own files.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static DOCUMENT: LazyLock<web::Bytes> =
    LazyLock::new(|| serde_json::to_vec(&openapi::document()).unwrap_or_default().into());

static UI: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::from(DOCUMENT_URL)
        .validator_url("none")
        .default_models_expand_depth(0)
        .doc_expansion("none");
    Arc::new(config.filter(true).persist_authorization(false).with_credentials(true))
});

/// Mounts the document and the pages.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .route(DOCUMENT_URL, web::get().to(document))
        .route("/docs", web::get().to(async || see_other()))
        .route("/docs/{file:.*}", web::get().to(file));
}

async fn document() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(DOCUMENT.clone())
}

fn see_other() -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, "/docs/"))
        .finish()
}

async fn file(path: Path<String>) -> HttpResponse {
    let mut response = match utoipa_swagger_ui::serve(&path, UI.clone()) {
        Ok(Some(file)) => HttpResponse::Ok()
            .content_type(file.content_type)
            .body(file.bytes.into_owned()),
        Ok(None) => HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("There is no such page.\n"),
        Err(error) => {
            tracing::error!(%error, "a page of the documentation failed");
            HttpResponse::InternalServerError().finish()
        }
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        response
            .headers_mut()
            .insert(name, header::HeaderValue::from_static(value));
    }
    response
}
