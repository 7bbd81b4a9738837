//! After an answer that the client may not have expected yet: it is still sending.

use std::time::Duration;

use model::reason::Reason;
use pingora::protocols::http::ServerSession;
use tokio::time::timeout;

/// How long a client may go on to send what nobody wants.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// Whether the connection ends with this refusal: where its next request begins is not sure, or the client is about to
/// send a lot.
pub(super) const fn ends_connection(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::BadRequest
            | Reason::BodyTooLarge
            | Reason::HeaderTooLarge
            | Reason::RequestTimeout
            | Reason::TargetTooLong
    )
}

/// Reads what the client still sends. A connection that is closed before is reset, and the answer on it lost.
pub(super) async fn drain(session: &mut ServerSession) {
    if session.was_upgraded() {
        return;
    }
    let reading = async {
        loop {
            match session.read_request_body().await {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    };
    if !timeout(LINGER, reading).await.unwrap_or(false) {
        session.set_keepalive(None);
    }
}
