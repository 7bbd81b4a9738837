//! Compiles plugins, and sees which routes and callers that concerns.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::Kind;
use model::id::PluginId;
use model::plugin::{PluginSpec, Scope};
use plugins::{Registry, Services};

use super::super::Runtime;
use super::super::chain::{Chain, Link};
use super::{Builder, Stale};

impl Builder {
    /// Compiles the plugins that changed. One that cannot be compiled keeps its last good form.
    pub(super) fn compile_plugins(&mut self, runtime: &mut Runtime, stale: &mut Stale) {
        let links = self.links();
        let before = std::mem::replace(&mut self.links, links);
        let scopes: HashSet<Scope> = before.keys().chain(self.links.keys()).copied().collect();
        for scope in scopes {
            let (old, new) = (before.get(&scope), self.links.get(&scope));
            if same(old, new) {
                continue;
            }
            match scope {
                Scope::Global => {
                    stale.all = true;
                    self.chains.clear();
                }
                Scope::Service(id) => {
                    stale.services.insert(id);
                    self.chains.remove(&id);
                }
                Scope::Route(id) => drop(stale.routes.insert(id)),
                Scope::Consumer(id) => set(&mut runtime.consumer_chains, id, new),
                Scope::ConsumerGroup(id) => set(&mut runtime.group_chains, id, new),
            }
        }
    }

    /// The plugins that are on, by scope.
    fn links(&mut self) -> HashMap<Scope, Vec<Link>> {
        self.filters.retain(|id, _| self.state.plugins.contains_key(id));
        self.uncompilable.retain(|(kind, _), _| *kind != Kind::Plugin);
        let mut links: HashMap<Scope, Vec<Link>> = HashMap::new();
        for (id, spec) in self.state.plugins.iter().filter(|(_, spec)| spec.enabled) {
            let known = self.filters.get(id).filter(|(known, _)| known == spec);
            if known.is_none() {
                match compile(*id, spec, self.registry, &self.services) {
                    Ok(link) => drop(self.filters.insert(*id, (spec.clone(), link))),
                    Err(message) => drop(self.uncompilable.insert((Kind::Plugin, id.0), message)),
                }
            }
            if let Some((compiled, link)) = self.filters.get(id) {
                links.entry(compiled.scope()).or_default().push(link.clone());
            }
        }
        links
    }
}

/// Whether a scope has the plugins that it had.
fn same(old: Option<&Vec<Link>>, new: Option<&Vec<Link>>) -> bool {
    let (old, new) = (
        old.map(Vec::as_slice).unwrap_or_default(),
        new.map(Vec::as_slice).unwrap_or_default(),
    );
    // A plugin that changed has another filter.
    let same = |(one, other): (&Link, &Link)| Arc::ptr_eq(&one.filter, &other.filter);
    old.len() == new.len() && old.iter().zip(new).all(same)
}

fn set<I: std::hash::Hash + Eq + Clone>(chains: &mut Arc<HashMap<I, Chain>>, id: I, links: Option<&Vec<Link>>) {
    let chains = Arc::make_mut(chains);
    match links {
        Some(links) => drop(chains.insert(id, Chain::of_scopes(&[links]))),
        None => drop(chains.remove(&id)),
    }
}

fn compile(id: PluginId, spec: &PluginSpec, registry: &Registry, services: &Services) -> Result<Link, String> {
    let plugin = registry
        .find(&spec.plugin)
        .ok_or_else(|| format!("this program has no plugin `{}`", spec.plugin))?;
    let filter = plugin.compile(&spec.config, id, services)?;
    Ok(Link {
        instance: id,
        plugin: plugin.name,
        phase: plugin.phase,
        position: spec.position,
        combine: plugin.combine,
        filter: filter.into(),
    })
}
