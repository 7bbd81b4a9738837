//! The plugins of a request, in order.

use std::fmt;
use std::sync::Arc;

use model::id::PluginId;
use plugins::{Combine, Filter, Phase, Place, arrange};

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

impl Link {
    /// Instances that are switched off are not compiled, so a link always counts.
    fn place(&self) -> Place<'_> {
        Place {
            plugin: self.plugin,
            phase: self.phase,
            position: self.position,
            combine: self.combine,
            enabled: true,
        }
    }
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
        let arranged = arrange(scopes, Link::place).into_iter();
        arranged
            .filter(|link| !link.displaced)
            .map(|link| link.item.clone())
            .collect()
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

impl FromIterator<Link> for Chain {
    fn from_iter<I: IntoIterator<Item = Link>>(links: I) -> Self {
        Self(links.into_iter().collect())
    }
}
