//! Routes among each other: refused, or stored with a warning.

use control::{Error, Mode, Precondition};
use model::Draft as _;
use model::actor::Actor;
use model::route::{RouteDraft, RouteSpec};
use model::service::{ServiceDraft, ServiceSpec};
use model::{Stored, Warning};
use serde_json::{Value, json};

use crate::support::House;

async fn create(house: &House, actor: &Actor, mut body: Value) -> control::Result<(Stored<RouteSpec>, Vec<Warning>)> {
    if body.get("service").is_none() {
        body["service"] = json!("orders");
    }
    let written = house.control.write(actor, Mode::Commit, async |change| {
        control::create::<RouteSpec>(change, RouteDraft::read(&body)).await
    });
    written.await.map(|written| (written.value, written.warnings))
}

async fn service(house: &House, actor: &Actor, name: &str, enabled: bool) {
    let body = json!({"name": name, "url": "http://127.0.0.1:9", "enabled": enabled});
    let written = house.control.write(actor, Mode::Commit, async |change| {
        control::create::<ServiceSpec>(change, ServiceDraft::read(&body)).await
    });
    written.await.expect("made");
}

async fn house() -> (House, Actor) {
    let house = House::new().await;
    let admin = house.admin().await;
    service(&house, &admin, "orders", true).await;
    (house, admin)
}

#[tokio::test]
async fn a_route_that_can_never_win_is_stored_with_the_name_of_the_one_that_does() {
    let (house, admin) = house().await;
    for (name, wide, narrow) in [
        ("prefix", json!(["/shop"]), json!(["/shop/orders"])),
        ("rest", json!(["/a_b/{id}/{*rest}"]), json!(["=/a_b/1/x"])),
        ("first", json!(["/{any}/x/{*rest}"]), json!(["/z/x/{id}/y"])),
    ] {
        let wide = json!({"name": name, "paths": wide, "priority": 5});
        let (_, warnings) = create(&house, &admin, wide).await.expect("made");
        assert_eq!(warnings, [], "{name}");
        let narrow = json!({"name": format!("{name}-narrow"), "paths": narrow});
        let (stored, warnings) = create(&house, &admin, narrow).await.expect("made");
        assert_eq!(warnings.len(), 1, "{name}");
        assert!(warnings[0].message.contains(&format!("`{name}`")), "{warnings:?}");
        let told = control::routes::warnings(&house.control, &admin, std::slice::from_ref(&stored))
            .await
            .expect("read");
        assert_eq!(told.get(&stored.id), warnings.first());
    }
}

#[tokio::test]
async fn a_route_of_a_service_that_is_off_is_in_nobodys_way() {
    let (house, admin) = house().await;
    service(&house, &admin, "off", false).await;
    let wide = json!({"name": "wide", "service": "off", "paths": ["/"], "priority": 5});
    create(&house, &admin, wide).await.expect("made");
    let (_, warnings) = create(&house, &admin, json!({"name": "narrow", "paths": ["/a"]}))
        .await
        .expect("made");
    assert_eq!(warnings, []);
}

#[tokio::test]
async fn routes_that_differ_in_the_names_of_parameters_or_in_spelling_only_are_refused() {
    let (house, admin) = house().await;
    for (one, other) in [
        (
            json!({"paths": ["/u_/{id}/{*rest}"]}),
            json!({"paths": ["/u_/{name}/{*tail}"]}),
        ),
        (json!({"paths": ["/%61/b"]}), json!({"paths": ["/x", "/a/b"]})),
        (
            json!({"protocols": ["tcp"], "ports": [5432, 5433]}),
            json!({"protocols": ["tcp"], "ports": [5433]}),
        ),
        (
            json!({"protocols": ["tls"], "snis": ["db.example.com"]}),
            json!({"protocols": ["tls"], "snis": ["*.example.com", "DB.example.com."]}),
        ),
    ] {
        let (mut one, mut other) = (one, other);
        one["name"] = json!(format!("one-{}", house.audited().await.len()));
        other["name"] = json!("other");
        create(&house, &admin, one.clone()).await.expect("made");
        let Err(Error::Invalid(errors)) = create(&house, &admin, other.clone()).await else {
            panic!("accepted {other}")
        };
        let name = one["name"].as_str().expect("a name");
        assert!(errors.to_string().contains(name), "{errors}");
    }
}

#[tokio::test]
async fn of_two_routes_that_are_made_at_once_and_cannot_be_told_apart_one_is_refused() {
    let (house, admin) = house().await;
    let mut first = house.control.begin(&admin).await.expect("begun");
    let body = json!({"name": "first", "service": "orders", "paths": ["/a"]});
    let made = control::create::<RouteSpec>(&mut first, RouteDraft::read(&body)).await;
    made.expect("made");
    let (second, finished) = tokio::join!(
        create(&house, &admin, json!({"name": "second", "paths": ["/a"]})),
        async {
            house.until_waiting(1).await;
            first.finish(Mode::Commit, ()).await
        }
    );
    finished.expect("stored");
    let Err(Error::Invalid(errors)) = second else {
        panic!("{second:?}")
    };
    assert!(errors.to_string().contains("`first`"), "{errors}");
}

#[tokio::test]
async fn a_service_cannot_go_while_a_route_is_made_that_splits_over_it() {
    let (house, admin) = house().await;
    service(&house, &admin, "canary", true).await;
    let mut making = house.control.begin(&admin).await.expect("begun");
    let split = json!({"services": [{"service": "orders", "weight": 9}], "by_header": [
        {"name": "x-canary", "value": "1", "service": "canary"}]});
    let body = json!({"name": "shop", "service": "orders", "paths": ["/"], "split": split});
    let made = control::create::<RouteSpec>(&mut making, RouteDraft::read(&body)).await;
    made.expect("made");
    let deleted = house.control.write(&admin, Mode::Commit, async |change| {
        control::delete::<ServiceSpec>(change, "canary", Precondition::default(), false).await
    });
    let (deleted, finished) = tokio::join!(deleted, async {
        house.until_waiting(1).await;
        making.finish(Mode::Commit, ()).await
    });
    finished.expect("stored");
    assert!(
        matches!(&deleted, Err(Error::InUse { dependants, .. }) if dependants[0].name == "shop"),
        "{deleted:?}"
    );
}
