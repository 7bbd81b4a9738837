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
    let is_known = |(id, text): &(Uuid, String)| *text == chosen || id.to_string() == chosen;
    if !chosen.is_empty() && !known.iter().any(is_known) {
        // What is gone stays chosen, so that saving says so instead of forgetting it.
        choices.push(Choice::new(chosen.as_str(), chosen.as_str()));
    }
    // A link may name the object instead of its id.
    choices.extend(known.into_iter().map(|(id, text)| {
        let value = if text == chosen { text.clone() } else { id.to_string() };
        Choice::new(value, text)
    }));
    Ok(fields.select(name, label, &choices))
}

/// A field for any number of objects of `kind`; with very many of them their ids are typed.
pub(super) async fn checks(
    console: &Console,
    fields: &Fields,
    (name, label): (&str, &str),
    kind: Kind,
) -> Result<Field, PageError> {
    let (known, more) = names::choices(console.control(), kind, CHOICES).await?;
    if more {
        return Ok(fields
            .words(name, label)
            .mono()
            .help(format!("Ids of {kind}s between commas.")));
    }
    let mut choices: Vec<Choice> = known
        .into_iter()
        .map(|(id, text)| Choice::new(id.to_string(), text))
        .collect();
    let gone = |id: &String| !choices.iter().any(|choice| choice.value == *id);
    let gone: Vec<String> = fields.texts(name).into_iter().filter(gone).collect();
    choices.extend(gone.into_iter().map(|id| Choice::new(id.clone(), id)));
    Ok(fields.checks(name, label, &choices))
}

/// The choices for one object of `kind` in a row of several; none when there are too many to choose from.
pub(super) async fn choices(console: &Console, kind: Kind) -> Result<Vec<(Uuid, String)>, PageError> {
    let (known, more) = names::choices(console.control(), kind, CHOICES).await?;
    Ok(if more { Vec::new() } else { known })
}

/// What the object that a filter names by id is called; a name stays as it is.
pub(super) async fn shown(console: &Console, kind: Kind, reference: &str) -> Result<Option<String>, PageError> {
    let Ok(id) = reference.parse::<Uuid>() else {
        return Ok(None);
    };
    Ok(names::of(console.control(), kind, [id]).await?.remove(&id))
}
