//! How pages speak of keys: their state, and what is chosen when one is made or replaced.

use model::clock::Timestamp;
use model::credential::{Credential, CredentialStatus, RotationGrace};

use crate::times::{self, Time};
use crate::{Choice, Form, text};

/// What a key is right now, with its tone.
pub fn state(key: &Credential, now: &Timestamp) -> (&'static str, &'static str) {
    let ended = |end: Option<Timestamp>| end.is_some_and(|end| end <= *now);
    match key.status {
        CredentialStatus::Revoked => ("Revoked", ""),
        CredentialStatus::Disabled => ("Disabled", "warn"),
        CredentialStatus::Active if ended(key.expires_at) || ended(key.rotation_ends_at) => ("Ended", ""),
        CredentialStatus::Active if key.rotated_to.is_some() => ("Replaced", "warn"),
        CredentialStatus::Active => ("Active", "ok"),
    }
}

/// Until when a replaced key goes on.
pub fn replaced_until(key: &Credential, now: &Timestamp) -> Option<String> {
    key.rotation_ends_at
        .filter(|_| state(key, now).0 == "Replaced")
        .map(text::exact)
}

/// When a key was last accepted.
pub fn last_used(key: &Credential, now: &Timestamp) -> Option<Time> {
    key.last_used_at.map(|used| times::time(used, *now))
}

/// Whether a key can be replaced by a new one.
pub fn can_rotate(key: &Credential, now: &Timestamp) -> bool {
    state(key, now).0 == "Active"
}

/// The choice that a form made among [`graces`]; one day when it made none, `None` when there is no such choice.
pub fn grace(form: &Form) -> Option<RotationGrace> {
    match form.text("grace") {
        "" => Some(RotationGrace::OneDay),
        text => RotationGrace::parse(text),
    }
}

/// How long a replaced key goes on, longest first: that breaks nothing.
pub fn graces() -> Vec<Choice> {
    let label = |grace| match grace {
        RotationGrace::Now => "It stops at once",
        RotationGrace::OneHour => "It works for one hour more",
        RotationGrace::OneDay => "It works for one day more",
        RotationGrace::OneWeek => "It works for one week more",
    };
    let all = RotationGrace::ALL.into_iter().rev();
    all.map(|grace| Choice::new(grace.as_str(), label(grace))).collect()
}

/// What a key is for; it is part of the key.
pub fn environments() -> Vec<Choice> {
    vec![
        Choice::new("live", "Live: for real traffic"),
        Choice::new("test", "Test: for trying things"),
    ]
}
