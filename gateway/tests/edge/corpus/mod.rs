//! Requests in every spelling of where they end, with what must become of each.
//!
//! The cases are made, not listed: parts that are good or bad are put together in every order, and a case is good when all
//! of its parts are. Whoever reads this corpus sends [`Case::bytes`] with [`follow`] after it, on one connection.

mod chunks;
mod heads;
mod pipelines;
mod words;

/// A part of a request, and whether it is as it must be.
pub(super) type Part = (&'static str, bool);

/// What is sent, and what must become of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// All but the request that follows.
    pub(crate) bytes: String,
    /// Methods and bodies of the requests that are served, which are for `/case/{number}`.
    pub(crate) served: Vec<(&'static str, &'static str)>,
    /// Whether there is one after them that is refused with 400, or else the request that follows is served too.
    pub(crate) refused: bool,
    /// Whether the one that is refused goes wrong in its body only: then the service has seen its head.
    pub(crate) begun: bool,
}

/// Cases in the making: each knows its number.
#[derive(Default)]
struct Corpus(Vec<Case>);

impl Corpus {
    fn number(&self) -> usize {
        self.0.len()
    }

    /// One that nothing is served of.
    fn refused(&mut self, bytes: String) {
        self.add(bytes, Vec::new(), true);
    }

    /// One that goes wrong in its body.
    fn broken(&mut self, bytes: String) {
        self.refused(bytes);
        self.begun();
    }

    /// The last one goes wrong in a body.
    fn begun(&mut self) {
        if let Some(last) = self.0.last_mut() {
            last.begun = last.refused;
        }
    }

    /// One request, which is good or bad.
    fn judged(&mut self, bytes: String, is_good: bool, served: (&'static str, &'static str)) {
        if is_good {
            self.add(bytes, vec![served], false);
        } else {
            self.refused(bytes);
        }
    }

    fn add(&mut self, bytes: String, served: Vec<(&'static str, &'static str)>, refused: bool) {
        let begun = false;
        self.0.push(Case {
            bytes,
            served,
            refused,
            begun,
        });
    }
}

/// Every case. Its number is its place.
pub(crate) fn cases() -> Vec<Case> {
    let mut corpus = Corpus::default();
    heads::listed(&mut corpus);
    heads::lengths(&mut corpus);
    heads::codings(&mut corpus);
    heads::both(&mut corpus);
    heads::request_lines(&mut corpus);
    heads::line_ends(&mut corpus);
    chunks::listed(&mut corpus);
    chunks::made(&mut corpus);
    pipelines::made(&mut corpus);
    corpus.0
}

/// The next request on the same connection, with a head that is longer than any body here.
pub(crate) fn follow(number: usize) -> String {
    format!(
        "GET /follow/{number} HTTP/1.1\r\nHost: a\r\nX-Padding: {}\r\nConnection: close\r\n\r\n",
        "p".repeat(600)
    )
}

/// A head with a header in one of three places.
pub(super) fn head(method: &str, number: usize, header: &str, place: usize) -> String {
    let mut lines = vec!["Host: a", "X-A: b", "X-C: d"];
    lines.insert(place, header);
    format!("{method} /case/{number} HTTP/1.1\r\n{}\r\n\r\n", lines.join("\r\n"))
}

/// Every way to put parts together, one of each kind.
pub(super) fn product(kinds: &[&[Part]]) -> Vec<(Vec<&'static str>, bool)> {
    let mut made = vec![(Vec::new(), true)];
    for kind in kinds {
        made = made
            .iter()
            .flat_map(|(parts, is_good)| {
                kind.iter()
                    .map(move |(part, good)| ([parts.as_slice(), &[*part]].concat(), *is_good && *good))
            })
            .collect();
    }
    made
}

/// The same, with at most two parts that are not the first of their kind.
pub(super) fn pairs(kinds: &[&[Part]]) -> Vec<(Vec<&'static str>, bool)> {
    let plain: Vec<&[Part]> = kinds.iter().map(|kind| &kind[..1]).collect();
    let mut made = product(&plain);
    for (first, one) in kinds.iter().enumerate() {
        let mut varied = plain.clone();
        varied[first] = &one[1..];
        made.extend(product(&varied));
        for (second, other) in kinds.iter().enumerate().skip(first + 1) {
            varied[second] = &other[1..];
            made.extend(product(&varied));
            varied[second] = plain[second];
        }
    }
    made
}
