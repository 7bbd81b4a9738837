//! What went wrong with an authority, as a sentence for people that keeps the authority's own words.

use instant_acme::{Error, Problem};
use model::acme_challenge::ChallengeKind;

use super::orders::Failure;

/// The longest sentence that is kept, in characters.
const MAX_WORDS: usize = 1000;
/// What the types of ACME's problems begin with.
const TYPES: &str = "urn:ietf:params:acme:error:";

/// An authority that does not know the account any more.
pub(super) const NO_ACCOUNT: &str = "accountDoesNotExist";

impl Failure {
    /// The authority, or the way to it, failed.
    pub(super) fn of(error: &Error) -> Self {
        Self {
            message: bounded(&sentence(error)),
            retry_after: None,
            spent: matches!(error, Error::Api(problem) if ends_order(problem)),
            counts: true,
        }
    }

    /// Something else failed; `message` is a sentence for people.
    pub(super) fn new(message: impl AsRef<str>) -> Self {
        Self {
            message: bounded(message.as_ref()),
            retry_after: None,
            spent: false,
            counts: true,
        }
    }

    /// The order is of no more use.
    pub(super) fn spent(mut self) -> Self {
        self.spent = true;
        self
    }

    /// The authority had no part in it.
    pub(super) fn at_home(mut self) -> Self {
        self.counts = false;
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::of(&error)
    }
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self::new(error.to_string()).at_home()
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::from(crate::Error::from(error))
    }
}

/// What an authority refused for reasons that stay as long as the order does (RFC 8555, section 6.7).
const LASTING: [&str; 11] = [
    NO_ACCOUNT,
    "alreadyReplaced",
    "badCSR",
    "badPublicKey",
    "caa",
    "compound",
    "malformed",
    "orderNotReady",
    "rejectedIdentifier",
    "unauthorized",
    "unsupportedIdentifier",
];

/// Whether an order is of no more use after such a refusal. One that another try may bring past, such as a rate limit
/// or a fault of the authority's own, leaves the order and its key where they are.
pub(super) fn ends_order(problem: &Problem) -> bool {
    let status = problem.status.unwrap_or_default();
    if status >= 500 || status == 429 {
        return false;
    }
    match kind(problem) {
        Some(kind) => LASTING.contains(&kind),
        None => matches!(status, 404 | 410),
    }
}

/// The last part of a problem's type, which programs go by.
pub(super) fn kind(problem: &Problem) -> Option<&str> {
    problem.r#type.as_deref()?.strip_prefix(TYPES)
}

fn sentence(error: &Error) -> String {
    match error {
        Error::Api(problem) => of_problem(problem),
        Error::Timeout(_) => "the authority did not decide in time".to_owned(),
        Error::Json(_) => {
            "the authority's answer is not what ACME asks for: is the address of its directory right?".to_owned()
        }
        Error::InvalidUri(_) | Error::Http(_) => {
            "the authority's directory leads to an address that cannot be asked".to_owned()
        }
        other => other.to_string(),
    }
}

/// What an authority said, with what it said of each name.
pub(super) fn of_problem(problem: &Problem) -> String {
    let mut words = match (&problem.detail, kind(problem)) {
        (Some(detail), Some(kind)) => format!("the authority says: {detail} ({kind})"),
        (Some(detail), None) => format!("the authority says: {detail}"),
        (None, Some(kind)) => format!("the authority refused: {kind}"),
        (None, None) => "the authority refused without a reason".to_owned(),
    };
    for sub in &problem.subproblems {
        words.push_str("; ");
        words.push_str(&sub.to_string());
    }
    words
}

/// What to look after when an authority does not hold a name to be ours, with its own words.
pub(super) fn of_refusal(name: &str, challenge: ChallengeKind, problem: &Problem) -> String {
    let port = match challenge {
        ChallengeKind::Http01 => "port 80 (HTTP)",
        ChallengeKind::TlsAlpn01 => "port 443 (TLS)",
    };
    let advice = match kind(problem) {
        Some("connection") => format!("cannot be reached: look whether its address and {port} lead to the gateways"),
        Some("dns") => "has no address that the authority finds: look at its records in DNS".to_owned(),
        Some("unauthorized" | "incorrectResponse" | "tls") => {
            format!("is not answered by the gateways: look where its address and {port} lead")
        }
        Some("caa") => "may not be signed for by this authority: a CAA record in DNS forbids it".to_owned(),
        _ => "was not taken for yours".to_owned(),
    };
    format!("`{name}` {advice}; {}", of_problem(problem))
}

/// One line of bounded length: what others say is shown, and not believed.
fn bounded(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(MAX_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problem(body: Value) -> Problem {
        serde_json::from_value(body).expect("a problem")
    }

    #[test]
    fn the_authority_s_own_words_are_kept() {
        let refused = problem(json!({
            "type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "no such name",
            "subproblems": [{"identifier": {"type": "dns", "value": "a.example"}, "detail": "it is on a list"}]
        }));
        let words = Failure::of(&Error::Api(refused)).message;
        assert!(
            words.starts_with("the authority says: no such name (rejectedIdentifier)")
                && words.contains("it is on a list"),
            "{words}"
        );
        let silent = problem(json!({}));
        assert_eq!(of_problem(&silent), "the authority refused without a reason");
    }

    #[test]
    fn what_to_look_after_comes_before_the_authority_s_words() {
        for (kind, challenge, words) in [
            (
                "connection",
                ChallengeKind::Http01,
                "`a.example` cannot be reached: look whether its address and port 80",
            ),
            (
                "tls",
                ChallengeKind::TlsAlpn01,
                "is not answered by the gateways: look where its address and port 443",
            ),
            ("dns", ChallengeKind::Http01, "has no address"),
            ("caa", ChallengeKind::Http01, "a CAA record"),
            ("strange", ChallengeKind::Http01, "was not taken for yours"),
        ] {
            let refused = problem(json!({"type": format!("{TYPES}{kind}"), "detail": "no"}));
            let told = of_refusal("a.example", challenge, &refused);
            assert!(told.contains(words), "{told}");
            assert!(told.ends_with(&format!("; the authority says: no ({kind})")), "{told}");
        }
    }

    #[test]
    fn only_refusals_that_stay_end_an_order() {
        for (status, kind, ends) in [
            (403, "unauthorized", true),
            (403, "caa", true),
            (403, "orderNotReady", true),
            (400, "malformed", true),
            (400, "badCSR", true),
            (400, "rejectedIdentifier", true),
            (400, "accountDoesNotExist", true),
            (429, "rateLimited", false),
            (403, "rateLimited", false),
            (400, "badNonce", false),
            (500, "serverInternal", false),
            (503, "malformed", false),
            (400, "externalAccountRequired", false),
            (403, "userActionRequired", false),
            (400, "invented", false),
        ] {
            let refused = problem(json!({"type": format!("{TYPES}{kind}"), "status": status}));
            assert_eq!(Failure::of(&Error::Api(refused)).spent, ends, "{status} {kind}");
        }
        for (body, ends) in [
            (json!({"type": "about:blank", "status": 404}), true),
            (json!({"status": 410}), true),
            (json!({"status": 502}), false),
            (json!({}), false),
        ] {
            assert_eq!(ends_order(&problem(body.clone())), ends, "{body}");
        }
        assert!(!Failure::of(&Error::Timeout(None)).spent);
    }

    #[test]
    fn what_others_say_is_one_line_of_bounded_length() {
        let words = Failure::new(format!("a\r\n\u{1b}[31m{}", "x".repeat(5000))).message;
        assert!(
            words.chars().count() == MAX_WORDS && !words.chars().any(char::is_control),
            "{words}"
        );
    }
}
