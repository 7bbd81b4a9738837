//! Applications, subscriptions and keys, as developers and administrators handle them.

use control::{Change, Control, Error, ListQuery, Mode, Precondition, applications, keys, offers, subscriptions};
use model::Draft as _;
use model::actor::Actor;
use model::api::ApiDraft;
use model::application::{ApplicationDraft, ApplicationStatus};
use model::credential::{CredentialDraft, CredentialStatus, RotationGrace};
use model::plan::PlanDraft;
use model::plugin::{PluginDraft, PluginSpec};
use model::product::ProductDraft;
use model::service::ServiceDraft;
use model::subscription::SubscriptionState;
use serde_json::{Value, json};

use crate::support::House;

/// One API in one product, with a plan that is open and one that asks.
pub(crate) async fn offer(control: &Control, actor: &Actor) {
    let document = json!({"openapi": "3.1.0", "paths": {"/orders": {"get": {"summary": "List orders"}}}});
    let api = json!({
        "name": "orders", "title": "Orders", "service": "orders", "base_url": "http://proxy.test/shop", "state": "published",
        "document": document
    });
    let plan = |name: &str, approval: &str| {
        json!({
            "name": name, "title": name, "product": "commerce", "state": "published", "approval": approval,
            "limits": [{"requests": 60, "window_seconds": 60}]
        })
    };
    let product = json!({"name": "commerce", "title": "Commerce", "apis": ["orders"]});
    control
        .write(actor, Mode::Commit, async |change| {
            let service = ServiceDraft::read(&json!({"name": "orders", "url": "http://127.0.0.1:9"}));
            control::create::<model::service::ServiceSpec>(change, service).await?;
            control::create::<model::api::ApiSpec>(change, ApiDraft::read(&api)).await?;
            control::create::<model::product::ProductSpec>(change, ProductDraft::read(&product)).await?;
            control::create::<model::plan::PlanSpec>(change, PlanDraft::read(&plan("free", "auto"))).await?;
            control::create::<model::plan::PlanSpec>(change, PlanDraft::read(&plan("business", "manual"))).await
        })
        .await
        .expect("offered");
}

fn application(name: &str) -> ApplicationDraft {
    ApplicationDraft {
        name: Some(name.to_owned()),
        description: None,
    }
}

async fn write<T>(
    house: &House,
    actor: &Actor,
    operation: impl AsyncFnOnce(&mut Change) -> control::Result<T>,
) -> control::Result<T> {
    house
        .control
        .write(actor, Mode::Commit, operation)
        .await
        .map(|written| written.value)
}

/// What gateways are told of the only application's consumer.
async fn published_consumer(house: &House) -> Value {
    sqlx::query_scalar(
        "select body from config_entries where kind = 'consumer' and id in (select consumer_id from applications)",
    )
    .fetch_one(house.pool())
    .await
    .expect("published")
}

#[tokio::test]
async fn a_developer_gets_a_key_that_gateways_know_in_one_step() {
    let house = House::new().await;
    offer(&house.control, &house.admin().await).await;
    let developer = house.developer("dora@example.com").await;
    let first = write(&house, &developer.actor, async |change| {
        keys::first(change, application("Checkout").into(), "free").await
    });
    let first = first.await.expect("a key");
    assert_eq!(first.subscription.subscription.state, SubscriptionState::Approved);
    assert!(first.key.secret.expose().starts_with("gh_live_"));
    let consumer = published_consumer(&house).await;
    assert_eq!(consumer["grants"].as_array().map(Vec::len), Some(1), "{consumer}");
    assert_eq!(consumer["grants"][0]["services"].as_array().map(Vec::len), Some(1));
    let stored: String = sqlx::query_scalar("select string_agg(t::text, ' ') from credentials t")
        .fetch_one(house.pool())
        .await
        .expect("rows");
    assert!(!stored.contains(first.key.secret.expose()), "only its hash is kept");
    let listed = keys::list(&house.control, &developer.actor, first.application.id)
        .await
        .expect("listed");
    assert_eq!(listed.len(), 1);
}

#[tokio::test]
async fn a_wrong_first_step_leaves_nothing_behind() {
    let house = House::new().await;
    offer(&house.control, &house.admin().await).await;
    let developer = house.developer("dora@example.com").await;
    let failed = write(&house, &developer.actor, async |change| {
        keys::first(change, application("Checkout").into(), "gold").await
    });
    assert!(matches!(failed.await, Err(Error::Invalid(errors)) if errors.at("plan").is_some()));
    assert_eq!(house.count("select count(*) from applications").await, 0);
    assert_eq!(house.count("select count(*) from consumers").await, 0);
}

#[tokio::test]
async fn anothers_application_does_not_exist() {
    let house = House::new().await;
    offer(&house.control, &house.admin().await).await;
    let dora = house.developer("dora@example.com").await;
    let eve = house.developer("eve@example.com").await;
    let first = write(&house, &dora.actor, async |change| {
        keys::first(change, application("Checkout").into(), "free").await
    });
    let first = first.await.expect("a key");
    let (id, key) = (first.application.id, first.key.credential.id);
    let missing = |result: control::Result<()>| assert!(matches!(result, Err(Error::NotFound { .. })), "{result:?}");
    missing(applications::get(&house.control, &eve.actor, id).await.map(drop));
    missing(keys::list(&house.control, &eve.actor, id).await.map(drop));
    missing(
        write(&house, &eve.actor, async |change| keys::revoke(change, id, key).await)
            .await
            .map(drop),
    );
    missing(
        write(&house, &eve.actor, async |change| {
            keys::issue(change, id, CredentialDraft::default().into()).await
        })
        .await
        .map(drop),
    );
    missing(
        write(&house, &eve.actor, async |change| {
            applications::delete(change, id, Precondition::default()).await
        })
        .await,
    );
    missing(
        write(&house, &eve.actor, async |change| {
            subscriptions::cancel(change, first.subscription.subscription.id).await
        })
        .await
        .map(drop),
    );
    let own = write(&house, &eve.actor, async |change| {
        applications::create(change, application("Other").into()).await
    });
    let own = own.await.expect("made");
    missing(
        write(&house, &eve.actor, async |change| {
            keys::revoke(change, own.id, key).await
        })
        .await
        .map(drop),
    );
    let all = ListQuery::default();
    let hers = applications::list(&house.control, &eve.actor, &all)
        .await
        .expect("listed");
    let subscribed = subscriptions::list(&house.control, &eve.actor, &all)
        .await
        .expect("listed");
    assert_eq!((hers.total, subscribed.total), (1, 0));
}

#[tokio::test]
async fn a_subscription_that_needs_approval_waits_for_it_and_the_developer_is_told() {
    let house = House::new().await;
    let admin = house.admin().await;
    offer(&house.control, &admin).await;
    let developer = house.developer("dora@example.com").await;
    let first = write(&house, &developer.actor, async |change| {
        keys::first(change, application("Checkout").into(), "business").await
    });
    let first = first.await.expect("a key");
    let id = first.subscription.subscription.id;
    assert_eq!(first.subscription.subscription.state, SubscriptionState::Pending);
    assert_eq!(published_consumer(&house).await["grants"], json!([]));
    let forbidden = write(&house, &developer.actor, async |change| {
        subscriptions::approve(change, id).await
    })
    .await;
    assert!(matches!(forbidden, Err(Error::Forbidden { .. })));
    write(&house, &admin, async |change| subscriptions::approve(change, id).await)
        .await
        .expect("approved");
    assert_eq!(
        published_consumer(&house).await["grants"].as_array().map(Vec::len),
        Some(1)
    );
    assert!(
        house
            .mailed("dora@example.com")
            .await
            .iter()
            .any(|mail| mail.contains("was approved"))
    );
    let again = write(&house, &admin, async |change| subscriptions::approve(change, id).await).await;
    assert!(matches!(again, Err(Error::Conflict(_))));
    write(&house, &admin, async |change| subscriptions::suspend(change, id).await)
        .await
        .expect("suspended");
    assert_eq!(published_consumer(&house).await["grants"], json!([]));
    let cancel =
        async |actor: &Actor| write(&house, actor, async |change| subscriptions::cancel(change, id).await).await;
    let eve = house.developer("eve@example.com").await;
    let (own, anothers) = (cancel(&developer.actor).await, cancel(&eve.actor).await);
    assert!(matches!(own, Err(Error::Conflict(_))), "{own:?}");
    assert!(
        matches!(anothers, Err(Error::NotFound { .. })),
        "another's says nothing: {anothers:?}"
    );
    write(&house, &admin, async |change| subscriptions::resume(change, id).await)
        .await
        .expect("resumed");
    write(&house, &developer.actor, async |change| {
        subscriptions::cancel(change, id).await
    })
    .await
    .expect("cancelled");
    assert_eq!(published_consumer(&house).await["grants"], json!([]));
}

#[tokio::test]
async fn one_subscription_stands_for_a_product_at_a_time() {
    let house = House::new().await;
    offer(&house.control, &house.admin().await).await;
    let developer = house.developer("dora@example.com").await;
    let first = write(&house, &developer.actor, async |change| {
        keys::first(change, application("Checkout").into(), "free").await
    });
    let first = first.await.expect("a key");
    let second = write(&house, &developer.actor, async |change| {
        subscriptions::request(change, first.application.id, "business").await
    });
    assert!(matches!(second.await, Err(Error::Conflict(_))));
    write(&house, &developer.actor, async |change| {
        subscriptions::cancel(change, first.subscription.subscription.id).await
    })
    .await
    .expect("cancelled");
    write(&house, &developer.actor, async |change| {
        subscriptions::request(change, first.application.id, "business").await
    })
    .await
    .expect("changed to another plan");
}

#[tokio::test]
async fn keys_are_rotated_with_a_grace_and_revoked_for_good() {
    let house = House::new().await;
    offer(&house.control, &house.admin().await).await;
    let developer = house.developer("dora@example.com").await;
    let first = write(&house, &developer.actor, async |change| {
        keys::first(change, application("Checkout").into(), "free").await
    });
    let first = first.await.expect("a key");
    let (app, old) = (first.application.id, first.key.credential.id);
    let new = write(&house, &developer.actor, async |change| {
        keys::rotate(change, app, old, RotationGrace::OneDay).await
    });
    let new = new.await.expect("rotated");
    let body: Value = sqlx::query_scalar("select body from config_entries where kind = 'credential' and id = $1")
        .bind(old.0)
        .fetch_one(house.pool())
        .await
        .expect("published");
    assert_eq!(body["expires_at"], json!("2026-11-24T12:00:00Z"));
    let revoked = write(&house, &developer.actor, async |change| {
        keys::revoke(change, app, new.credential.id).await
    });
    assert_eq!(revoked.await.expect("revoked").status, CredentialStatus::Revoked);
    let again = write(&house, &developer.actor, async |change| {
        keys::rotate(change, app, new.credential.id, RotationGrace::Now).await
    });
    assert!(matches!(again.await, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn keys_are_bounded_by_those_that_live_and_these_come_first() {
    let house = House::new().await;
    offer(&house.control, &house.admin().await).await;
    let developer = house.developer("dora@example.com").await;
    let first = write(&house, &developer.actor, async |change| {
        keys::first(change, application("Checkout").into(), "free").await
    });
    let first = first.await.expect("a key");
    let app = first.application.id;
    let issue = async |expires_at: Option<&str>| {
        let body = json!({"name": "another", "expires_at": expires_at});
        write(&house, &developer.actor, async |change| {
            keys::issue(change, app, CredentialDraft::read(&body)).await
        })
        .await
    };
    let rotate = async |key, grace| {
        write(&house, &developer.actor, async |change| {
            keys::rotate(change, app, key, grace).await
        })
        .await
    };
    for _ in 1..20 {
        issue(Some("2026-11-24T12:00:00Z")).await.expect("made");
    }
    assert!(matches!(issue(None).await, Err(Error::Conflict(_))), "the most");
    house.advance(std::time::Duration::from_hours(25));
    // All but the first have ended, and are in nobody's way.
    issue(None).await.expect("made");
    let listed = keys::list(&house.control, &developer.actor, app).await.expect("listed");
    assert_eq!(listed.len(), 21);
    assert_eq!(listed[1].id, first.key.credential.id, "what ended comes last");
    let mut newest = first.key.credential.id;
    for _ in 0..20 {
        newest = rotate(newest, RotationGrace::OneWeek)
            .await
            .expect("rotated")
            .credential
            .id;
    }
    let refused = rotate(newest, RotationGrace::OneHour).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    rotate(newest, RotationGrace::Now)
        .await
        .expect("it can always be stopped");
}

#[tokio::test]
async fn a_suspended_application_is_published_as_such_and_a_deleted_one_leaves_no_key() {
    let house = House::new().await;
    let admin = house.admin().await;
    offer(&house.control, &admin).await;
    let developer = house.developer("dora@example.com").await;
    let first = write(&house, &developer.actor, async |change| {
        keys::first(change, application("Checkout").into(), "free").await
    });
    let application = first.await.expect("a key").application;
    let id = application.id;
    let limit = json!({"limits": [{"requests": 5, "window_seconds": 60}]});
    let plugin = json!({"plugin": "rate-limit", "consumer": application.consumer.to_string(), "config": limit});
    write(&house, &admin, async |change| {
        control::create::<PluginSpec>(change, PluginDraft::read(&plugin)).await
    })
    .await
    .expect("made");
    let suspended = write(&house, &admin, async |change| applications::suspend(change, id).await)
        .await
        .expect("suspended");
    assert_eq!(suspended.status, ApplicationStatus::Suspended);
    assert_eq!(
        published_consumer(&house).await["status"],
        json!("application_suspended")
    );
    write(&house, &admin, async |change| applications::resume(change, id).await)
        .await
        .expect("resumed");
    assert_eq!(published_consumer(&house).await["status"], json!("active"));
    write(&house, &developer.actor, async |change| {
        applications::delete(change, id, Precondition::default()).await
    })
    .await
    .expect("deleted");
    for table in ["credentials", "consumers", "plugins"] {
        let left = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(format!("select count(*) from {table}")));
        assert_eq!(left.fetch_one(house.pool()).await.expect("a number"), 0, "{table}");
    }
    let told =
        "select count(*) from config_entries where kind in ('consumer', 'credential', 'plugin') and body is null";
    assert_eq!(house.count(told).await, 3, "gateways forget them");
    assert_eq!(
        house
            .count("select count(*) from subscriptions where state <> 'cancelled'")
            .await,
        0
    );
    let gone = applications::get(&house.control, &developer.actor, id).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })));
}

/// A second service with an API that no product has yet.
async fn another_api(house: &House, admin: &Actor) {
    let api = json!({
        "name": "returns", "title": "Returns", "service": "returns", "base_url": "http://proxy.test/returns",
        "state": "published", "document": {"openapi": "3.1.0", "paths": {}}
    });
    write(house, admin, async |change| {
        let service = ServiceDraft::read(&json!({"name": "returns", "url": "http://127.0.0.1:9"}));
        control::create::<model::service::ServiceSpec>(change, service).await?;
        control::create::<model::api::ApiSpec>(change, ApiDraft::read(&api)).await
    })
    .await
    .expect("made");
}

/// How many services each consumer may call, as gateways are told.
async fn granted(house: &House) -> Vec<i64> {
    let granted = "select coalesce(jsonb_array_length(body #> '{grants,0,services}'), 0)::bigint from config_entries
                   where kind = 'consumer' order by id";
    let granted = sqlx::query_scalar(granted).fetch_all(house.pool());
    granted.await.expect("published")
}

#[tokio::test]
async fn a_changed_product_is_told_of_every_subscriber_in_one_revision() {
    let house = House::new().await;
    let admin = house.admin().await;
    offer(&house.control, &admin).await;
    another_api(&house, &admin).await;
    for email in ["dora@example.com", "eve@example.com"] {
        let developer = house.developer(email).await;
        let first = write(&house, &developer.actor, async |change| {
            keys::first(change, application("Checkout").into(), "free").await
        });
        first.await.expect("a key");
    }
    assert_eq!(granted(&house).await, [1, 1]);
    let before = house.count("select revision from config_head").await;
    let both = json!({"apis": ["orders", "returns"]});
    write(&house, &admin, async |change| {
        control::merge::<model::product::ProductSpec>(change, "commerce", Precondition::default(), &both).await
    })
    .await
    .expect("changed");
    assert_eq!(granted(&house).await, [2, 2]);
    assert_eq!(house.count("select revision from config_head").await, before + 1);
    let told = "select count(*) from config_entries, config_head
                where kind = 'consumer' and config_entries.revision = config_head.revision";
    assert_eq!(house.count(told).await, 2);
}

#[tokio::test]
async fn who_is_approved_while_a_product_grows_may_call_all_of_it() {
    let house = House::new().await;
    let admin = house.admin().await;
    offer(&house.control, &admin).await;
    another_api(&house, &admin).await;
    let developer = house.developer("dora@example.com").await;
    let first = write(&house, &developer.actor, async |change| {
        keys::first(change, application("Checkout").into(), "business").await
    });
    let id = first.await.expect("a key").subscription.subscription.id;
    let mut growing = house.control.begin(&admin).await.expect("begun");
    let both = json!({"apis": ["orders", "returns"]});
    control::merge::<model::product::ProductSpec>(&mut growing, "commerce", Precondition::default(), &both)
        .await
        .expect("changed");
    let approved = write(&house, &admin, async |change| subscriptions::approve(change, id).await);
    let (approved, grown) = tokio::join!(approved, async {
        house.until_waiting(1).await;
        growing.finish(Mode::Commit, ()).await
    });
    grown.expect("stored");
    approved.expect("approved");
    assert_eq!(granted(&house).await, [2]);
}

#[tokio::test]
async fn names_of_applications_are_unique_for_a_developer() {
    let house = House::new().await;
    let (dora, eve) = (
        house.developer("dora@example.com").await,
        house.developer("eve@example.com").await,
    );
    let create = async |actor: &Actor, name: &str| {
        write(&house, actor, async |change| {
            applications::create(change, application(name).into()).await
        })
        .await
    };
    create(&dora.actor, "Checkout").await.expect("made");
    create(&eve.actor, "Checkout").await.expect("another's");
    let taken = create(&dora.actor, "checkout").await;
    assert!(matches!(taken, Err(Error::Invalid(errors)) if errors.at("name").is_some()));
    let empty = create(&dora.actor, " ").await;
    assert!(matches!(empty, Err(Error::Invalid(errors)) if errors.at("name").is_some()));
}

#[tokio::test]
async fn the_catalogue_counts_operations_as_documents_have_them() {
    let house = House::new().await;
    let admin = house.admin().await;
    offer(&house.control, &admin).await;
    let operation = json!({"responses": {}});
    let many: serde_json::Map<_, _> = (0..600)
        .map(|number| (format!("/{number}"), json!({"get": operation})))
        .collect();
    for (index, paths) in [
        json!({}),
        json!({"/a": {"get": operation, "post": operation, "options": operation, "parameters": [], "summary": "A"}}),
        json!({"/a": {"get": operation, "trace": operation}, "/b": {"delete": operation, "x-get": operation}, "x-note": {}}),
        json!({"/a": {"get": "not an operation"}, "/b": {"$ref": "#/components/pathItems/b"}}),
        Value::Object(many),
    ]
    .into_iter()
    .enumerate()
    {
        let document = json!({"openapi": "3.1.0", "paths": paths});
        let body = json!({
            "name": "orders", "title": "Orders", "service": "orders", "base_url": "http://proxy.test/shop",
            "state": "published", "document": document
        });
        let changed = write(&house, &admin, async |change| {
            control::replace::<model::api::ApiSpec>(change, "orders", Precondition::default(), ApiDraft::read(&body)).await
        });
        if let Err(error) = changed.await {
            panic!("{index}: {error:?}");
        }
        let listed = offers::list(&house.control, None).await.expect("listed");
        assert_eq!(listed[0].operations, control::openapi::count_operations(&document), "{document}");
        let page = offers::get(&house.control, "orders").await.expect("there");
        assert_eq!((page.document, page.api.operations), (document, listed[0].operations));
    }
}

#[tokio::test]
async fn the_catalogue_shows_what_is_published_and_finds_it() {
    let house = House::new().await;
    let admin = house.admin().await;
    offer(&house.control, &admin).await;
    let draft = json!({
        "name": "secret", "title": "Secret", "service": "orders", "base_url": "http://x",
        "document": {"openapi": "3.0.0", "paths": {}}
    });
    write(&house, &admin, async |change| {
        control::create::<model::api::ApiSpec>(change, ApiDraft::read(&draft)).await
    })
    .await
    .expect("made");
    let listed = offers::list(&house.control, None).await.expect("listed");
    assert_eq!(
        listed
            .iter()
            .map(|api| (api.name.as_str(), api.operations))
            .collect::<Vec<_>>(),
        [("orders", 1)]
    );
    assert_eq!(offers::list(&house.control, Some("ORD")).await.expect("found").len(), 1);
    assert!(
        offers::list(&house.control, Some("zzz"))
            .await
            .expect("searched")
            .is_empty()
    );
    let page = offers::get(&house.control, "orders").await.expect("there");
    let plans: Vec<(&str, bool)> = page
        .offers
        .iter()
        .map(|offer| (offer.name.as_str(), offer.needs_approval))
        .collect();
    assert_eq!(plans, [("free", false), ("business", true)]);
    assert!(matches!(
        offers::get(&house.control, "secret").await,
        Err(Error::NotFound { .. })
    ));
}
