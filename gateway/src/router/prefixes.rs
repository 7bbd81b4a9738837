//! A radix tree that yields everything stored under a prefix of a text, and what is stored under the text itself.
//!
//! Clones share all nodes; a change copies those on its way.

use std::sync::Arc;

use smallvec::SmallVec;

/// A tree of texts with values. Labels and first bytes lie in the nodes themselves as long as they are few, so that a
/// step touches little memory.
#[derive(Debug, Clone)]
pub(super) struct PrefixTree<T>(Option<Arc<Node<T>>>);

#[derive(Debug, Clone)]
struct Node<T> {
    /// The text from the node above to this one.
    label: SmallVec<[u8; 16]>,
    /// The first byte of each branch, in order.
    firsts: SmallVec<[u8; 16]>,
    branches: Vec<Arc<Node<T>>>,
    values: SmallVec<[T; 1]>,
}

impl<T> Default for PrefixTree<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> PrefixTree<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Visits the values of each node on the way along a text, and says whether they are stored under all of it.
    fn walk<'a>(&'a self, text: &str, mut visit: impl FnMut(&'a [T], bool)) {
        let Some(mut node) = self.0.as_deref() else { return };
        let mut left = text.as_bytes();
        loop {
            visit(&node.values, left.is_empty());
            let Some(first) = left.first() else { return };
            let Ok(at) = node.firsts.binary_search(first) else {
                return;
            };
            let below = &*node.branches[at];
            let Some(rest) = left.strip_prefix(&*below.label) else {
                return;
            };
            (node, left) = (below, rest);
        }
    }

    /// Adds everything that is stored under a prefix of `text` to `found`.
    pub(super) fn collect<'a>(&'a self, text: &str, found: &mut SmallVec<[&'a T; 16]>) {
        self.walk(text, |values, _| found.extend(values));
    }

    /// Adds everything that is stored under `text` to `found`.
    pub(super) fn collect_exact<'a>(&'a self, text: &str, found: &mut SmallVec<[&'a T; 16]>) {
        self.walk(text, |values, is_whole| {
            if is_whole {
                found.extend(values);
            }
        });
    }
}

impl<T: Clone> PrefixTree<T> {
    /// Stores a value under a text.
    pub(super) fn insert(&mut self, text: &str, value: T) {
        let root = self.0.get_or_insert_with(|| Arc::new(Node::leaf(&[], None)));
        Arc::make_mut(root).insert(text.as_bytes(), value);
    }

    /// Takes the values out that are stored under a text and that `is_meant`.
    pub(super) fn remove(&mut self, text: &str, is_meant: impl Fn(&T) -> bool) {
        let Some(root) = &mut self.0 else { return };
        let root = Arc::make_mut(root);
        root.remove(text.as_bytes(), &is_meant);
        if root.is_bare() && root.branches.is_empty() {
            self.0 = None;
        }
    }
}

impl<T> Node<T> {
    fn leaf(label: &[u8], value: Option<T>) -> Self {
        Self {
            label: SmallVec::from_slice(label),
            firsts: SmallVec::new(),
            branches: Vec::new(),
            values: value.into_iter().collect(),
        }
    }

    fn is_bare(&self) -> bool {
        self.values.is_empty()
    }
}

impl<T: Clone> Node<T> {
    fn insert(&mut self, text: &[u8], value: T) {
        let Some(first) = text.first() else {
            self.values.push(value);
            return;
        };
        match self.firsts.binary_search(first) {
            Err(at) => {
                self.firsts.insert(at, *first);
                // Most nodes have few branches and never get more.
                self.branches.reserve_exact(1 + self.branches.len() / 4);
                self.branches.insert(at, Arc::new(Self::leaf(text, Some(value))));
            }
            Ok(at) => {
                let below = Arc::make_mut(&mut self.branches[at]);
                let pairs = below.label.iter().zip(text);
                let shared = pairs.take_while(|(one, other)| one == other).count();
                if shared < below.label.len() {
                    below.part(shared);
                }
                below.insert(&text[shared..], value);
            }
        }
    }

    /// Parts a node into one with the first bytes of its label and one below it.
    fn part(&mut self, at: usize) {
        let above = Self::leaf(&self.label[..at], None);
        let mut below = std::mem::replace(self, above);
        below.label = SmallVec::from_slice(&below.label[at..]);
        self.firsts.push(below.label[0]);
        self.branches = vec![Arc::new(below)];
    }

    fn remove(&mut self, text: &[u8], is_meant: &impl Fn(&T) -> bool) {
        let Some(first) = text.first() else {
            self.values.retain(|value| !is_meant(value));
            return;
        };
        let Ok(at) = self.firsts.binary_search(first) else {
            return;
        };
        let Some(rest) = text.strip_prefix(&*self.branches[at].label) else {
            return;
        };
        let below = Arc::make_mut(&mut self.branches[at]);
        below.remove(rest, is_meant);
        if !below.is_bare() {
            return;
        }
        match below.branches.len() {
            0 => {
                self.firsts.remove(at);
                self.branches.remove(at);
            }
            1 => below.join(),
            _ => {}
        }
    }

    /// Puts a node and its only branch together.
    fn join(&mut self) {
        let Some(mut only) = self.branches.pop() else { return };
        let below = Arc::make_mut(&mut only);
        below.label.insert_many(0, self.label.iter().copied());
        *self = below.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(tree: &PrefixTree<usize>, text: &str, exact: bool) -> Vec<usize> {
        let mut found = SmallVec::new();
        if exact {
            tree.collect_exact(text, &mut found);
        } else {
            tree.collect(text, &mut found);
        }
        let mut found: Vec<usize> = found.into_iter().copied().collect();
        found.sort_unstable();
        found
    }

    proptest! {
        #[test]
        fn it_yields_what_a_look_at_everything_yields(
            stored in prop::collection::vec(("[ab/]{0,6}", any::<bool>()), 0..30),
            text in "[ab/]{0,8}",
        ) {
            let mut tree = PrefixTree::default();
            for (index, (prefix, _)) in stored.iter().enumerate() {
                tree.insert(prefix, index);
            }
            let before = tree.clone();
            for (index, (prefix, _)) in stored.iter().enumerate().filter(|(_, (_, stays))| !stays) {
                tree.remove(prefix, |value| *value == index);
            }
            for (tree, all) in [(&before, true), (&tree, false)] {
                let there = stored.iter().enumerate().filter(|(_, (_, stays))| all || *stays);
                let there: Vec<(usize, &str)> = there.map(|(index, (prefix, _))| (index, prefix.as_str())).collect();
                let those = |is_it: &dyn Fn(&str) -> bool| -> Vec<usize> {
                    there.iter().filter(|(_, prefix)| is_it(prefix)).map(|(index, _)| *index).collect()
                };
                prop_assert_eq!(found(tree, &text, false), those(&|prefix| text.starts_with(prefix)));
                prop_assert_eq!(found(tree, &text, true), those(&|prefix| text == prefix));
                prop_assert_eq!(tree.is_empty(), there.is_empty());
            }
        }
    }

    #[test]
    fn a_tree_that_gained_and_lost_a_text_is_what_it_was() {
        let mut tree = PrefixTree::default();
        for (index, text) in ["/a", "/abc", "/abd", "/b"].into_iter().enumerate() {
            tree.insert(text, index);
        }
        let before = format!("{tree:?}");
        for text in ["/", "/ab", "/abcd", "/x", "", "/a"] {
            tree.insert(text, 9);
            tree.remove(text, |value| *value == 9);
            assert_eq!(format!("{tree:?}"), before, "{text}");
        }
    }
}
