//! The canonical path: computed once, then matched, authorised, limited, logged and forwarded.
//!
//! What different servers read differently is refused instead of guessed: control characters, backslashes, dot
//! segments and double encodings of these, whether plain or percent-encoded (RFC 3986, section 6.2.2).

use std::borrow::Cow;

pub(crate) use model::route::canonical::has_dot_segment;
use model::route::canonical::normalise;

/// A path in its canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath<'a> {
    /// With repeated slashes as they came.
    pub plain: Cow<'a, str>,
    /// With repeated slashes as one; absent when there are none.
    pub merged: Option<String>,
    /// Whether it has a `%2F`, which is never decoded.
    pub encoded_slash: bool,
}

impl CanonicalPath<'_> {
    /// The form that a route sees which does or does not merge slashes.
    pub fn seen(&self, merge_slashes: bool) -> &str {
        match &self.merged {
            Some(merged) if merge_slashes => merged,
            _ => &self.plain,
        }
    }
}

/// Brings a path to its canonical form; the error is a sentence for the client.
pub fn canonical(raw: &str) -> Result<CanonicalPath<'_>, &'static str> {
    if !raw.starts_with('/') {
        return Err("The path must begin with a slash.");
    }
    let plain = normalise(raw)?;
    if has_dot_segment(&plain) {
        return Err("The path has a dot segment.");
    }
    // What is looked for by bytes costs a fraction of what it costs as text.
    let encoded_slash = plain.bytes().any(|byte| byte == b'%') && plain.contains("%2F");
    let doubled = plain.as_bytes().windows(2).any(|pair| pair == b"//");
    let merged = doubled.then(|| merge(&plain));
    Ok(CanonicalPath {
        plain,
        merged,
        encoded_slash,
    })
}

/// Brings the path of a service to the form that the paths of requests have.
pub(crate) fn canonical_base(text: &str) -> String {
    normalise(text).map_or_else(|_| text.to_owned(), Cow::into_owned)
}

/// Joins the path of a service and what is left of a request's.
pub fn join(base: &str, rest: &str) -> String {
    if rest.is_empty() {
        return if base.is_empty() {
            "/".to_owned()
        } else {
            base.to_owned()
        };
    }
    let base = base.trim_end_matches('/');
    let mut joined = String::with_capacity(base.len() + 1 + rest.len());
    joined.push_str(base);
    if !rest.starts_with('/') {
        joined.push('/');
    }
    joined.push_str(rest);
    joined
}

fn merge(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !merged.ends_with('/') {
            merged.push(character);
        }
    }
    merged
}

#[cfg(test)]
mod confusion;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(raw: &str) -> String {
        canonical(raw)
            .unwrap_or_else(|error| panic!("{raw}: {error}"))
            .plain
            .into_owned()
    }

    #[test]
    fn encodings_are_brought_to_one_form() {
        for (raw, expected) in [
            ("/a/b", "/a/b"),
            ("/%61%2d%7e", "/a-~"),
            ("/a%20b", "/a%20b"),
            ("/%c3%a4", "/%C3%A4"),
            ("/ä", "/%C3%A4"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%25b", "/a%25b"),
            ("/%3f%23", "/%3F%23"),
            ("/a;v=1", "/a;v=1"),
            ("/...", "/..."),
            ("/a|b^c", "/a%7Cb%5Ec"),
            ("/日本．語", "/%E6%97%A5%E6%9C%AC%EF%BC%8E%E8%AA%9E"),
        ] {
            assert_eq!(plain(raw), expected, "{raw}");
        }
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for raw in [
            "",
            "a",
            "*",
            "/..",
            "/a/../b",
            "/./a",
            "/%2e%2E/a",
            "/a/.%2e",
            "/a/..%2f..%2fb",
            "/a%2f.;x",
            "/..;x/a",
            "/%2e;/a",
            "/a\\b",
            "/a%5cb",
            "/a%00b",
            "/a%0d%0ab",
            "/a%7f",
            "/a%252e%252e/",
            "/a%252fb",
            "/a%255c",
            "/a%2500",
            "/a%2525",
            "/a%",
            "/a%2",
            "/a%zz",
            "/%ff",
            "/%c3",
            "/a#b",
            "/;/a",
            "/;x/a",
            "/a/%3b/b",
            "/．．/a",
            "/%ef%bc%8e%ef%bc%8e;x/a",
            "/‥/a",
            "/a／b",
            "/a%ef%bc%8fb",
            "/a%ef%bc%bcb",
            "/a%253bb",
            "/%25c0%25ae/a",
        ] {
            assert!(canonical(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn slashes_are_merged_beside_and_encoded_ones_are_told() {
        let path = canonical("//a///b%2fc/").expect("valid");
        assert_eq!((path.seen(false), path.seen(true)), ("//a///b%2Fc/", "/a/b%2Fc/"));
        assert!(path.encoded_slash);
        assert_eq!(canonical("/a/b").expect("valid").merged, None);
    }

    #[test]
    fn joining_keeps_the_clients_trailing_slash_and_never_doubles_one() {
        for (base, rest, joined) in [
            ("", "", "/"),
            ("", "/a", "/a"),
            ("", "a", "/a"),
            ("/s", "", "/s"),
            ("/s", "/", "/s/"),
            ("/s/", "/a", "/s/a"),
            ("/s/", "", "/s/"),
            ("/s", "a/", "/s/a/"),
        ] {
            assert_eq!(join(base, rest), joined, "{base} + {rest}");
        }
    }

    proptest! {
        #[test]
        fn a_canonical_path_is_its_own_canonical_form(raw in "/[a-zA-Z0-9%./;ä~ -]{0,40}") {
            if let Ok(path) = canonical(&raw) {
                let again = canonical(&path.plain).expect("still valid");
                prop_assert_eq!(&again.plain, &path.plain);
                prop_assert!(path.plain.is_ascii());
                prop_assert!(!path.seen(true).contains("//"));
            }
        }
    }
}
