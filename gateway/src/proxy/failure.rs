//! Which reason stands for a failure on the way to the service.

use model::reason::Reason;
use pingora::{Error, ErrorSource, ErrorType};

/// The error that carries a reason of ours through the proxy.
pub(super) const BODY_TOO_LARGE: ErrorType = ErrorType::CustomCode("BodyTooLarge", 413);
/// No target could be asked.
pub(super) const NO_TARGET: ErrorType = ErrorType::CustomCode("NoTarget", 503);
/// A plugin refused a piece of the body.
pub(super) const BODY_REFUSED: ErrorType = ErrorType::CustomCode("BodyRefused", 400);

/// The reason of a failure; `None` when the client went away, so that nobody is left to answer.
pub(super) fn reason(error: &Error) -> Option<Reason> {
    use ErrorType::{
        ConnectError, ConnectNoRoute, ConnectProxyFailure, ConnectRefused, ConnectTimedout, ConnectionClosed,
        HandshakeError, InvalidCert, ReadError, ReadTimedout, TLSHandshakeFailure, TLSHandshakeTimedout, WriteError,
        WriteTimedout,
    };
    let kind = error.etype();
    if *kind == BODY_TOO_LARGE {
        return Some(Reason::BodyTooLarge);
    }
    if *kind == NO_TARGET {
        return Some(Reason::UpstreamUnavailable);
    }
    if matches!(error.esource(), ErrorSource::Downstream) {
        let gone = matches!(
            kind,
            ReadError | WriteError | ConnectionClosed | ReadTimedout | WriteTimedout
        );
        return if gone { None } else { Some(Reason::BadRequest) };
    }
    Some(match kind {
        ConnectTimedout | ConnectRefused | ConnectNoRoute | ConnectError | ConnectProxyFailure
        | TLSHandshakeFailure | TLSHandshakeTimedout | InvalidCert | HandshakeError => Reason::UpstreamUnreachable,
        ReadTimedout | WriteTimedout => Reason::UpstreamTimeout,
        _ if matches!(error.esource(), ErrorSource::Upstream) => Reason::UpstreamReset,
        _ => Reason::InternalError,
    })
}

/// What the client reads; what exactly broke is in the log, not in the answer.
pub(super) fn detail(reason: Reason, service: &str) -> String {
    match reason {
        Reason::UpstreamUnreachable => format!("No connection to the service `{service}` could be made."),
        Reason::UpstreamTimeout => format!("The service `{service}` did not answer in time."),
        Reason::UpstreamReset => format!("The service `{service}` broke off or answered badly."),
        Reason::UpstreamUnavailable => format!("The service `{service}` has no target that could be asked."),
        Reason::BodyTooLarge => super::head::body_too_large().detail.into_owned(),
        other => other.title().to_owned(),
    }
}
