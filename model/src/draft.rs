//! Reading drafts: a JSON body and an HTML form become the same unvalidated struct.
//!
//! Every member is read on its own, so that one wrong member does not hide the mistakes in the others.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::validation::{Code, Errors, unknown_word};

/// Members that answers carry and that a body may send back unchanged; they are ignored on the way in.
const READ_ONLY: [&str; 5] = ["id", "version", "created_at", "updated_at", "warnings"];

/// Unvalidated input for one noun.
pub trait Draft: Sized + Default + Serialize {
    /// The members it knows.
    const MEMBERS: &'static [&'static str];

    /// Reads every member of a JSON object and notes what is wrong.
    fn read(body: &Value) -> Submission<Self>;
}

/// A draft together with the mistakes that were found while reading it.
#[derive(Debug, Clone, Default)]
pub struct Submission<D> {
    /// What could be read.
    pub draft: D,
    /// What could not.
    pub errors: Errors,
}

impl<D> From<D> for Submission<D> {
    fn from(draft: D) -> Self {
        Self {
            draft,
            errors: Errors::new(),
        }
    }
}

/// Reads the members of one JSON object; `draft!` writes the calls.
#[derive(Debug)]
pub struct MemberReader<'a> {
    body: &'a Value,
    /// The mistakes so far.
    pub errors: Errors,
}

impl<'a> MemberReader<'a> {
    /// Starts to read `body` and reports members that are not known.
    pub fn new(body: &'a Value, members: &[&str]) -> Self {
        let mut errors = Errors::new();
        match body.as_object() {
            None => errors.add("", Code::WrongType, "must be a JSON object"),
            Some(object) => {
                for key in object.keys().filter(|key| !members.contains(&key.as_str())) {
                    if !READ_ONLY.contains(&key.as_str()) {
                        errors.add(key.as_str(), Code::UnknownMember, unknown_word("member", key, members));
                    }
                }
            }
        }
        Self { body, errors }
    }

    /// One member; absent and `null` mean the default.
    pub fn member<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        let Some(value) = self.body.get(name).filter(|value| !value.is_null()) else {
            return T::default();
        };
        match serde_path_to_error::deserialize(value) {
            Ok(read) => read,
            Err(error) => {
                let inner = error.path().to_string().replace('[', ".").replace(']', "");
                let inner = inner.trim_start_matches('.');
                let path = if inner.is_empty() {
                    name.to_owned()
                } else {
                    format!("{name}.{inner}")
                };
                self.errors
                    .add(path, Code::WrongType, plain(&error.into_inner().to_string()));
                T::default()
            }
        }
    }
}

/// Takes the parser's position out of a message: values read from memory have none.
fn plain(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

/// Defines a draft: a struct whose members may all be absent, and its reader.
#[macro_export]
macro_rules! draft {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$member_meta:meta])* pub $member:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, utoipa::ToSchema)]
        pub struct $name { $($(#[$member_meta])* pub $member: $type,)* }

        impl $crate::draft::Draft for $name {
            const MEMBERS: &'static [&'static str] = &[$(stringify!($member)),*];

            fn read(body: &serde_json::Value) -> $crate::draft::Submission<Self> {
                let mut reader = $crate::draft::MemberReader::new(body, Self::MEMBERS);
                let draft = Self { $($member: reader.member(stringify!($member)),)* };
                $crate::draft::Submission { draft, errors: reader.errors }
            }
        }
    };
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro makes drafts for everybody")]
mod tests {
    use super::*;
    use serde_json::json;

    draft! {
        /// A draft for these tests.
        pub struct ThingDraft {
            /// A name.
            pub name: Option<String>,
            /// Some numbers.
            pub numbers: Vec<u16>,
        }
    }

    #[test]
    fn every_wrong_member_is_reported() {
        let read = ThingDraft::read(&json!({"name": 3, "numbers": [1, "two"], "nmae": 1}));
        let paths: Vec<&str> = read.errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(paths, ["nmae", "name", "numbers.1"]);
        assert!(
            read.errors
                .at("nmae")
                .is_some_and(|error| error.message.contains("did you mean `name`"))
        );
    }

    #[test]
    fn read_only_members_are_ignored() {
        let read = ThingDraft::read(&json!({"id": "x", "version": 3, "name": null}));
        assert!(read.errors.is_empty());
        assert_eq!(read.draft, ThingDraft::default());
    }

    #[test]
    fn a_body_that_is_no_object_is_one_error() {
        assert_eq!(ThingDraft::read(&json!([1])).errors.iter().count(), 1);
    }
}
