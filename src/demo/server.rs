//! The demo shop as a web service: what the demo's routes lead to.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::web::{Data, Json, JsonConfig, Path, Query, ServiceConfig, get, post};
use actix_web::{App, HttpResponse, HttpServer, error};
use anyhow::{Context, Result};
use model::clock::{Clock as _, SystemClock};
use serde::Deserialize;
use serde_json::json;

use super::shop::{NewOrder, PRODUCTS, Shop, Status};

/// Binds the demo shop, and says where; several addresses are the several machines of an upstream.
pub(crate) fn bind(addresses: &[SocketAddr]) -> Result<(Server, Vec<SocketAddr>)> {
    let shop = Data::from(Arc::new(Shop::stocked(SystemClock.now())));
    let mut server = HttpServer::new(move || App::new().app_data(shop.clone()).configure(configure))
        .workers(1)
        .shutdown_timeout(2)
        .disable_signals();
    for address in addresses {
        let listener = TcpListener::bind(address)
            .with_context(|| format!("the demo cannot listen on {address}, set by GATEHOUSE_DEMO_LISTEN"))?;
        server = server.listen(listener)?;
    }
    let bound = server.addrs();
    Ok((server.run(), bound))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    status: Option<Status>,
    limit: Option<usize>,
}

fn configure(config: &mut ServiceConfig) {
    let invalid = |text: String| error::InternalError::from_response(text.clone(), bad_request(&text)).into();
    config
        .app_data(
            JsonConfig::default()
                .limit(16 * 1024)
                .error_handler(move |error, _| invalid(error.to_string())),
        )
        .route(
            "/health",
            get().to(async || HttpResponse::Ok().json(json!({"status": "ok"}))),
        )
        .route(
            "/products",
            get().to(async || HttpResponse::Ok().json(json!({"data": PRODUCTS}))),
        )
        .route("/orders", get().to(list_orders))
        .route("/orders", post().to(place_order))
        .route("/orders/{id}", get().to(get_order))
        .route("/orders/{id}/tracking", get().to(track_order));
}

async fn list_orders(shop: Data<Shop>, query: Result<Query<ListParameters>, actix_web::Error>) -> HttpResponse {
    match query {
        Ok(Query(ListParameters { status, limit })) => {
            let limit = limit.unwrap_or(20).clamp(1, 100);
            HttpResponse::Ok().json(json!({"data": shop.list(status, limit)}))
        }
        Err(error) => bad_request(&error.to_string()),
    }
}

async fn place_order(shop: Data<Shop>, order: Json<NewOrder>) -> HttpResponse {
    match shop.place(&order, SystemClock.now()) {
        Ok(order) => HttpResponse::Created()
            .insert_header(("location", format!("/orders/{}", order.id)))
            .json(order),
        Err(message) => bad_request(&message),
    }
}

async fn get_order(shop: Data<Shop>, id: Path<String>) -> HttpResponse {
    shop.get(&id)
        .map_or_else(|| no_order(&id), |order| HttpResponse::Ok().json(order))
}

async fn track_order(shop: Data<Shop>, id: Path<String>) -> HttpResponse {
    shop.tracking(&id)
        .map_or_else(|| no_order(&id), |events| HttpResponse::Ok().json(events))
}

fn bad_request(message: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({"error": message}))
}

fn no_order(id: &str) -> HttpResponse {
    HttpResponse::NotFound().json(json!({"error": format!("there is no order `{id}`")}))
}
