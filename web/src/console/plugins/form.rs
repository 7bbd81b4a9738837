//! The form of one plugin instance, beside the chain that it stands in.

use actix_web::web;
use askama::Template;
use model::plugin::PluginSpec;
use model::{Kind, Stored};
use plugins::{Combine, PluginType, REGISTRY};
use serde_json::{Value, json};

use super::super::objects::{self, FormState, Screen};
use super::chain::Chain;
use super::scope::{self, Place};
use crate::diff::Diff;
use crate::schema_form::SchemaForm;
use crate::{Area, Console, ConsolePage, Fields, PageError, PageResult, Query, urls};

#[derive(Template)]
#[template(path = "console/plugins/form.html")]
pub(in crate::console) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<PluginSpec>>,
    preview: Option<Diff>,
    plugin: &'static PluginType,
    config: SchemaForm,
    scope: Option<(&'static str, String)>,
    scope_title: String,
    back: String,
    chain: Chain,
}

impl Screen for PluginSpec {
    const AREA: Area = Area::Plugins;
    type FormPage = FormPage;

    async fn form_page(console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            fields,
            stored,
            preview,
            ..
        } = state;
        let name = stored
            .as_ref()
            .map_or_else(|| fields.shown("plugin"), |stored| stored.spec.plugin.clone());
        let plugin = REGISTRY.find(&name).ok_or(PageError::NotFound)?;
        let place = match &stored {
            Some(stored) => Place::of_fields(console, &Fields::of(stored)).await?,
            None => Place::of_fields(console, &fields).await?,
        };
        let page = place.page(console, plugin.title).await?;
        let open = stored.as_ref().map(|stored| stored.id.0);
        Ok(FormPage {
            config: SchemaForm::new((plugin.schema)().as_value(), "config", &fields),
            scope: place.member(),
            scope_title: place.title(),
            back: place.url(),
            chain: Chain::of(console, &page, place, open).await?,
            page,
            fields,
            stored,
            preview,
            plugin,
        })
    }

    fn prefill(query: &Query) -> Value {
        let members = ["plugin", "route", "service", "consumer", "consumer_group"];
        let given = members.into_iter().filter(|member| !query.get(member).is_empty());
        given
            .map(|member| (member.to_owned(), json!(query.get(member))))
            .collect()
    }

    fn place(stored: &Stored<Self>) -> String {
        scope::home(&stored.spec)
    }

    fn after_delete(stored: &Stored<Self>) -> String {
        scope::home(&stored.spec)
    }

    fn title(stored: &Stored<Self>) -> String {
        let plugin = REGISTRY.find(&stored.spec.plugin);
        plugin.map_or_else(|| stored.spec.plugin.clone(), |plugin| plugin.title.to_owned())
    }
}

/// The page of an instance is its form.
pub(super) async fn open(console: Console, id: web::Path<String>) -> PageResult {
    console.redirect(urls::console::part(Kind::Plugin, id.as_str(), "edit"))
}

impl FormPage {
    fn action(&self) -> String {
        objects::action(self.stored.as_ref())
    }

    fn delete(&self) -> Option<String> {
        self.stored
            .as_ref()
            .map(|stored| urls::console::part(Kind::Plugin, stored.id, "delete"))
    }

    /// What happens when wider scopes have the same plugin.
    fn combines(&self) -> &'static str {
        match self.plugin.combine {
            Combine::All => "Runs besides those that wider scopes have.",
            Combine::Nearest => "Runs instead of those that wider scopes have.",
        }
    }
}
