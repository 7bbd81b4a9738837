//! What plugins get from their surroundings, so that a test is a plain function call with fakes.

use std::fmt;
use std::sync::Arc;

use model::clock::Clock;

use crate::counters::Counters;

/// Time, counters and the brand of generated keys.
#[derive(Clone)]
pub struct Services {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The first part of every generated key, which lets mistyped ones be told from unknown ones.
    pub key_brand: Arc<str>,
    /// The counters of rate limits.
    pub counters: Arc<Counters>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services")
            .field("key_brand", &self.key_brand)
            .finish_non_exhaustive()
    }
}
