//! The configuration of the demo, written through the same operations as anybody's.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use control::{Change, Control, ListQuery, Mode};
use model::actor::Actor;
use model::api::ApiSpec;
use model::consumer::ConsumerSpec;
use model::credential::{Credential, CredentialDraft, CredentialStatus, KeySecret};
use model::plan::PlanSpec;
use model::plugin::PluginSpec;
use model::product::ProductSpec;
use model::route::RouteSpec;
use model::service::ServiceSpec;
use model::upstream::{TargetSpec, UpstreamSpec};
use model::{Draft, Noun};
use serde_json::{Value, json};

/// The consumer whose key the curl line carries.
const CONSUMER: &str = "fjord-logistics";
/// What its key is called.
const KEY_NAME: &str = "demo";
/// The file that has it.
const KEY_FILE: &str = "demo-key";

/// Writes the demo's configuration, once: what people change or delete later stays so.
pub(crate) async fn seed(control: &Control, upstream: &[SocketAddr]) -> Result<()> {
    let (actor, base_url) = (Actor::system(), format!("{}/shop", control.settings().proxy_url));
    let [first, ..] = upstream else {
        bail!("the demo needs at least one address, set by GATEHOUSE_DEMO_LISTEN")
    };
    if control::revisions::head(control).await? > 0 {
        return Ok(());
    }
    control
        .write(&actor, Mode::Commit, async |change| {
            orders(change, first).await?;
            products(change, upstream).await?;
            offer(change, &base_url).await?;
            create::<ConsumerSpec>(
                change,
                json!({"name": CONSUMER, "custom_id": "crm-2041", "tags": ["demo"]}),
            )
            .await
        })
        .await
        .context("seeding the demo failed")?;
    Ok(())
}

/// The key of the demo's consumer, as long as there is that consumer. It is kept in a file, because it is only a demo's;
/// when the file is gone another key takes its place.
pub(crate) async fn key(control: &Control, directory: &Path) -> Result<Option<String>> {
    let actor = Actor::system();
    let query = ListQuery::default().with("consumer", CONSUMER);
    let old = match control::credentials::list(control, &actor, &query).await {
        Ok(page) => page.items,
        Err(control::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let path = directory.join(KEY_FILE);
    let kept = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
    let live = |old: &&Credential| old.name == KEY_NAME && old.status == CredentialStatus::Active;
    if old
        .iter()
        .filter(live)
        .any(|old| KeySecret::presented(kept.as_str()).prefix() == old.prefix)
    {
        return Ok(Some(kept));
    }
    let written = control
        .write(&actor, Mode::Commit, async |change| {
            for credential in old
                .iter()
                .filter(|old| old.name == KEY_NAME && old.status != CredentialStatus::Revoked)
            {
                control::credentials::revoke(change, credential.id).await?;
            }
            let draft = CredentialDraft::read(&json!({"name": KEY_NAME, "environment": "test"}));
            control::credentials::issue(change, CONSUMER, draft).await
        })
        .await?;
    let key = written.value.secret.expose().to_owned();
    keep(&path, &key).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Some(key))
}

fn keep(path: &Path, key: &str) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{key}")
}

/// The protected API: a key, and a limit for everyone who has one.
async fn orders(change: &mut Change, upstream: &SocketAddr) -> control::Result<()> {
    let service = json!({"name": "orders", "url": format!("http://{upstream}"), "tags": ["demo"]});
    create::<ServiceSpec>(change, service).await?;
    create::<RouteSpec>(
        change,
        json!({"name": "shop", "service": "orders", "paths": ["/shop"], "tags": ["demo"]}),
    )
    .await?;
    plugin(change, "key-auth", json!({"service": "orders"}), json!({})).await?;
    plugin(change, "cors", json!({"service": "orders"}), json!({})).await
}

/// The public one: two targets, and a limit for each address.
async fn products(change: &mut Change, upstream: &[SocketAddr]) -> control::Result<()> {
    create::<UpstreamSpec>(change, json!({"name": "products-eu", "tags": ["demo"]})).await?;
    for address in upstream {
        create::<TargetSpec>(
            change,
            json!({"upstream": "products-eu", "address": address.to_string()}),
        )
        .await?;
    }
    create::<ServiceSpec>(
        change,
        json!({"name": "products", "upstream": "products-eu", "tags": ["demo"]}),
    )
    .await?;
    let route = json!({
        "name": "products", "service": "products", "paths": ["/products"], "methods": ["GET", "HEAD"],
        "strip_path": false, "tags": ["demo"]
    });
    create::<RouteSpec>(change, route).await?;
    let limits = json!({"limits": [{"requests": 120, "window_seconds": 60, "by": "ip"}]});
    plugin(change, "rate-limit", json!({"route": "products"}), limits).await
}

/// What developers find in the portal.
async fn offer(change: &mut Change, base_url: &str) -> control::Result<()> {
    let document: Value =
        serde_json::from_str(include_str!("openapi.json")).map_err(|source| control::Error::Corrupt {
            what: "OpenAPI document of the demo",
            source,
        })?;
    let api = json!({
        "name": "orders", "title": "Orders", "api_version": "v1.4", "service": "orders", "base_url": base_url,
        "summary": "Place orders, look at them and follow them to the door.", "state": "published", "document": document,
    });
    create::<ApiSpec>(change, api).await?;
    let product = json!({
        "name": "commerce", "title": "Commerce", "summary": "Everything to sell with.", "apis": ["orders"],
    });
    create::<ProductSpec>(change, product).await?;
    let free = json!({
        "name": "commerce-free", "title": "Free", "summary": "To try it out and for small things.", "product": "commerce",
        "limits": [{"requests": 60, "window_seconds": 60}, {"requests": 5_000, "window_seconds": 86_400}],
        "state": "published",
    });
    create::<PlanSpec>(change, free).await?;
    let business = json!({
        "name": "commerce-business", "title": "Business", "summary": "For shops with traffic; we look at each request.",
        "product": "commerce", "limits": [{"requests": 600, "window_seconds": 60}], "approval": "manual",
        "state": "published",
    });
    create::<PlanSpec>(change, business).await
}

async fn plugin(change: &mut Change, name: &str, scope: Value, config: Value) -> control::Result<()> {
    let mut body = scope;
    body["plugin"] = name.into();
    body["config"] = config;
    create::<PluginSpec>(change, body).await
}

async fn create<S: control::Table>(change: &mut Change, body: Value) -> control::Result<()> {
    control::create::<S>(change, <S as Noun>::Draft::read(&body))
        .await
        .map(drop)
}
