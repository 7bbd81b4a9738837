//! What the background jobs remove, and what they leave.

use std::time::Duration;

use control::accounts::{AccountKind, sessions, sign_in};
use control::{Error, Mode, credentials, jobs};
use model::Draft as _;
use model::consumer::{ConsumerDraft, ConsumerSpec};
use model::credential::{CredentialDraft, RotationGrace};
use serde_json::json;

use crate::support::{BROWSER, House, PASSWORD, credentials};

#[tokio::test]
async fn what_has_ended_is_removed_and_what_lives_stays() {
    let house = House::new().await;
    house.owner().await;
    house.developer("dora@example.com").await;
    let wrong = sign_in::admin(
        &house.control,
        credentials("olga@example.com", "wrong password!").into(),
        &BROWSER,
    )
    .await;
    assert!(matches!(wrong, Err(Error::WrongCredentials)));
    sqlx::query("update mails set state = 'kept'")
        .execute(house.pool())
        .await
        .unwrap();

    jobs::run_once(&house.control).await;
    assert_eq!(house.count("select count(*) from sessions").await, 2);
    assert_ne!(house.count("select count(*) from attempts").await, 0);

    house.advance(Duration::from_hours(24 * 5));
    let fresh = sign_in::admin(
        &house.control,
        credentials("olga@example.com", PASSWORD).into(),
        &BROWSER,
    )
    .await
    .unwrap();
    jobs::run_once(&house.control).await;
    assert!(
        sessions::resolve(&house.control, AccountKind::Admin, fresh.cookie.expose())
            .await
            .unwrap()
            .is_some()
    );
    // The idle one of the owner is gone, the developer's may still be used for two days.
    assert_eq!(house.count("select count(*) from sessions").await, 2);
    assert_eq!(house.count("select count(*) from one_time_tokens").await, 0);
    assert_eq!(house.count("select count(*) from attempts").await, 0);
    assert_eq!(house.count("select count(*) from mails").await, 1);

    house.advance(Duration::from_hours(24 * 2));
    jobs::run_once(&house.control).await;
    assert_eq!(house.count("select count(*) from sessions").await, 0);
    assert_eq!(house.count("select count(*) from mails").await, 0);
}

#[tokio::test]
async fn jobs_end_when_they_are_told_to() {
    let house = House::new().await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(jobs::run(house.control.clone(), async {
        stopped.await.ok();
    }));
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), running)
        .await
        .expect("in time")
        .unwrap();
}

#[tokio::test]
async fn keys_that_ended_long_ago_are_deleted_and_gateways_forget_them() {
    let house = House::new().await;
    let admin = house.admin().await;
    let consumer = json!({"name": "partner"});
    house
        .control
        .write(&admin, Mode::Commit, async |change| {
            control::create::<ConsumerSpec>(change, ConsumerDraft::read(&consumer)).await
        })
        .await
        .expect("made");
    let issue = async |name: &str| {
        let draft = CredentialDraft {
            name: Some(name.to_owned()),
            ..CredentialDraft::default()
        };
        let written = house.control.write(&admin, Mode::Commit, async |change| {
            credentials::issue(change, "partner", draft.into()).await
        });
        written.await.expect("issued").value.credential.id
    };
    let (lives, revoked, rotated) = (issue("lives").await, issue("revoked").await, issue("rotated").await);
    house
        .control
        .write(&admin, Mode::Commit, async |change| {
            credentials::revoke(change, revoked).await?;
            credentials::rotate(change, rotated, RotationGrace::OneDay).await
        })
        .await
        .expect("ended");
    house.advance(Duration::from_hours(24 * 90));
    jobs::run_once(&house.control).await;
    let gone = credentials::get(&house.control, &admin, revoked).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    assert_eq!(
        house.count("select count(*) from credentials").await,
        3,
        "the grace was a day"
    );
    house.advance(Duration::from_hours(24));
    jobs::run_once(&house.control).await;
    assert_eq!(house.count("select count(*) from credentials").await, 2);
    credentials::get(&house.control, &admin, lives).await.expect("it lives");
    let told = "select count(*) from config_entries where kind = 'credential' and body is null";
    assert_eq!(house.count(told).await, 2, "gateways are told");
}
