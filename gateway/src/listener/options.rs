//! How Pingora serves connections at the edge.

use std::time::Duration;

use pingora::apps::HttpServerOptions;
use pingora::protocols::http::v2::server::H2Options;

use crate::config::limits;

/// Bytes that a client may send on one stream before it waits.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Bytes that a client may send on one connection before it waits.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Requests at once on one connection.
const STREAMS: u32 = 100;
/// Streams of one connection that the library had to reset for the client's mistakes.
const MISTAKES: usize = 100;

/// What a client may do on an HTTP/2 connection.
pub(crate) fn h2_options() -> H2Options {
    let mut options = H2Options::new();
    options
        .max_header_list_size(u32::try_from(limits::HEADERS).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_local_error_reset_streams(Some(MISTAKES))
        .max_send_buffer_size(limits::SEND_BUFFER);
    options
}

/// How connections are kept.
pub(crate) fn server_options() -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.keepalive_request_limit = Some(limits::REQUESTS_PER_CONNECTION);
    options.h2_idle_timeout = Some(Duration::from_secs(limits::KEEP_ALIVE));
    options
}
