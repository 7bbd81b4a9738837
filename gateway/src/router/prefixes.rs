//! A radix tree that yields everything stored under a prefix of a text.

/// A node: what is stored under the text up to here, and where it goes on.
#[derive(Debug, Default)]
pub(super) struct PrefixTree {
    values: Vec<usize>,
    /// By first byte, in order; no two labels begin with the same byte.
    branches: Vec<(Box<[u8]>, PrefixTree)>,
}

impl PrefixTree {
    /// Stores a value under a text.
    pub(super) fn insert(&mut self, text: &str, value: usize) {
        self.insert_bytes(text.as_bytes(), value);
    }

    fn insert_bytes(&mut self, text: &[u8], value: usize) {
        let Some(first) = text.first() else {
            self.values.push(value);
            return;
        };
        match self.branches.binary_search_by_key(first, |(label, _)| label[0]) {
            Err(at) => {
                let leaf = Self {
                    values: vec![value],
                    branches: Vec::new(),
                };
                self.branches.insert(at, (text.into(), leaf));
            }
            Ok(at) => {
                let (label, node) = &mut self.branches[at];
                let shared = label.iter().zip(text).take_while(|(one, other)| one == other).count();
                if shared < label.len() {
                    let tail: Box<[u8]> = label[shared..].into();
                    let below = std::mem::take(node);
                    *label = label[..shared].into();
                    node.branches.push((tail, below));
                }
                node.insert_bytes(&text[shared..], value);
            }
        }
    }

    /// Adds everything that is stored under a prefix of `text` to `found`.
    pub(super) fn collect(&self, text: &str, found: &mut Vec<usize>) {
        let (mut node, mut left) = (self, text.as_bytes());
        loop {
            found.extend(&node.values);
            let Some(first) = left.first() else { return };
            let Ok(at) = node.branches.binary_search_by_key(first, |(label, _)| label[0]) else {
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
            for (index, prefix) in stored.iter().enumerate() {
                tree.insert(prefix, index);
            }
            let mut found = Vec::new();
            tree.collect(&text, &mut found);
            found.sort_unstable();
            let expected: Vec<usize> = (0..stored.len()).filter(|index| text.starts_with(&stored[*index])).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
