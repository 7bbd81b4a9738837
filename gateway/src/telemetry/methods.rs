//! The methods that have a name of their own in metrics and traces; clients may invent any number of others.

use http::Method;

/// Every label, the one for all others last.
pub(crate) const LABELS: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "_OTHER",
];

/// Where the label of a method is in [`LABELS`].
pub(crate) fn index(method: &Method) -> usize {
    let known = LABELS.iter().position(|label| *label == method.as_str());
    known.unwrap_or(LABELS.len() - 1)
}

/// The label of a method.
pub(crate) fn label(method: &Method) -> &'static str {
    LABELS[index(method)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_methods_share_one_label() {
        assert_eq!(label(&Method::GET), "GET");
        for invented in ["get", "BREW", "_OTHER", "X-1"] {
            let method = Method::from_bytes(invented.as_bytes()).expect("a token");
            assert_eq!(label(&method), "_OTHER", "{invented}");
        }
    }
}
