//! Which reason stands for a failure on the way to the service.

use model::reason::Reason;

use crate::upstream::Pool;
use crate::upstream::client::{Failure, Fault};

/// There is nobody to ask.
pub(crate) fn no_target() -> Fault {
    Fault {
        nobody: true,
        ..Fault::unsent(Failure::Connect, "there is no target")
    }
}

/// There is nobody to ask in this pool.
pub(crate) fn no_target_of(pool: &Pool) -> Fault {
    if !pool.is_forbidden() {
        return no_target();
    }
    Fault {
        nobody: true,
        forbidden: true,
        ..Fault::unsent(Failure::Connect, "its targets have addresses that may not be reached")
    }
}

/// The reason of a failure.
pub(crate) const fn reason(fault: &Fault) -> Reason {
    match fault.failure {
        _ if fault.forbidden => Reason::UpstreamForbidden,
        _ if fault.nobody => Reason::UpstreamUnavailable,
        Failure::Connect | Failure::Tls => Reason::UpstreamUnreachable,
        Failure::Timeout => Reason::UpstreamTimeout,
        Failure::Reset | Failure::BadAnswer => Reason::UpstreamReset,
    }
}

/// What the client reads; what exactly broke is in the log, not in the answer.
pub(super) fn detail(reason: Reason, service: &str) -> String {
    match reason {
        Reason::UpstreamUnreachable => format!("No connection to the service `{service}` could be made."),
        Reason::UpstreamTimeout => format!("The service `{service}` did not answer in time."),
        Reason::UpstreamReset => format!("The service `{service}` broke off or answered badly."),
        Reason::UpstreamForbidden => format!("The service `{service}` is at an address that may not be reached."),
        Reason::UpstreamUnavailable => format!("The service `{service}` has no target that could be asked."),
        other => other.title().to_owned(),
    }
}
