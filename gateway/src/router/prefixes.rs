//! A radix tree that yields everything stored under a prefix of a text.

use super::Found;

/// A node: what is stored under the text up to here, and where it goes on.
#[derive(Debug, Default)]
pub(super) struct PrefixTree {
    values: Vec<u32>,
    /// The first byte of each branch, in order, beside each other so that a look at them touches one line of memory.
    firsts: Vec<u8>,
    branches: Vec<(Box<[u8]>, PrefixTree)>,
}

impl PrefixTree {
    /// Stores a value under a text.
    pub(super) fn insert(&mut self, text: &str, value: u32) {
        self.insert_bytes(text.as_bytes(), value);
    }

    fn insert_bytes(&mut self, text: &[u8], value: u32) {
        let Some(first) = text.first() else {
            self.values.push(value);
            return;
        };
        match self.firsts.binary_search(first) {
            Err(at) => {
                let leaf = Self {
                    values: vec![value],
                    ..Self::default()
                };
                self.firsts.insert(at, *first);
                self.branches.insert(at, (text.into(), leaf));
            }
            Ok(at) => {
                let (label, node) = &mut self.branches[at];
                let shared = label.iter().zip(text).take_while(|(one, other)| one == other).count();
                if shared < label.len() {
                    let tail: Box<[u8]> = label[shared..].into();
                    let below = std::mem::take(node);
                    *label = label[..shared].into();
                    node.firsts.push(tail[0]);
                    node.branches.push((tail, below));
                }
                node.insert_bytes(&text[shared..], value);
            }
        }
    }

    /// Adds everything that is stored under a prefix of `text` to `found`.
    pub(super) fn collect(&self, text: &str, found: &mut Found) {
        let (mut node, mut left) = (self, text.as_bytes());
        loop {
            found.extend_from_slice(&node.values);
            let Some(first) = left.first() else { return };
            let Ok(at) = node.firsts.binary_search(first) else {
                return;
            };
            let (label, below) = &node.branches[at];
            let Some(rest) = left.strip_prefix(&**label) else {
                return;
            };
            (node, left) = (below, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_yields_what_a_look_at_everything_yields(
            stored in prop::collection::vec("[ab/]{0,6}", 0..30),
            text in "[ab/]{0,8}",
        ) {
            let mut tree = PrefixTree::default();
            for (index, prefix) in (0..).zip(&stored) {
                tree.insert(prefix, index);
            }
            let mut found = Found::new();
            tree.collect(&text, &mut found);
            found.sort_unstable();
            let expected: Vec<u32> =
                (0..).zip(&stored).filter(|(_, prefix)| text.starts_with(*prefix)).map(|(index, _)| index).collect();
            prop_assert_eq!(found.to_vec(), expected);
        }
    }
}
