//! Headers that configurations leave alone: they frame the message, or the gateway itself answers for them.

use http::HeaderName;

const FRAMING: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const OWN: [&str; 6] = [
    "forwarded",
    "via",
    "x-anonymous-consumer",
    "x-credential-identifier",
    "x-real-ip",
    "x-request-id",
];
const OWN_BEGINNINGS: [&str; 2] = ["x-consumer-", "x-forwarded-"];

/// Whether nobody but the gateway may change this header.
pub(crate) fn is_protected(name: &HeaderName) -> bool {
    let name = name.as_str();
    FRAMING.contains(&name) || OWN.contains(&name) || OWN_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_and_identity_belong_to_the_gateway_and_the_rest_does_not() {
        let protected = |name: &str| is_protected(&name.parse().expect("a header name"));
        assert!(
            ["Host", "transfer-encoding", "X-Consumer-Id", "x-forwarded-for"]
                .iter()
                .all(|name| protected(name))
        );
        assert!(
            ["x-api-key", "authorization", "x-consumer", "accept"]
                .iter()
                .all(|name| !protected(name))
        );
    }
}
