//! Several requests at once.

use super::{Corpus, head};

/// A request: its method, its framing, what is sent as its body, and what arrives of it; none where it is refused.
type Request = (&'static str, &'static str, &'static str, Option<&'static str>);

const REQUESTS: [Request; 9] = [
    ("GET", "X-No: body", "", Some("")),
    ("POST", "Content-Length: 0", "", Some("")),
    ("POST", "Content-Length: 5", "hello", Some("hello")),
    ("DELETE", "Content-Length:5", "GET /", Some("GET /")),
    ("PATCH", "Transfer-Encoding: chunked", "0\r\n\r\n", Some("")),
    (
        "POST",
        "Transfer-Encoding: chunked",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n",
        Some("hello"),
    ),
    ("POST", "Transfer-Encoding: chunked", "5;\r\nhello\r\n0\r\n\r\n", None),
    (
        "POST",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "0\r\n\r\n",
        None,
    ),
    ("GET", "Content-Length: 5, 5", "hello", None),
];

/// Every three of them in every order: those before the first that is refused are served, and nothing after it.
pub(super) fn made(corpus: &mut Corpus) {
    for first in REQUESTS {
        for second in REQUESTS {
            for third in REQUESTS {
                let three = [first, second, third];
                let bytes = three
                    .iter()
                    .map(|(method, framing, body, _)| format!("{}{body}", head(method, corpus.number(), framing, 2)));
                let bytes: String = bytes.collect();
                let served: Vec<_> = three
                    .iter()
                    .map_while(|(method, .., received)| Some((*method, (*received)?)))
                    .collect();
                let refused = served.len() < three.len();
                corpus.add(bytes, served, refused);
                if refused
                    && three
                        .iter()
                        .find(|one| one.3.is_none())
                        .is_some_and(|one| one.2.starts_with("5;"))
                {
                    corpus.begun();
                }
            }
        }
    }
}
