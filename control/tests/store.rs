//! What all stored nouns do alike, shown on services, routes, consumers and plugins.

use control::{Error, ListQuery, Mode, Precondition, audit, credentials, revisions};
use model::Draft as _;
use model::actor::{Actor, Role};
use model::consumer::ConsumerSpec;
use model::credential::{CredentialDraft, CredentialStatus};
use model::plugin::PluginSpec;
use model::route::RouteSpec;
use model::service::{ServiceDraft, ServiceSpec};
use model::upstream::{TargetSpec, UpstreamSpec};
use model::{Code, Noun, Stored};
use serde_json::{Value, json};

use crate::support::House;

async fn create<S: control::Table>(house: &House, actor: &Actor, body: Value) -> control::Result<Stored<S>> {
    let written = house.control.write(actor, Mode::Commit, async |change| {
        control::create::<S>(change, <S as Noun>::Draft::read(&body)).await
    });
    written.await.map(|written| written.value)
}

fn service(name: &str) -> Value {
    json!({"name": name, "url": "http://127.0.0.1:9"})
}

#[tokio::test]
async fn a_write_leaves_an_audit_entry_a_revision_and_the_gateways_row() {
    let house = House::new().await;
    let admin = house.admin().await;
    let stored = create::<ServiceSpec>(&house, &admin, service("orders"))
        .await
        .expect("made");
    assert_eq!(revisions::head(&house.control).await.expect("a head"), 1);
    let revision = revisions::get(&house.control, &admin, 1).await.expect("revision 1");
    assert_eq!((revision.changes.len(), revision.changes[0].before.clone()), (1, None));
    assert_eq!(
        revision.changes[0].after.as_ref().expect("after")["url"],
        json!("http://127.0.0.1:9/")
    );
    assert!(
        house.audited().await.iter().any(|action| action.contains("service")),
        "{:?}",
        house.audited().await
    );
    let entry: (i64, Value) =
        sqlx::query_as("select revision, body from config_entries where kind = 'service' and id = $1")
            .bind(stored.id.0)
            .fetch_one(house.pool())
            .await
            .expect("published");
    assert_eq!((entry.0, &entry.1["name"]), (1, &json!("orders")));
    assert!(
        audit::list(&house.control, &admin, &ListQuery::default())
            .await
            .expect("the log")
            .total
            > 0
    );
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_stores_nothing() {
    let house = House::new().await;
    let admin = house.admin().await;
    let tried = house.control.write(&admin, Mode::DryRun, async |change| {
        control::create::<ServiceSpec>(change, ServiceDraft::read(&service("orders"))).await
    });
    let tried = tried.await.expect("tried");
    assert_eq!((tried.revision, tried.changes.len()), (None, 1));
    assert_eq!(house.count("select count(*) from services").await, 0);
    assert_eq!(revisions::head(&house.control).await.expect("a head"), 0);
}

#[tokio::test]
async fn every_error_of_a_draft_is_told_at_once() {
    let house = House::new().await;
    let admin = house.admin().await;
    create::<ServiceSpec>(&house, &admin, service("orders"))
        .await
        .expect("made");
    let body = json!({
        "name": "a route", "service": "nobody", "hosts": ["a.example/path"], "paths": ["~("], "methods": ["get it"], "pahts": []
    });
    let Err(Error::Invalid(errors)) = create::<RouteSpec>(&house, &admin, body).await else {
        panic!("accepted")
    };
    for path in ["name", "service", "hosts.0", "paths.0", "methods.0", "pahts"] {
        assert!(errors.at(path).is_some(), "{path} is not in {errors}");
    }
    let Err(Error::Invalid(errors)) = create::<ServiceSpec>(&house, &admin, service("orders")).await else {
        panic!("twice")
    };
    assert_eq!(errors.at("name").map(|error| error.code), Some(Code::Taken));
}

#[tokio::test]
async fn a_merge_changes_what_it_names_and_a_stale_one_is_refused_with_the_current_state() {
    let house = House::new().await;
    let admin = house.admin().await;
    create::<ServiceSpec>(&house, &admin, service("orders"))
        .await
        .expect("made");
    let merge = async |precondition, patch: Value| {
        let written = house.control.write(&admin, Mode::Commit, async |change| {
            control::merge::<ServiceSpec>(change, "orders", precondition, &patch).await
        });
        written.await.map(|written| (written.value, written.revision))
    };
    let (changed, revision) = merge(Precondition(Some(1)), json!({"retries": 3}))
        .await
        .expect("merged");
    assert_eq!((changed.version, changed.spec.retry.retries, revision), (2, 3, Some(2)));
    assert!(changed.spec.url.is_some(), "the rest stays");
    let (same, revision) = merge(Precondition::default(), json!({"retries": 3}))
        .await
        .expect("merged");
    assert_eq!(
        (same.version, revision),
        (2, None),
        "nothing changed, nothing is written"
    );
    let Err(Error::Stale { version, current }) = merge(Precondition(Some(1)), json!({"retries": 1})).await else {
        panic!("accepted")
    };
    assert_eq!((version, &current["retries"]), (2, &json!(3)));
    assert!(matches!(
        merge(Precondition::default(), json!([])).await,
        Err(Error::Invalid(_))
    ));
}

#[tokio::test]
async fn what_others_need_is_not_deleted_unless_they_go_too() {
    let house = House::new().await;
    let admin = house.admin().await;
    create::<ServiceSpec>(&house, &admin, service("orders"))
        .await
        .expect("made");
    create::<RouteSpec>(
        &house,
        &admin,
        json!({"name": "shop", "service": "orders", "paths": ["/shop"]}),
    )
    .await
    .expect("made");
    create::<PluginSpec>(&house, &admin, json!({"plugin": "cors", "route": "shop"}))
        .await
        .expect("made");
    let delete = async |cascade| {
        let written = house.control.write(&admin, Mode::Commit, async |change| {
            control::delete::<ServiceSpec>(change, "orders", Precondition::default(), cascade).await
        });
        written.await
    };
    let Err(Error::InUse { dependants, .. }) = delete(false).await else {
        panic!("deleted")
    };
    assert_eq!(dependants[0].name, "shop");
    let written = delete(true).await.expect("deleted");
    assert_eq!(written.changes.len(), 3);
    assert_eq!(house.count("select count(*) from routes").await, 0);
    assert_eq!(
        house
            .count("select count(*) from config_entries where body is not null")
            .await,
        0
    );
    assert_eq!(
        house.count("select count(*) from config_entries").await,
        3,
        "gateways learn of it by tombstones"
    );
}

#[tokio::test]
async fn lists_are_paged_searched_filtered_and_sorted() {
    let house = House::new().await;
    let admin = house.admin().await;
    for name in ["alpha", "beta", "gamma"] {
        create::<ServiceSpec>(&house, &admin, service(name))
            .await
            .expect("made");
    }
    create::<RouteSpec>(
        &house,
        &admin,
        json!({"name": "r", "service": "beta", "paths": ["/x"], "tags": ["eu"]}),
    )
    .await
    .expect("made");
    let read = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        ListQuery::read(&pairs, &["service"]).expect("valid")
    };
    let names =
        |page: &control::Page<Stored<ServiceSpec>>| page.items.iter().map(|item| item.spec.name()).collect::<Vec<_>>();
    let first = control::list::<ServiceSpec>(&house.control, &admin, &read(&[("limit", "2")]))
        .await
        .expect("a page");
    assert_eq!(
        (names(&first), first.total),
        (vec!["alpha".to_owned(), "beta".to_owned()], 3)
    );
    let cursor = first.next_cursor.expect("more");
    let next = control::list::<ServiceSpec>(&house.control, &admin, &read(&[("limit", "2"), ("cursor", &cursor)]))
        .await
        .expect("a page");
    assert_eq!((names(&next), next.next_cursor), (vec!["gamma".to_owned()], None));
    let other_sort = read(&[("cursor", &cursor), ("sort", "-name")]);
    assert!(matches!(
        control::list::<ServiceSpec>(&house.control, &admin, &other_sort).await,
        Err(Error::InvalidQuery(_))
    ));
    let newest = control::list::<ServiceSpec>(
        &house.control,
        &admin,
        &read(&[("sort", "-created_at"), ("limit", "1")]),
    )
    .await;
    assert!(newest.is_ok_and(|page| page.total == 3));
    let found = control::list::<ServiceSpec>(&house.control, &admin, &read(&[("q", "MM")]))
        .await
        .expect("a page");
    assert_eq!(names(&found), ["gamma"]);
    let of_service = control::list::<RouteSpec>(&house.control, &admin, &read(&[("service", "beta"), ("tags", "eu")]))
        .await
        .expect("a page");
    assert_eq!(of_service.total, 1);
    let unknown = control::list::<RouteSpec>(&house.control, &admin, &read(&[("service", "nobody")])).await;
    assert!(matches!(unknown, Err(Error::InvalidQuery(_))));
}

#[tokio::test]
async fn rights_are_asked_for_before_anything_else() {
    let house = House::new().await;
    let mut auditor = house.admin().await;
    auditor.rights = Role::Auditor.rights();
    let refused = create::<ServiceSpec>(&house, &auditor, json!({})).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })));
    assert!(
        control::list::<ServiceSpec>(&house.control, &auditor, &ListQuery::default())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn routes_that_nothing_tells_apart_are_refused_with_the_others_name() {
    let house = House::new().await;
    let admin = house.admin().await;
    create::<ServiceSpec>(&house, &admin, service("orders"))
        .await
        .expect("made");
    let route = |name: &str| json!({"name": name, "service": "orders", "paths": ["/shop"]});
    create::<RouteSpec>(&house, &admin, route("one")).await.expect("made");
    let Err(Error::Invalid(errors)) = create::<RouteSpec>(&house, &admin, route("two")).await else {
        panic!("accepted")
    };
    assert!(errors.to_string().contains("one"), "{errors}");
}

#[tokio::test]
async fn a_plugin_is_checked_by_its_own_rules_and_completed() {
    let house = House::new().await;
    let admin = house.admin().await;
    let unknown = create::<PluginSpec>(&house, &admin, json!({"plugin": "rate-limt"})).await;
    let Err(Error::Invalid(errors)) = unknown else {
        panic!("accepted")
    };
    assert!(
        errors
            .at("plugin")
            .is_some_and(|error| error.message.contains("rate-limit")),
        "{errors}"
    );
    let wrong = json!({"plugin": "rate-limit", "config": {"limits": [{"requests": 0, "window_seconds": 60}]}});
    let Err(Error::Invalid(errors)) = create::<PluginSpec>(&house, &admin, wrong).await else {
        panic!("accepted")
    };
    assert!(errors.at("config.limits.0.requests").is_some(), "{errors}");
    let stored = create::<PluginSpec>(&house, &admin, json!({"plugin": "key-auth"}))
        .await
        .expect("made");
    assert_eq!(stored.spec.config["hide_credentials"], json!(true));
}

#[tokio::test]
async fn the_history_names_what_a_plugin_is_on() {
    let house = House::new().await;
    let admin = house.admin().await;
    create::<ServiceSpec>(&house, &admin, service("orders"))
        .await
        .expect("made");
    let plugin = json!({"plugin": "key-auth", "service": "orders"});
    create::<PluginSpec>(&house, &admin, plugin).await.expect("made");
    let revision = revisions::get(&house.control, &admin, 2).await.expect("revision 2");
    assert_eq!(revision.changes[0].name, "key-auth on service orders");
}

#[tokio::test]
async fn targets_belong_to_their_upstream() {
    let house = House::new().await;
    let admin = house.admin().await;
    create::<UpstreamSpec>(&house, &admin, json!({"name": "eu"}))
        .await
        .expect("made");
    let target = json!({"upstream": "eu", "address": "10.0.0.1:80"});
    create::<TargetSpec>(&house, &admin, target.clone())
        .await
        .expect("made");
    let Err(Error::Invalid(errors)) = create::<TargetSpec>(&house, &admin, target).await else {
        panic!("twice")
    };
    assert!(errors.at("address").is_some(), "{errors}");
    let gone = house.control.write(&admin, Mode::Commit, async |change| {
        control::delete::<UpstreamSpec>(change, "eu", Precondition::default(), true).await
    });
    assert_eq!(gone.await.expect("deleted").changes.len(), 2);
}

#[tokio::test]
async fn a_credential_is_issued_disabled_and_revoked() {
    let house = House::new().await;
    let admin = house.admin().await;
    create::<ConsumerSpec>(&house, &admin, json!({"name": "fjord"}))
        .await
        .expect("made");
    let write = house.control.write(&admin, Mode::Commit, async |change| {
        let draft = CredentialDraft::read(&json!({"name": "ci", "environment": "test", "ip_allow": ["10.0.0.0/8"]}));
        credentials::issue(change, "fjord", draft).await
    });
    let issued = write.await.expect("issued").value;
    assert!(issued.secret.expose().starts_with("gh_test_"));
    let id = issued.credential.id;
    let set = async |enabled| {
        let written = house.control.write(&admin, Mode::Commit, async |change| {
            credentials::set_enabled(change, id, enabled).await
        });
        written.await.map(|written| written.value.status)
    };
    assert_eq!(set(false).await.expect("disabled"), CredentialStatus::Disabled);
    assert_eq!(set(true).await.expect("enabled"), CredentialStatus::Active);
    let revoke = house.control.write(&admin, Mode::Commit, async |change| {
        credentials::revoke(change, id).await
    });
    assert_eq!(revoke.await.expect("revoked").value.status, CredentialStatus::Revoked);
    assert!(matches!(set(true).await, Err(Error::Conflict(_))));
    let history = revisions::list(&house.control, &admin, &ListQuery::default())
        .await
        .expect("history");
    for revision in history.items {
        let detail = revisions::get(&house.control, &admin, revision.number)
            .await
            .expect("there");
        assert!(
            !format!("{detail:?}").contains(issued.secret.expose()),
            "no history has the key"
        );
    }
    let wrong = house.control.write(&admin, Mode::Commit, async |change| {
        credentials::issue(
            change,
            "fjord",
            CredentialDraft::read(&json!({"ip_allow": ["x"], "expires_at": "2020-01-01T00:00:00Z"})),
        )
        .await
    });
    let Err(Error::Invalid(errors)) = wrong.await else {
        panic!("accepted")
    };
    assert!(
        ["name", "ip_allow.0", "expires_at"]
            .iter()
            .all(|path| errors.at(path).is_some()),
        "{errors}"
    );
}

#[tokio::test]
async fn everything_is_found_by_its_name() {
    let house = House::new().await;
    let admin = house.admin().await;
    create::<ServiceSpec>(&house, &admin, service("orders"))
        .await
        .expect("made");
    create::<RouteSpec>(
        &house,
        &admin,
        json!({"name": "list-orders", "service": "orders", "paths": ["/x"]}),
    )
    .await
    .expect("made");
    let hits = control::search::search(&house.control, &admin, "order")
        .await
        .expect("found");
    assert_eq!(
        hits.iter().map(|hit| hit.name.as_str()).collect::<Vec<_>>(),
        ["orders", "list-orders"]
    );
    assert_eq!(
        control::overview::counts(&house.control, &admin)
            .await
            .expect("counted")
            .routes,
        1
    );
}
