//! What is never written down: values of query parameters that carry credentials.

use std::borrow::Cow;

use url::form_urlencoded::parse;

/// What stands in the place of a secret.
const MASK: &str = "***";
/// Names of parameters that carry credentials, in lower case without `-` and `_`.
const NAMES: [&str; 13] = [
    "key",
    "code",
    "sig",
    "auth",
    "authorization",
    "pwd",
    "pass",
    "jwt",
    "session",
    "sessionid",
    "sid",
    "otp",
    "samlresponse",
];
/// What such names contain.
const PARTS: [&str; 7] = [
    "token",
    "secret",
    "password",
    "passwd",
    "apikey",
    "signature",
    "credential",
];
/// What such names end with.
const ENDINGS: [&str; 1] = ["key"];

/// The query with the values masked that may be credentials; `is_secret` knows more names of such parameters.
pub(crate) fn query(query: &str, is_secret: impl Fn(&str) -> bool) -> Cow<'_, str> {
    let carries = |pair: &str| carries_secret(pair, &is_secret);
    if !query.split('&').any(carries) {
        return Cow::Borrowed(query);
    }
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if carries(pair) => Cow::Owned(format!("{name}={MASK}")),
        _ => Cow::Borrowed(pair),
    });
    Cow::Owned(pairs.collect::<Vec<_>>().join("&"))
}

fn carries_secret(pair: &str, is_secret: &impl Fn(&str) -> bool) -> bool {
    let Some((name, _)) = parse(pair.as_bytes()).next() else {
        return false;
    };
    if is_secret(&name) {
        return true;
    }
    let plain: String = name
        .chars()
        .filter(|letter| !matches!(letter, '-' | '_' | '.' | '[' | ']'))
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    NAMES.contains(&plain.as_str())
        || PARTS.iter().any(|part| plain.contains(part))
        || ENDINGS.iter().any(|ending| plain.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_credentials_are_masked_and_others_stay() {
        for (given, wanted) in [
            ("", ""),
            ("page=2&sort=name", "page=2&sort=name"),
            ("key=canary", "key=***"),
            ("a=1&access_token=canary&b=2", "a=1&access_token=***&b=2"),
            ("API-Key=canary&x-api-key=canary", "API-Key=***&x-api-key=***"),
            ("X-Amz-Signature=canary", "X-Amz-Signature=***"),
            ("client_secret=canary", "client_secret=***"),
            ("%6bey=canary", "%6bey=***"),
            ("door=canary&window=open", "door=***&window=open"),
            ("key=a=canary", "key=***"),
            ("key", "key"),
            ("keyboard=de", "keyboard=de"),
        ] {
            assert_eq!(
                query(given, |name| name.eq_ignore_ascii_case("Door")),
                wanted,
                "{given}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_spelling_of_a_name_lets_its_value_through(upper in prop::collection::vec(any::<bool>(), 6), before in "[a-z=&]{0,8}") {
            let name: String = "apikey".chars().zip(upper).map(|(letter, upper)| {
                if upper { format!("%{:02X}", letter.to_ascii_uppercase() as u8) } else { letter.to_string() }
            }).collect();
            let masked = query(&format!("{before}&{name}=CANARY&after=1"), |_| false).into_owned();
            prop_assert!(!masked.contains("CANARY"), "{}", masked);
        }
    }
}
