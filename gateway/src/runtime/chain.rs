//! The plugins of a request, in order.

use std::fmt;
use std::sync::Arc;

use model::id::PluginId;
use plugins::{Combine, Filter, Phase};

/// One plugin instance.
#[derive(Clone)]
pub struct Link {
    /// The instance.
    pub instance: PluginId,
    /// The plugin's name.
    pub plugin: &'static str,
    /// When it runs.
    pub phase: Phase,
    /// Its place among those of its phase.
    pub position: i32,
    /// What happens at several scopes.
    pub combine: Combine,
    /// What it does.
    pub filter: Arc<dyn Filter>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, {})", self.plugin, self.phase, self.position)
    }
}

/// Plugin instances in the order in which they run.
#[derive(Debug, Clone)]
pub struct Chain(Arc<[Link]>);

impl Chain {
    /// Puts the plugins of scopes together, the nearest scope first.
    pub fn of_scopes(scopes: &[&[Link]]) -> Self {
        let mut links: Vec<Link> = Vec::new();
        for scope in scopes {
            // Decided before anything of this scope is in: instances at one scope do not displace each other.
            let nearer: Vec<&'static str> = links.iter().map(|link| link.plugin).collect();
            let displaced = |link: &&Link| link.combine == Combine::Nearest && nearer.contains(&link.plugin);
            links.extend(scope.iter().filter(|link| !displaced(link)).cloned());
        }
        links.sort_by_key(|link| (link.phase, link.position));
        Self(links.into())
    }

    /// This chain with the plugins of a caller and of the caller's groups, which run once the caller is known.
    pub fn with_callers(&self, consumer: Option<&Self>, groups: &[&Self]) -> Self {
        let mut scopes: Vec<&[Link]> = consumer.map(|chain| &*chain.0).into_iter().collect();
        scopes.extend(groups.iter().map(|chain| &*chain.0));
        scopes.push(&self.0);
        Self::of_scopes(&scopes)
    }

    /// The links that run before the caller is known.
    pub fn before_identity(&self) -> &[Link] {
        &self.0[..self.split()]
    }

    /// The links that run after.
    pub fn after_identity(&self) -> &[Link] {
        &self.0[self.split()..]
    }

    /// All links.
    pub fn links(&self) -> &[Link] {
        &self.0
    }

    fn split(&self) -> usize {
        self.0.partition_point(|link| !link.phase.knows_consumer())
    }
}
