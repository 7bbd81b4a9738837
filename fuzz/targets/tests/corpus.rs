//! The corpus of every target, and a few thousand mutations of it: always the same ones.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use fuzz_targets::{TARGETS, Target};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Mutations of a whole corpus.
const MUTATIONS: usize = 4_000;
/// Pieces of what the targets look for.
const WORDS: [&[u8]; 22] = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b":",
    b"\0",
    b"%2e",
    b"%2F",
    b"%25",
    b"/",
    b"..",
    b";",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: a\r\n",
    b"0\r\n\r\n",
    b"[",
    b"]",
    b"*",
    b"10.0.0.1",
    b"PROXY ",
];

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("a corpus")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.iter().map(|file| fs::read(file).expect("readable")).collect()
}

/// Changes bytes in one of the ways in which they go wrong.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut ChaCha8Rng) {
    let at = random.random_range(0..=bytes.len());
    match random.random_range(0..6) {
        0 if at < bytes.len() => bytes[at] = random.random(),
        1 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
        2 => bytes.truncate(at),
        3 if at < bytes.len() => drop(bytes.drain(at..(at + random.random_range(1..9)).min(bytes.len()))),
        4 => {
            let from = random.random_range(0..=other.len());
            bytes.splice(at..at, other[from..].iter().copied());
        }
        _ => {
            let word = WORDS[random.random_range(0..WORDS.len())];
            bytes.splice(at..at, word.iter().copied());
        }
    }
}

fn try_all((name, target): &Target) {
    let corpus = corpus(name);
    for bytes in &corpus {
        target(bytes);
    }
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..MUTATIONS {
        let mut bytes = corpus[random.random_range(0..corpus.len())].clone();
        for _ in 0..random.random_range(1..6) {
            let other = &corpus[random.random_range(0..corpus.len())];
            mutate(&mut bytes, other, &mut random);
        }
        bytes.truncate(64 * 1024);
        let shown = bytes.clone();
        let held = std::panic::catch_unwind(|| target(&bytes));
        assert!(
            held.is_ok(),
            "{name} does not hold for {:?}",
            shown.escape_ascii().to_string()
        );
    }
}

#[test]
fn what_must_hold_holds_for_the_corpora_and_mutations_of_them() {
    for target in TARGETS {
        try_all(target);
    }
}
