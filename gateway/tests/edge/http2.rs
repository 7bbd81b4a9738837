//! G-5, G-6: what HTTP/2 could carry into HTTP/1, and what it could make the gateway do.

use super::frames::{
    CONTINUATION, Connection, DATA, END_HEADERS, END_STREAM, End, Frame, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, get,
};
use super::support::{Configuration, id};
use super::{open_gateway, refused_by, support};
use serde_json::json;

/// A request that is not one: fields in place of or besides those of a plain one, and a body.
struct Case {
    name: &'static str,
    fields: Vec<(&'static str, &'static str)>,
    body: Option<&'static [u8]>,
}

fn with(name: &'static str, more: &[(&'static str, &'static str)]) -> Case {
    let fields = get("/x").into_iter().chain(more.iter().copied()).collect();
    Case {
        name,
        fields,
        body: None,
    }
}

fn without(name: &'static str, field: &str) -> Case {
    let fields = get("/x").into_iter().filter(|(name, _)| *name != field).collect();
    Case {
        name,
        fields,
        body: None,
    }
}

fn instead(name: &'static str, field: &str, value: &'static str) -> Case {
    let mut fields = get("/x");
    for (_, old) in fields.iter_mut().filter(|(name, _)| *name == field) {
        *old = value;
    }
    Case {
        name,
        fields,
        body: None,
    }
}

fn post(name: &'static str, more: &[(&'static str, &'static str)], body: &'static [u8]) -> Case {
    let mut case = with(name, more);
    case.fields[0].1 = "POST";
    case.body = Some(body);
    case
}

fn cases() -> Vec<Case> {
    let mut late = with("a pseudo header after others", &[]);
    late.fields.rotate_left(1);
    late.fields.insert(0, ("x-first", "1"));
    vec![
        with("connection", &[("connection", "close")]),
        with("keep-alive", &[("keep-alive", "5")]),
        with("proxy-connection", &[("proxy-connection", "close")]),
        with("upgrade", &[("upgrade", "websocket")]),
        with("te", &[("te", "gzip")]),
        post("transfer-encoding", &[("transfer-encoding", "chunked")], b"0\r\n\r\n"),
        with("an upper-case name", &[("X-Upper", "1")]),
        with("a space in a name", &[("x a", "1")]),
        with("a colon in a name", &[("x:a", "1")]),
        with("a line end in a name", &[("x\r\ny", "1")]),
        with("an empty name", &[("", "1")]),
        with("a line end in a value", &[("x-a", "1\r\nx-b: 2")]),
        with("a line feed in a value", &[("x-a", "1\nx-b: 2")]),
        with("a carriage return in a value", &[("x-a", "1\rx")]),
        with("a null in a value", &[("x-a", "1\0")]),
        with("two hosts", &[("host", "b.example")]),
        with("an unknown pseudo header", &[(":x", "1")]),
        with("a status", &[(":status", "200")]),
        with("two paths", &[(":path", "/y")]),
        with("two methods", &[(":method", "POST")]),
        with("two authorities", &[(":authority", "b.example")]),
        with("two schemes", &[(":scheme", "https")]),
        late,
        without("no method", ":method"),
        without("no path", ":path"),
        without("no scheme", ":scheme"),
        instead("an empty path", ":path", ""),
        instead("a space in the path", ":path", "/x HTTP/1.1"),
        instead(
            "a line end in the path",
            ":path",
            "/x HTTP/1.1\r\nHost: b\r\n\r\nGET /y",
        ),
        instead("a path without a slash", ":path", "x"),
        instead("a URL as path", ":path", "http://b.example/x"),
        instead("a null in the path", ":path", "/\0"),
        instead("a space in the method", ":method", "GET /y HTTP/1.1"),
        instead("a line end in the method", ":method", "GET\r\n"),
        instead("an empty method", ":method", ""),
        instead("a user in the authority", ":authority", "u@a.example"),
        instead("a path in the authority", ":authority", "a.example/y"),
        instead("a line end in the authority", ":authority", "a\r\nx: y"),
        instead("a space in the authority", ":authority", "a b"),
    ]
}

/// Bodies that are not as long as is said.
fn lengths() -> Vec<Case> {
    vec![
        post("a body longer than its length", &[("content-length", "3")], b"hello"),
        post("a body shorter than its length", &[("content-length", "9")], b"hello"),
        post("a length with a sign", &[("content-length", "+5")], b"hello"),
        post(
            "two lengths",
            &[("content-length", "5"), ("content-length", "6")],
            b"hello",
        ),
        post(
            "the same length twice",
            &[("content-length", "5"), ("content-length", "5")],
            b"hello",
        ),
        post("an empty length", &[("content-length", "")], b""),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn g_5_nothing_that_is_not_http_1_comes_out_of_http_2() {
    let (gateway, recorder) = open_gateway().await;
    for case in cases().into_iter().chain(lengths()) {
        let mut connection = Connection::open(gateway.proxy_addresses()[0]).await;
        let flags = END_HEADERS | if case.body.is_none() { END_STREAM } else { 0 };
        let mut bytes = Frame::new(HEADERS, flags, 1, &block(&case.fields)).bytes();
        if let Some(body) = case.body {
            bytes.extend(Frame::new(DATA, END_STREAM, 1, body).bytes());
        }
        connection.send(&bytes).await;
        let end = connection.end().await;
        assert!(!matches!(end, End::Status(200)), "{}: {end:?}", case.name);
        assert!(recorder.seen().is_empty(), "{}: {:?}", case.name, recorder.seen());
        assert!(recorder.faults().is_empty(), "{}: {:?}", case.name, recorder.faults());
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_5_a_plain_request_is_served_by_hand_written_frames() {
    let (gateway, recorder) = open_gateway().await;
    let mut connection = Connection::open(gateway.proxy_addresses()[0]).await;
    let fields = [
        get("/x?y"),
        vec![("te", "trailers"), ("cookie", "a=b"), ("cookie", "c=d")],
    ]
    .concat();
    connection
        .send(&Frame::new(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields)).bytes())
        .await;
    assert_eq!(connection.end().await, End::Status(200));
    let seen = recorder.seen().pop().expect("one");
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/x?y"));
    // HTTP/1.1 has one line of cookies only.
    let cookies: Vec<_> = seen.headers.iter().filter(|(name, _)| name == "cookie").collect();
    assert_eq!(cookies, [&("cookie".to_owned(), "a=b; c=d".to_owned())]);
    assert!(recorder.faults().is_empty(), "{:?}", recorder.faults());
    gateway.stop().await;
}

/// The frames of a flood, again and again with other streams.
fn flood(kind: &str, round: u32) -> Vec<u8> {
    let stream = round * 2 + 1;
    let open = || Frame::new(HEADERS, END_HEADERS | END_STREAM, stream, &block(&get("/x"))).bytes();
    match kind {
        "ping" => Frame::new(PING, 0, 0, &[0; 8]).bytes(),
        "settings" => Frame::new(SETTINGS, 0, 0, &[]).bytes(),
        "priority" => Frame::new(PRIORITY, 0, stream, &[0, 0, 0, 0, 1]).bytes(),
        "unknown" => Frame::new(0x20, 0, 0, &[]).bytes(),
        "reset" => [open(), Frame::new(RST_STREAM, 0, stream, &[0, 0, 0, 8]).bytes()].concat(),
        // The gateway is brought to reset the stream itself, which costs it as much.
        "made reset" => [open(), Frame::new(WINDOW_UPDATE, 0, stream, &[0; 4]).bytes()].concat(),
        "late data" => [open(), Frame::new(DATA, 0, stream, b"x").bytes()].concat(),
        "window" => Frame::new(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).bytes(),
        "data" if round == 0 => Frame::new(HEADERS, END_HEADERS, 1, &block(&get("/x"))).bytes(),
        "data" => Frame::new(DATA, 0, 1, &[]).bytes(),
        "continuation" if round == 0 => Frame::new(HEADERS, 0, 1, &block(&get("/x"))).bytes(),
        "continuation" => Frame::new(CONTINUATION, 0, 1, &[]).bytes(),
        _ => unreachable!("no such flood"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g_6_floods_end_the_connection_and_nothing_else() {
    let (gateway, recorder) = open_gateway().await;
    let address = gateway.proxy_addresses()[0];
    for (kind, rule) in [
        ("ping", "http2_control_flood"),
        ("settings", "http2_control_flood"),
        ("priority", "http2_control_flood"),
        ("unknown", "http2_control_flood"),
        ("data", "http2_control_flood"),
        ("reset", "http2_reset_flood"),
        ("window", "http2_window_flood"),
        ("made reset", "http2_window_flood"),
        ("late data", ""),
        ("continuation", "http2_continuation_flood"),
    ] {
        let mut connection = Connection::open(address).await;
        let bytes: Vec<u8> = (0..3_000).flat_map(|round| flood(kind, round)).collect();
        connection.send(&bytes).await;
        let end = connection.last_words().await;
        assert!(matches!(end, End::GoAway(_) | End::Closed), "{kind}: {end:?}");
        if !["reset", "continuation", "late data"].contains(&kind) {
            refused_by(&gateway, rule).await;
        }
        assert_eq!(support::get(address, "/bystander", &[]).await.status, 200, "{kind}");
    }
    let forwarded = recorder.seen().iter().filter(|seen| seen.target == "/x").count();
    assert!(forwarded <= 200, "{forwarded}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_6_a_list_of_headers_that_unpacks_to_much_is_refused() {
    let (gateway, recorder) = open_gateway().await;
    let mut connection = Connection::open(gateway.proxy_addresses()[0]).await;
    // One entry of the table, named again and again by one byte.
    let mut bytes = block(&get("/x"));
    bytes.extend([0x40, 3]);
    bytes.extend(b"x-a");
    bytes.extend([0x7f, 0x81, 0x1e]);
    bytes.extend([b'a'; 4_000]);
    bytes.extend([0xbe; 8_000]);
    connection
        .send(&Frame::new(HEADERS, END_HEADERS | END_STREAM, 1, &bytes).bytes())
        .await;
    let end = connection.end().await;
    assert!(!matches!(end, End::Status(200)), "{end:?}");
    assert_eq!(recorder.begun(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_6_a_client_that_takes_nothing_does_not_hold_others_up() {
    let (gateway, recorder) = open_gateway().await;
    let address = gateway.proxy_addresses()[0];
    let mut connection = Connection::open(address).await;
    // INITIAL_WINDOW_SIZE is 0: no body may be sent on any stream.
    connection
        .send(&Frame::new(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).bytes())
        .await;
    for round in 0..100 {
        let fields = get("/held");
        let frame = Frame::new(HEADERS, END_HEADERS | END_STREAM, round * 2 + 1, &block(&fields));
        connection.send(&frame.bytes()).await;
    }
    recorder.wait_for(1).await;
    assert_eq!(support::get(address, "/bystander", &[]).await.status, 200);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_7_headers_that_do_not_end_end_the_connection() {
    let (gateway, recorder) = open_gateway().await;
    let mut connection = Connection::open(gateway.proxy_addresses()[0]).await;
    let mut post = get("/x");
    post[0].1 = "POST";
    // A request whose body goes on keeps the connection busy meanwhile.
    let open = Frame::new(HEADERS, END_HEADERS, 1, &block(&post)).bytes();
    let endless = Frame::new(HEADERS, END_STREAM, 3, &block(&get("/y"))).bytes();
    connection.send(&[open, endless].concat()).await;
    recorder.wait_for(1).await;
    let end = connection.last_words().await;
    assert!(matches!(end, End::GoAway(_)), "{end:?}");
    refused_by(&gateway, "head_time").await;
    assert_eq!(recorder.begun(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g_32_both_protocols_share_a_limit() {
    let recorder = super::recorder::Recorder::start().await;
    let gateway = Configuration::new()
        .service(1, &format!("http://{}", recorder.address))
        .route(2, 1, "/")
        .plugin(
            3,
            "rate-limit",
            json!({"route": id(2)}),
            json!({"limits": [{"requests": 1, "window_seconds": 600}]}),
        )
        .start();
    let address = gateway.proxy_addresses()[0];
    assert_eq!(support::get(address, "/", &[]).await.status, 200);
    let mut connection = Connection::open(address).await;
    connection
        .send(&Frame::new(HEADERS, END_HEADERS | END_STREAM, 1, &block(&get("/"))).bytes())
        .await;
    assert_eq!(connection.end().await, End::Status(0));
    assert_eq!(recorder.seen().len(), 1);
    gateway.stop().await;
}
