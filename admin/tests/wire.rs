//! The API over real connections: what only a socket shows.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::Api;

/// Serves the API on a free port of this machine until the test is over.
fn serve(api: &Api) -> SocketAddr {
    let data = web::Data::new(api.control.clone());
    let server = HttpServer::new(move || App::new().app_data(data.clone()).configure(admin::configure))
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .expect("a free port");
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.run());
    address
}

/// Sends a request and reads all that comes until the server closes.
async fn talk(address: SocketAddr, request: &[u8]) -> String {
    let talking = async {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(request).await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("read");
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(Duration::from_secs(20), talking)
        .await
        .expect("an answer in time")
}

#[actix_web::test]
async fn a_body_of_20_mb_is_refused_with_an_answer_that_the_client_reads() {
    let api = Api::start().await;
    let address = serve(&api);
    let token = api.token_for(&["services:write"]).await;
    let size = 20 << 20;
    let mut request = format!(
        "POST /api/v1/services HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n"
    )
    .into_bytes();
    request.resize(request.len() + size, b' ');
    let answer = talk(address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(
        answer.contains("application/problem+json") && answer.contains("body_too_large"),
        "{answer}"
    );
}

#[actix_web::test]
async fn head_answers_like_get_without_a_body() {
    let api = Api::start().await;
    let address = serve(&api);
    let token = api.token_for(&["services:read"]).await;
    let request = format!(
        "HEAD /api/v1/services HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    let answer = talk(address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[actix_web::test]
async fn many_clients_at_once_make_one_revision_each() {
    let api = Api::start().await;
    let address = serve(&api);
    let token = api.token_for(&["services:write"]).await;
    let calls = (0..40).map(|index| {
        let body = format!("{{\"name\": \"s{index}\", \"url\": \"http://x\"}}");
        let request = format!(
            "POST /api/v1/services HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        async move { talk(address, request.as_bytes()).await }
    });
    let mut revisions: Vec<i64> = futures_util::future::join_all(calls)
        .await
        .iter()
        .map(|answer| {
            assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
            let line = answer.lines().find_map(|line| line.strip_prefix("x-config-revision: "));
            line.and_then(|line| line.trim().parse().ok()).expect("a revision")
        })
        .collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=40).collect::<Vec<i64>>());
}
