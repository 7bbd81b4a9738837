//! Fields and filters that refer to another object.

use control::names;
use model::Kind;
use uuid::Uuid;

use crate::fields::Field;
use crate::{Choice, Console, Fields, PageError};

/// With more objects than this a name is typed instead of chosen.
const CHOICES: i64 = 300;

/// A field for the object of `kind` that `name` refers to; `none` is the choice of none.
pub(super) async fn field(
    console: &Console,
    fields: &Fields,
    (name, label): (&str, &str),
    kind: Kind,
    none: &str,
) -> Result<Field, PageError> {
    let (known, more) = names::choices(console.control(), kind, CHOICES).await?;
    if more {
        return Ok(fields.text(name, label).help(format!("The name or id of the {kind}.")));
    }
    let chosen = fields.shown(name);
    let mut choices = vec![Choice::new("", none)];
    // A link may name the object instead of its id.
    choices.extend(known.into_iter().map(|(id, text)| {
        let value = if text == chosen { text.clone() } else { id.to_string() };
        Choice::new(value, text)
    }));
    Ok(fields.select(name, label, &choices))
}

/// What the object that a filter names by id is called; a name stays as it is.
pub(super) async fn shown(console: &Console, kind: Kind, reference: &str) -> Result<Option<String>, PageError> {
    let Ok(id) = reference.parse::<Uuid>() else {
        return Ok(None);
    };
    Ok(names::of(console.control(), kind, [id]).await?.remove(&id))
}
