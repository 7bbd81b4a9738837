//! What the background jobs remove, and what they leave.

use std::time::Duration;

use control::accounts::{AccountKind, sessions, sign_in};
use control::{Error, jobs};

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
