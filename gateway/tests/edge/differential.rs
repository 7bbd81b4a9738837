//! G-2: servers that people run see the requests that the gateway accepted, and no others.
//!
//! These take long and need servers that are not there everywhere: `make test-long` brings them.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::json;

use super::client::converse;
use super::corpus::{Case, cases, follow};
use super::servers::{APACHE, CADDY, GUNICORN, Kind, NODE, Seen, Server};
use super::support::Configuration;

/// Sends every case through a gateway to this server; how many requests of each were served.
async fn send(server: SocketAddr, cases: &[Case]) -> Vec<usize> {
    let gateway = Configuration::new()
        .service(1, &format!("http://{server}"))
        .route_with(2, 1, json!({"paths": ["/"], "strip_path": false}))
        .start();
    let address = gateway.proxy_addresses()[0];
    let sent = stream::iter(cases.iter().enumerate()).map(|(number, case)| async move {
        let conversation = converse(address, format!("{}{}", case.bytes, follow(number)).as_bytes()).await;
        // What the server says to its requests is its own matter, but it must have found them good.
        let refusal = |status: &u16| matches!(status, 400 | 408 | 411 | 413 | 502..=504);
        let refused = conversation.statuses.last().is_some_and(refusal);
        let served = conversation.statuses.len() - usize::from(refused);
        let odd = conversation.statuses[..served].iter().any(refusal);
        let wanted = case.served.len() + usize::from(!case.refused);
        // A server that answers before it has the body makes the gateway end the connection, which it says before.
        let closes = conversation.text.to_lowercase().contains("connection: close");
        let too_soon = served <= case.served.len() || case.begun;
        let early = served > 0 && !refused && closes && too_soon;
        let whole = served == wanted && refused == case.refused;
        assert!(!odd && (whole || early), "{case:?}: {}", conversation.text);
        served.min(wanted)
    });
    let served = sent.buffered(32).collect().await;
    gateway.stop().await;
    served
}

/// What a server must have seen when so many requests of each case were served.
fn expected(cases: &[Case], served: &[usize]) -> Vec<Seen> {
    let mut expected = Vec::new();
    for (number, (case, served)) in cases.iter().zip(served).enumerate() {
        let target = format!("/case/{number}");
        let requests = case.served.iter();
        let requests = requests.map(|(method, body)| ((*method).to_owned(), target.clone(), Some((*body).to_owned())));
        let follow = ("GET".to_owned(), format!("/follow/{number}"), Some(String::new()));
        expected.extend(requests.chain([follow]).take(*served));
    }
    expected.sort();
    expected
}

fn compare(mut seen: Vec<Seen>, cases: &[Case], served: &[usize]) {
    let mut expected = expected(cases, served);
    if seen.iter().all(|(.., body)| body.is_none()) {
        // Only heads are seen, so those of requests that broke off later may be among them, once.
        let broken = cases.iter().enumerate().filter(|(_, case)| case.begun);
        for (number, _) in broken {
            let target = format!("/case/{number}");
            let of_case = |list: &[Seen]| list.iter().filter(|one| one.1 == target).count();
            if of_case(&seen) == of_case(&expected) + 1 {
                let at = seen.iter().position(|one| one.1 == target && one.0 == "POST");
                seen.remove(at.expect("a POST"));
            }
        }
        for (.., body) in &mut expected {
            *body = None;
        }
    }
    seen.sort();
    for (seen, expected) in seen.iter().zip(&expected) {
        assert_eq!(seen, expected, "the server saw another request");
    }
    assert_eq!(seen.len(), expected.len(), "the server saw another number of requests");
}

async fn tried_on(kind: &Kind) {
    let (server, cases) = (Server::start(kind).await, cases());
    let served = send(server.address, &cases).await;
    compare(server.seen().await, &cases, &served);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes long and needs Apache, run by `make test-long`"]
async fn g_2_apache_sees_what_was_accepted() {
    tried_on(&APACHE).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes long and needs Caddy, run by `make test-long`"]
async fn g_2_caddy_sees_what_was_accepted() {
    tried_on(&CADDY).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes long and needs Node.js, run by `make test-long`"]
async fn g_2_node_sees_what_was_accepted() {
    tried_on(&NODE).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes long and needs Gunicorn, run by `make test-long`"]
async fn g_2_gunicorn_sees_what_was_accepted() {
    tried_on(&GUNICORN).await;
}

type Noted = Arc<Mutex<Vec<Seen>>>;

async fn note(noted: Data<Noted>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let body = String::from_utf8_lossy(&body).into_owned();
    let seen = (request.method().to_string(), request.uri().to_string(), Some(body));
    noted.lock().expect("whole").push(seen);
    HttpResponse::Ok().body("ok")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes long, run by `make test-long`"]
async fn g_2_actix_sees_what_was_accepted() {
    let (noted, cases) = (Noted::default(), cases());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let shared = Data::new(noted.clone());
    let app = move || App::new().app_data(shared.clone()).default_service(web::to(note));
    let server = HttpServer::new(app).workers(1).disable_signals().listen(listener);
    let server = server.expect("it listens").run();
    let handle = server.handle();
    tokio::spawn(server);
    let served = send(address, &cases).await;
    handle.stop(false).await;
    let seen = noted.lock().expect("whole").clone();
    compare(seen, &cases, &served);
}
