//! Every answer that the gateway gives by itself.
//!
//! The code is the vocabulary of problem bodies, logs, metrics, usage and pages; it never changes its meaning.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:literal, $title:literal, $advice:literal;)*) => {
        /// Why the gateway answered a request itself.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant),*];

            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status of the answer.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// What happened, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What the caller can do about it.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)* }
            }

            /// Reads the code again.
            pub fn parse(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.code() == code)
            }
        }
    };
}

reasons! {
    /// The request cannot be read as HTTP, or its path or host is not acceptable.
    BadRequest = "bad_request", 400, "Bad request", "Send a well-formed HTTP request.";
    /// The path holds something that different servers would read differently.
    PathRejected = "path_rejected", 400, "Path refused", "Send the path without encoded control characters, dot segments or encoded slashes.";
    /// The `Host` is missing, repeated or not a host.
    HostRejected = "host_rejected", 400, "Host refused", "Send one valid Host header.";
    /// The connection was opened for another name, whose rules for client certificates differ.
    MisdirectedRequest = "misdirected_request", 421, "Misdirected request", "Open a new connection for this host.";
    /// No route matches.
    RouteNotFound = "route_not_found", 404, "No route", "Check the host and the path of the URL.";
    /// A route matches but for the method.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed", "Use one of the methods in the Allow header.";
    /// The route needs a credential and the request has none.
    CredentialMissing = "credential_missing", 401, "Key missing", "Send your API key.";
    /// The credential is not known.
    CredentialUnknown = "credential_unknown", 401, "Key not known", "Check that the whole key was copied.";
    /// The credential was disabled.
    CredentialDisabled = "credential_disabled", 401, "Key disabled", "Ask for the key to be enabled, or use another.";
    /// The credential was revoked.
    CredentialRevoked = "credential_revoked", 401, "Key revoked", "Use another key.";
    /// The credential is past its end.
    CredentialExpired = "credential_expired", 401, "Key expired", "Rotate or create a key.";
    /// The address is not allowed.
    IpDenied = "ip_denied", 403, "Address not allowed", "Call from an allowed address.";
    /// The consumer is disabled.
    ConsumerDisabled = "consumer_disabled", 403, "Consumer disabled", "Ask the operator of this API.";
    /// The application is suspended.
    ApplicationSuspended = "application_suspended", 403, "Application suspended", "Ask the operator of this API.";
    /// The application has no live subscription to this API.
    SubscriptionMissing = "subscription_missing", 403, "Not subscribed", "Subscribe your application to a plan of this API.";
    /// A page of another origin may not call this.
    OriginDenied = "origin_denied", 403, "Origin not allowed", "Ask the operator to allow this origin.";
    /// A limit is used up.
    RateLimited = "rate_limited", 429, "Too many requests", "Wait as long as Retry-After says.";
    /// The request target is too long.
    TargetTooLong = "target_too_long", 414, "URL too long", "Send a shorter URL.";
    /// The header block is too large.
    HeaderTooLarge = "header_too_large", 431, "Headers too large", "Send fewer or shorter headers.";
    /// The body is too large.
    BodyTooLarge = "body_too_large", 413, "Body too large", "Send a smaller body.";
    /// The request did not come in time.
    RequestTimeout = "request_timeout", 408, "Request too slow", "Send the whole request without long pauses.";
    /// The request expects something that is not offered.
    ExpectationFailed = "expectation_failed", 417, "Expectation failed", "Send the request without Expect, or with 100-continue.";
    /// The service has no target that could be asked.
    UpstreamUnavailable = "upstream_unavailable", 503, "Service unavailable", "Try again later.";
    /// The service is at an address that targets may not have.
    UpstreamForbidden = "upstream_forbidden", 502, "Service not allowed", "Tell the operator of this API.";
    /// The service could not be connected to.
    UpstreamUnreachable = "upstream_unreachable", 502, "Service not reachable", "Try again later.";
    /// The service did not answer in time.
    UpstreamTimeout = "upstream_timeout", 504, "Service timed out", "Try again later.";
    /// The service broke the connection or answered badly.
    UpstreamReset = "upstream_reset", 502, "Service broke off", "Try again later.";
    /// The service leads back to the gateway.
    LoopDetected = "loop_detected", 508, "Loop detected", "Tell the operator of this API.";
    /// The gateway has no configuration yet.
    NotReady = "not_ready", 503, "Gateway starting", "Try again in a moment.";
    /// The gateway is short of memory.
    Overloaded = "overloaded", 503, "Gateway overloaded", "Try again in a moment.";
    /// Something in the gateway itself went wrong.
    InternalError = "internal_error", 500, "Gateway error", "Tell the operator the request id.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_and_code_agree() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).expect("json"), reason.code());
            assert_eq!(Reason::parse(reason.code()), Some(*reason));
        }
    }
}
