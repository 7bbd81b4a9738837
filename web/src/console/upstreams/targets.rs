//! The targets of an upstream: their form, draining, and their weight.

use actix_web::web;
use askama::Template;
use control::Mode;
use model::upstream::TargetSpec;
use model::{Code, Errors, Kind, Stored};
use serde_json::{Value, json};

use super::super::objects::{self, FormState, Screen};
use crate::diff::Diff;
use crate::visit::form_errors;
use crate::{Area, Console, ConsolePage, Fields, Form, PageError, PageResult, Query, urls};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    objects::configure::<TargetSpec>(config);
    config
        .route("/targets/{id}/drain", web::post().to(drain))
        .route("/targets/{id}/weight", web::get().to(ask_weight))
        .route("/targets/{id}/weight", web::post().to(set_weight));
}

#[derive(Template)]
#[template(path = "console/upstreams/target.html")]
pub(in crate::console) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<TargetSpec>>,
    preview: Option<Diff>,
    back: String,
}

#[derive(Template)]
#[template(path = "console/upstreams/weight.html")]
struct WeightPage {
    page: ConsolePage,
    fields: Fields,
    target: Stored<TargetSpec>,
    action: String,
    back: String,
}

impl Screen for TargetSpec {
    const AREA: Area = Area::Upstreams;
    type FormPage = FormPage;

    async fn form_page(_console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            page,
            fields,
            stored,
            preview,
        } = state;
        let upstream = fields.shown("upstream");
        let back = if upstream.is_empty() {
            Area::Upstreams.url()
        } else {
            home(&upstream)
        };
        Ok(FormPage {
            page,
            fields,
            stored,
            preview,
            back,
        })
    }

    fn prefill(query: &Query) -> Value {
        json!({ "upstream": query.get("upstream") })
    }

    fn place(stored: &Stored<Self>) -> String {
        home(stored.spec.upstream)
    }

    fn after_delete(stored: &Stored<Self>) -> String {
        home(stored.spec.upstream)
    }

    fn title(stored: &Stored<Self>) -> String {
        stored.spec.address.as_str().to_owned()
    }
}

fn home(upstream: impl std::fmt::Display) -> String {
    urls::console::object(Kind::Upstream, upstream)
}

/// Lets a target end what it has without new requests, or gives it requests again.
async fn drain(console: Console, id: web::Path<String>, form: Form) -> PageResult {
    let drain = form.text("drain") == "true";
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            control::merge::<TargetSpec>(change, &id, form.precondition(), &json!({ "drain": drain })).await
        })
        .await?;
    let words = if drain {
        "Target drains"
    } else {
        "Target takes requests"
    };
    console.saved(&written, words, home(written.value.spec.upstream)).await
}

async fn ask_weight(console: Console, id: web::Path<String>) -> PageResult {
    let target = control::get::<TargetSpec>(console.control(), console.actor(), &id).await?;
    let fields = Fields::of(&target);
    let page = weight_page(&console, target, fields).await?;
    console.html(&page)
}

async fn weight_page(console: &Console, target: Stored<TargetSpec>, fields: Fields) -> Result<WeightPage, PageError> {
    let back = home(target.spec.upstream);
    let page = console.page("Weight", Area::Upstreams).await?;
    Ok(WeightPage {
        page: page
            .crumb(Area::Upstreams.title(), Area::Upstreams.url())
            .crumb(TargetSpec::title(&target), back.clone()),
        fields,
        action: urls::console::part(Kind::Target, target.id, "weight"),
        target,
        back,
    })
}

async fn set_weight(console: Console, id: web::Path<String>, form: Form) -> PageResult {
    let target = control::get::<TargetSpec>(console.control(), console.actor(), &id).await?;
    let patch = json!({ "weight": form.json().get("weight") });
    if patch["weight"].is_null() {
        let mut errors = Errors::new();
        errors.add("weight", Code::Required, "is required: 0 to 1000");
        return weight_again(&console, target, &form, &errors).await;
    }
    let written = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            control::merge::<TargetSpec>(change, &id, form.precondition(), &patch).await
        })
        .await;
    match written {
        Ok(written) => {
            let words = format!("Weight is {}", written.value.spec.weight);
            console.saved(&written, &words, home(target.spec.upstream)).await
        }
        Err(error) => weight_again(&console, target, &form, &form_errors(error)?).await,
    }
}

async fn weight_again(console: &Console, target: Stored<TargetSpec>, form: &Form, errors: &Errors) -> PageResult {
    let fields = Fields::typed(form).with_errors(errors);
    let page = weight_page(console, target, fields).await?;
    console.invalid(&page)
}

impl FormPage {
    fn action(&self) -> String {
        objects::action(self.stored.as_ref())
    }
}
