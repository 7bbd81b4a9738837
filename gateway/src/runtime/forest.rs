//! Parts that snapshots share until one of them changes.

use std::fmt;
use std::sync::Arc;

/// How many parts hang on a branch, and how many branches there are.
const WIDTH: usize = 64;
/// How many parts there are in all.
pub(super) const PARTS: usize = WIDTH * WIDTH;

type Branch<T> = Arc<[Arc<T>; WIDTH]>;

/// A fixed number of parts. A clone costs nothing; a change copies the part that it touches and the way to it.
pub(crate) struct Forest<T>(Arc<[Branch<T>; WIDTH]>);

impl<T> Clone for Forest<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Default> Default for Forest<T> {
    fn default() -> Self {
        let part = Arc::<T>::default();
        let branch: Branch<T> = Arc::new(std::array::from_fn(|_| part.clone()));
        Self(Arc::new(std::array::from_fn(|_| branch.clone())))
    }
}

impl<T> fmt::Debug for Forest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forest(…)")
    }
}

impl<T> Forest<T> {
    /// A part; numbers beyond the last one begin again.
    pub(super) fn part(&self, number: usize) -> &T {
        &self.0[number / WIDTH % WIDTH][number % WIDTH]
    }

    /// Every part.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|branch| branch.iter().map(|part| &**part))
    }
}

impl<T: Clone> Forest<T> {
    /// A part, to be changed.
    pub(super) fn part_mut(&mut self, number: usize) -> &mut T {
        let branch = &mut Arc::make_mut(&mut self.0)[number / WIDTH % WIDTH];
        Arc::make_mut(&mut Arc::make_mut(branch)[number % WIDTH])
    }
}
