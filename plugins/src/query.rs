//! Query strings, read and changed without touching the parts that nobody asked about.

use std::borrow::Cow;

use url::form_urlencoded::{byte_serialize, parse};

/// The decoded name of a raw `name=value` pair.
pub(crate) fn name(pair: &str) -> Cow<'_, str> {
    parse(pair.as_bytes())
        .next()
        .map_or(Cow::Borrowed(""), |(name, _)| name)
}

/// The decoded values of a parameter.
pub(crate) fn values<'a>(query: &'a str, wanted: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    parse(query.as_bytes())
        .filter(move |(name, _)| name == wanted)
        .map(|(_, value)| value)
}

/// The query without the parameters that `unwanted` names; `None` when nothing is left.
pub(crate) fn without(query: &str, unwanted: impl Fn(&str) -> bool) -> Option<String> {
    let kept: Vec<&str> = query.split('&').filter(|pair| !unwanted(&name(pair))).collect();
    if kept.iter().all(|pair| pair.is_empty()) {
        None
    } else {
        Some(kept.join("&"))
    }
}

/// A raw pair.
pub(crate) fn pair(name: &str, value: &str) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("{}={}", encode(name), encode(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_removed_keeps_its_spelling() {
        let query = "a=%20x&key=1&b=+&%6Bey=2&c";
        assert_eq!(without(query, |name| name == "key").as_deref(), Some("a=%20x&b=+&c"));
        assert_eq!(without("key=1", |name| name == "key"), None);
    }

    #[test]
    fn values_are_decoded() {
        assert_eq!(values("a=1&k=x%20y&k=+z", "k").collect::<Vec<_>>(), ["x y", " z"]);
        assert_eq!(pair("a b", "ü&"), "a+b=%C3%BC%26");
    }
}
