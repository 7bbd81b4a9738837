//! What of a form is folded away, and when it is not.

use super::Fields;

impl Fields {
    /// Whether a fold needs to be seen: one of its members is not as it usually is, is at fault, or is about to get a row.
    pub(crate) fn opens(&self, members: &[(&str, &str)]) -> bool {
        members.iter().any(|(member, usual)| {
            let shown = self.shown(member);
            let is_set = !matches!(shown.as_str(), "" | "{}") && shown != *usual;
            is_set || self.wants_row(member) || self.is_at_fault(member)
        })
    }

    /// Whether something is wrong at or below a path.
    pub(crate) fn is_at_fault(&self, path: &str) -> bool {
        let below = format!("{path}.");
        self.errors()
            .iter()
            .any(|error| error.path == path || error.path.starts_with(&below))
    }

    /// The texts of a list.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.items(name).iter().map(super::shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::form::Form;

    #[test]
    fn a_fold_opens_for_what_is_set_at_fault_or_asked_for() {
        let usual = [("retries", "1"), ("tags", ""), ("health", "")];
        assert!(!Fields::of(&json!({"retries": 1, "health": {}})).opens(&usual));
        assert!(Fields::of(&json!({"retries": 2})).opens(&usual));
        assert!(Fields::typed(&Form::parse(b"_add=tags").expect("a form")).opens(&usual));
        let mut errors = model::Errors::new();
        errors.add("health.passive.timeouts", model::Code::OutOfRange, "is too many");
        assert!(Fields::empty().with_errors(&errors).opens(&usual));
        errors = model::Errors::new();
        errors.add("healthy", model::Code::OutOfRange, "is something else");
        assert!(!Fields::empty().with_errors(&errors).opens(&usual));
    }
}
