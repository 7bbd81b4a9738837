//! Which instances of plugins run where several scopes have some, and in which order.
//!
//! The gateway compiles its chains by this rule, and the console shows them by it.

use crate::plugin::{Combine, Phase};

/// What decides over the place of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    /// When it runs.
    pub phase: Phase,
    /// Its place among those of its phase.
    pub position: i32,
    /// What happens at several scopes.
    pub combine: Combine,
    /// Whether it is switched on.
    pub enabled: bool,
}

/// One instance in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arranged<T> {
    /// The instance.
    pub item: T,
    /// Which of the scopes it comes from.
    pub scope: usize,
    /// Whether an instance of a nearer scope runs instead of it.
    pub displaced: bool,
}

/// All instances of `scopes`, the nearest scope first, in the order in which they run.
///
/// Of a plugin that combines by the nearest scope, those of wider scopes are displaced; several at one scope do not
/// displace each other. Within a phase and position, nearer scopes come first.
pub fn arrange<'a, T>(scopes: &[&'a [T]], place: impl Fn(&'a T) -> Place<'a>) -> Vec<Arranged<&'a T>> {
    let mut nearer: Vec<&str> = Vec::new();
    let mut arranged: Vec<(Place<'a>, Arranged<&'a T>)> = Vec::new();
    for (scope, items) in scopes.iter().enumerate() {
        let here: Vec<(Place<'a>, &'a T)> = items.iter().map(|item| (place(item), item)).collect();
        arranged.extend(here.iter().map(|(place, item)| {
            let displaced = place.combine == Combine::Nearest && nearer.contains(&place.plugin);
            (
                *place,
                Arranged {
                    item: *item,
                    scope,
                    displaced,
                },
            )
        }));
        nearer.extend(
            here.iter()
                .filter(|(place, _)| place.enabled)
                .map(|(place, _)| place.plugin),
        );
    }
    arranged.sort_by_key(|(place, _)| (place.phase, place.position));
    arranged.into_iter().map(|(_, arranged)| arranged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn place(plugin: &str, position: i32, combine: Combine) -> Place<'_> {
        let phase = Phase::Limit;
        Place {
            plugin,
            phase,
            position,
            combine,
            enabled: true,
        }
    }

    fn names<'a>(scopes: &[&'a [Place<'a>]]) -> Vec<(&'a str, usize, bool)> {
        let all = arrange(scopes, |place| *place);
        all.into_iter()
            .map(|one| (one.item.plugin, one.scope, one.displaced))
            .collect()
    }

    #[test]
    fn the_nearest_scope_displaces_wider_ones_of_the_same_plugin() {
        let near = [place("a", 0, Combine::Nearest), place("a", 1, Combine::Nearest)];
        let wide = [place("a", 2, Combine::Nearest), place("b", 3, Combine::Nearest)];
        let expected = [("a", 0, false), ("a", 0, false), ("a", 1, true), ("b", 1, false)];
        assert_eq!(names(&[&near, &wide]), expected);
    }

    #[test]
    fn plugins_that_add_up_all_run() {
        let all = [place("a", 0, Combine::All)];
        assert_eq!(names(&[&all, &all]), [("a", 0, false), ("a", 1, false)]);
    }

    #[test]
    fn what_is_switched_off_displaces_nothing() {
        let off = [Place {
            enabled: false,
            ..place("a", 0, Combine::Nearest)
        }];
        let wide = [place("a", 0, Combine::Nearest)];
        assert_eq!(names(&[&off, &wide]), [("a", 0, false), ("a", 1, false)]);
    }

    #[test]
    fn phase_comes_before_position_and_position_before_scope() {
        let late = [
            Place {
                phase: Phase::Observe,
                ..place("c", -5, Combine::All)
            },
            place("b", 1, Combine::All),
        ];
        let wide = [place("a", 0, Combine::All), place("d", 1, Combine::All)];
        let order: Vec<&str> = names(&[&late, &wide]).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(order, ["a", "b", "d", "c"]);
    }
}
