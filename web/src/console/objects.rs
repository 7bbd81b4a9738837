//! What the pages of all stored nouns do alike: the form, saving it, showing the change first, deleting.

use actix_web::web;
use askama::Template;
use control::{ChangeRecord, Mode, Written};
use model::{Errors, Noun, Stored};
use serde_json::{Value, json};

use crate::diff::Diff;
use crate::visit::form_errors;
use crate::{Area, Console, ConsolePage, Fields, Flash, Form, PageError, PageResult, Query, text, urls};

/// A noun with pages of its own in the console.
pub(super) trait Screen: control::Table {
    /// Where in the navigation it is.
    const AREA: Area;
    /// Its form.
    type FormPage: Template;

    /// Whether it can be switched on and off.
    const SWITCHES: bool = true;

    /// The page with its form.
    fn form_page(console: &Console, state: FormState<Self>) -> impl Future<Output = Result<Self::FormPage, PageError>>;

    /// What a new object begins with, from the address of its form.
    fn prefill(_query: &Query) -> Value {
        json!({})
    }

    /// The page to see it on.
    fn place(stored: &Stored<Self>) -> String {
        urls::console::object(Self::KIND, stored.spec.name())
    }

    /// The page to go to once it is gone.
    fn after_delete(_stored: &Stored<Self>) -> String {
        urls::console::list(Self::KIND)
    }

    /// What people call this one.
    fn title(stored: &Stored<Self>) -> String {
        stored.spec.name()
    }
}

/// A form as it stands: of a new object or a stored one, with what was typed.
pub(super) struct FormState<S: Noun> {
    pub(super) page: ConsolePage,
    pub(super) fields: Fields,
    pub(super) stored: Option<Stored<S>>,
    /// What saving would change, when somebody asked.
    pub(super) preview: Option<Diff>,
}

#[derive(Template)]
#[template(path = "console/delete.html")]
struct DeletePage {
    page: ConsolePage,
    action: String,
    back: String,
    kind: String,
    name: String,
    version: i64,
    others: Vec<(String, String)>,
}

impl DeletePage {
    /// What must be typed to go on: nothing when nothing else goes with it.
    fn typed(&self) -> &str {
        if self.others.is_empty() { "" } else { &self.name }
    }
}

/// The routes of a noun's form and deletion, below its list.
pub(super) fn configure<S: Screen>(config: &mut web::ServiceConfig) {
    let list = S::KIND.plural();
    config
        .route(&format!("/{list}/new"), web::get().to(new::<S>))
        .route(&format!("/{list}/new"), web::post().to(create::<S>))
        .route(&format!("/{list}/{{id}}/edit"), web::get().to(edit::<S>))
        .route(&format!("/{list}/{{id}}/edit"), web::post().to(update::<S>))
        .route(&format!("/{list}/{{id}}/delete"), web::get().to(ask_delete::<S>))
        .route(&format!("/{list}/{{id}}/delete"), web::post().to(delete::<S>));
    if S::SWITCHES {
        config.route(&format!("/{list}/{{id}}/enabled"), web::post().to(switch::<S>));
    }
}

/// Where the form of an object is sent: the page that shows it.
pub(super) fn action<S: Screen>(stored: Option<&Stored<S>>) -> String {
    stored.map_or_else(
        || urls::console::new(S::KIND),
        |stored| urls::console::part(S::KIND, stored.id, "edit"),
    )
}

/// Where somebody goes who does not save.
pub(super) fn back<S: Screen>(stored: Option<&Stored<S>>) -> String {
    stored.map_or_else(|| urls::console::list(S::KIND), S::place)
}

/// What stands above the form of an object.
pub(super) fn heading<S: Screen>(stored: Option<&Stored<S>>) -> String {
    stored.map_or_else(
        || format!("New {}", S::KIND),
        |stored| format!("Edit {}", S::title(stored)),
    )
}

async fn state<S: Screen>(
    console: &Console,
    stored: Option<Stored<S>>,
    fields: Fields,
) -> Result<FormState<S>, PageError> {
    let title = stored
        .as_ref()
        .map_or_else(|| format!("New {}", S::KIND), |_| "Edit".to_owned());
    let mut page = console
        .page(title, S::AREA)
        .await?
        .crumb(S::AREA.title(), S::AREA.url());
    if let Some(stored) = &stored {
        page = page.crumb(S::title(stored), S::place(stored));
    }
    Ok(FormState {
        page,
        fields,
        stored,
        preview: None,
    })
}

async fn new<S: Screen>(console: Console, query: Query) -> PageResult {
    let fields = Fields::of(&S::prefill(&query));
    let page = S::form_page(&console, state(&console, None, fields).await?).await?;
    console.html(&page)
}

async fn create<S: Screen>(console: Console, form: Form) -> PageResult {
    if form.is_editing() {
        return again::<S>(&console, &form, None, Errors::new()).await;
    }
    let written = console
        .control()
        .write(console.actor(), mode(&form), async |change| {
            control::create::<S>(change, form.submission()).await
        })
        .await;
    match written {
        Ok(written) if is_preview(&form) => preview::<S>(&console, &form, None, &written).await,
        Ok(written) => {
            let words = format!("{} created", text::capital(&S::KIND.to_string()));
            console.saved(&written, &words, S::place(&written.value)).await
        }
        Err(error) => again::<S>(&console, &form, None, form_errors(error)?).await,
    }
}

async fn edit<S: Screen>(console: Console, id: web::Path<String>) -> PageResult {
    let stored = control::get::<S>(console.control(), console.actor(), &id).await?;
    let fields = Fields::of(&stored);
    let page = S::form_page(&console, state(&console, Some(stored), fields).await?).await?;
    console.html(&page)
}

async fn update<S: Screen>(console: Console, id: web::Path<String>, form: Form) -> PageResult {
    let stored = control::get::<S>(console.control(), console.actor(), &id).await?;
    if form.is_editing() {
        // The form stays one of the version that it was made from: nobody has seen a newer one yet.
        let seen = form.precondition().0.unwrap_or(stored.version);
        let stored = Stored {
            version: seen,
            ..stored
        };
        return again::<S>(&console, &form, Some(stored), Errors::new()).await;
    }
    let patch = form.patch(&json_of(&stored));
    let reference = stored.id.to_string();
    let written = console
        .control()
        .write(console.actor(), mode(&form), async |change| {
            control::merge::<S>(change, &reference, form.precondition(), &patch).await
        })
        .await;
    match written {
        Ok(written) if is_preview(&form) => preview::<S>(&console, &form, Some(stored), &written).await,
        Ok(written) => {
            let words = format!("{} saved", text::capital(&S::KIND.to_string()));
            console.saved(&written, &words, S::place(&written.value)).await
        }
        Err(error) => again::<S>(&console, &form, Some(stored), form_errors(error)?).await,
    }
}

fn json_of<S: Screen>(stored: &Stored<S>) -> Value {
    serde_json::to_value(stored).unwrap_or_default()
}

fn is_preview(form: &Form) -> bool {
    form.button("_preview").is_some()
}

fn mode(form: &Form) -> Mode {
    if is_preview(form) { Mode::DryRun } else { Mode::Commit }
}

/// The form once more, with everything that was typed.
async fn again<S: Screen>(console: &Console, form: &Form, stored: Option<Stored<S>>, errors: Errors) -> PageResult {
    let fields = Fields::typed(form).with_errors(&errors);
    let failed = !fields.errors().is_empty() && !form.is_editing();
    let page = S::form_page(console, state(console, stored, fields).await?).await?;
    if failed {
        console.invalid(&page)
    } else {
        console.html(&page)
    }
}

async fn preview<S: Screen>(
    console: &Console,
    form: &Form,
    stored: Option<Stored<S>>,
    written: &Written<Stored<S>>,
) -> PageResult {
    let mut state = state(console, stored, Fields::typed(form)).await?;
    let first = written.changes.first();
    state.preview = Some(first.map_or_else(|| Diff::of(None, None), ChangeDiff::diff));
    console.html(&S::form_page(console, state).await?)
}

/// The difference that a change made.
pub(super) trait ChangeDiff {
    /// Its members before and after.
    fn diff(&self) -> Diff;
}

impl ChangeDiff for ChangeRecord {
    fn diff(&self) -> Diff {
        Diff::of(self.before.as_ref(), self.after.as_ref())
    }
}

/// Switches an object on or off where it stands.
async fn switch<S: Screen>(console: Console, id: web::Path<String>, form: Form) -> PageResult {
    let enabled = form.text("enabled") == "true";
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            control::merge::<S>(change, &id, form.precondition(), &json!({ "enabled": enabled })).await
        })
        .await?;
    let word = if enabled { "switched on" } else { "switched off" };
    let words = format!("{} {word}", text::capital(&S::KIND.to_string()));
    console.saved(&written, &words, S::place(&written.value)).await
}

async fn ask_delete<S: Screen>(console: Console, id: web::Path<String>) -> PageResult {
    let stored = control::get::<S>(console.control(), console.actor(), &id).await?;
    // What would go with it is what a trial deletes.
    let reference = stored.id.to_string();
    let trial = console
        .control()
        .write(console.actor(), Mode::DryRun, async |change| {
            control::delete::<S>(change, &reference, control::Precondition::default(), true).await
        })
        .await?;
    let other = |record: &&ChangeRecord| record.id.to_string() != reference;
    let others = trial
        .changes
        .iter()
        .filter(other)
        .map(|record| (record.kind.to_string(), record.name.clone()));
    let (back, name) = (S::place(&stored), S::title(&stored));
    let page = console.page("Delete", S::AREA).await?;
    console.html(&DeletePage {
        page: page
            .crumb(S::AREA.title(), S::AREA.url())
            .crumb(name.clone(), back.clone()),
        action: urls::console::part(S::KIND, stored.id, "delete"),
        back,
        kind: S::KIND.to_string(),
        name,
        version: stored.version,
        others: others.collect(),
    })
}

async fn delete<S: Screen>(console: Console, id: web::Path<String>, form: Form) -> PageResult {
    let stored = control::get::<S>(console.control(), console.actor(), &id).await?;
    let cascade = form.text("cascade") == "true";
    if cascade && !form.confirms(&S::title(&stored)) {
        let back = urls::console::part(S::KIND, stored.id, "delete");
        let words = "The name was not typed as it is, so nothing is deleted";
        return console.redirect_with(back, &Flash::warn(words));
    }
    let reference = stored.id.to_string();
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            control::delete::<S>(change, &reference, form.precondition(), cascade).await
        })
        .await?;
    let words = format!("{} deleted", text::capital(&S::KIND.to_string()));
    console.saved(&written, &words, S::after_delete(&stored)).await
}
