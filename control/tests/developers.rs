//! A developer's path to an account, back to a lost one, and what administrators do with it.

use std::time::Duration;

use control::accounts::{AccountKind, sessions, sign_in};
use control::developers::{self, profile, recovery, sign_up};
use control::{Error, ListQuery, Mode};
use model::account::DeveloperStatus;
use model::consumer::{ConsumerDraft, ConsumerSpec};
use model::id::DeveloperId;

use crate::support::{BROWSER, House, PASSWORD, PORTAL, account, credentials, token_of};

const DORA: &str = "dora@example.com";

async fn sign_up_as(house: &House, name: &str, email: &str) {
    sign_up::sign_up(&house.control, account(name, email).into(), &BROWSER)
        .await
        .expect("always the same answer");
}

async fn sign_in_as(house: &House, email: &str, password: &str) -> control::Result<sessions::Opened> {
    sign_in::developer(&house.control, credentials(email, password).into(), &BROWSER).await
}

#[tokio::test]
async fn a_developer_signs_up_confirms_and_signs_in() {
    let house = House::new().await;
    sign_up_as(&house, "Dora", DORA).await;
    assert!(matches!(
        sign_in_as(&house, DORA, PASSWORD).await,
        Err(Error::Unverified)
    ));
    assert!(matches!(
        sign_in_as(&house, DORA, "wrong password!").await,
        Err(Error::WrongCredentials)
    ));

    let link = house.mailed_link(DORA).await;
    assert!(link.starts_with(&format!("{PORTAL}/verify?token=")), "{link}");
    assert!(sign_up::check(&house.control, token_of(&link)).await.unwrap());
    let developer = sign_up::verify(&house.control, token_of(&link)).await.unwrap();
    assert_eq!(developer.status, DeveloperStatus::Active);
    let again = sign_up::verify(&house.control, token_of(&link)).await;
    assert!(matches!(again, Err(Error::DeadLink)), "{again:?}");

    let opened = sign_in_as(&house, DORA, PASSWORD).await.unwrap();
    let found = sessions::resolve(&house.control, AccountKind::Developer, opened.cookie.expose())
        .await
        .unwrap();
    assert_eq!(found, Some(opened.session));
    assert_eq!(
        house.audited().await,
        ["developer.created", "developer.verified", "session.created"]
    );
}

#[tokio::test]
async fn a_taken_address_gets_the_same_answer_and_a_mail_that_says_so() {
    let house = House::new().await;
    let session = house.developer(DORA).await;
    sign_up::sign_up(&house.control, account("Somebody", DORA).into(), &BROWSER)
        .await
        .expect("the same answer");
    let mail = house.mailed(DORA).await.pop().unwrap();
    assert!(
        mail.contains("There is an account with it already") && mail.contains(&format!("{PORTAL}/login")),
        "{mail}"
    );
    assert!(!mail.contains("?token="), "{mail}");
    assert_eq!(
        profile::get(&house.control, &session).await.unwrap().name,
        "Dora Developer"
    );
}

#[tokio::test]
async fn nobody_can_reserve_the_address_of_somebody_else() {
    let house = House::new().await;
    let mut early = account("Eve", DORA);
    early.password = Some("the password of eve".to_owned());
    sign_up::sign_up(&house.control, early.into(), &BROWSER).await.unwrap();
    let link_of_eve = house.mailed_link(DORA).await;
    sign_up_as(&house, "Dora", DORA).await;

    let dead = sign_up::verify(&house.control, token_of(&link_of_eve)).await;
    assert!(matches!(dead, Err(Error::DeadLink)), "{dead:?}");
    let developer = sign_up::verify(&house.control, token_of(&house.mailed_link(DORA).await))
        .await
        .unwrap();
    assert_eq!(developer.name, "Dora");
    assert!(matches!(
        sign_in_as(&house, DORA, "the password of eve").await,
        Err(Error::WrongCredentials)
    ));
    assert!(sign_in_as(&house, DORA, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_link_ends_after_a_day_and_can_be_sent_again() {
    let house = House::new().await;
    sign_up_as(&house, "Dora", DORA).await;
    let old = house.mailed_link(DORA).await;
    house.advance(Duration::from_hours(24));
    assert!(!sign_up::check(&house.control, token_of(&old)).await.unwrap());
    assert!(matches!(
        sign_up::verify(&house.control, token_of(&old)).await,
        Err(Error::DeadLink)
    ));
    sign_up::resend(&house.control, Some(DORA), &BROWSER).await.unwrap();
    assert!(
        sign_up::verify(&house.control, token_of(&house.mailed_link(DORA).await))
            .await
            .is_ok()
    );
    for email in [Some(DORA), Some("nobody@example.com"), Some("no address"), None] {
        sign_up::resend(&house.control, email, &BROWSER)
            .await
            .expect("the same answer");
    }
    assert_eq!(house.count("select count(*) from mails").await, 2);
}

#[tokio::test]
async fn one_recipient_gets_at_most_five_mails_an_hour_and_nobody_is_told() {
    let house = House::new().await;
    for _ in 0..8 {
        sign_up_as(&house, "Dora", DORA).await;
    }
    assert_eq!(house.mailed(DORA).await.len(), 5);
    house.advance(Duration::from_hours(1));
    sign_up_as(&house, "Dora", DORA).await;
    assert_eq!(house.mailed(DORA).await.len(), 6);
}

#[tokio::test]
async fn one_address_asks_for_at_most_twenty_mails_an_hour() {
    let house = House::new().await;
    for number in 0..20 {
        let email = format!("nobody{number}@example.com");
        recovery::request(&house.control, Some(&email), &BROWSER).await.unwrap();
    }
    let refused = recovery::request(&house.control, Some(DORA), &BROWSER).await;
    assert!(matches!(refused, Err(Error::Throttled { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_reset_sets_the_password_and_ends_all_sessions() {
    let house = House::new().await;
    house.developer(DORA).await;
    let opened = sign_in_as(&house, DORA, PASSWORD).await.unwrap();
    recovery::request(&house.control, Some("DORA@example.com"), &BROWSER)
        .await
        .unwrap();
    let link = house.mailed_link(DORA).await;
    assert!(link.starts_with(&format!("{PORTAL}/reset?token=")), "{link}");
    assert!(recovery::check(&house.control, token_of(&link)).await.unwrap());
    let short = recovery::reset(&house.control, token_of(&link), Some("short"), &BROWSER).await;
    assert!(matches!(short, Err(Error::Invalid(_))), "{short:?}");

    recovery::reset(&house.control, token_of(&link), Some("another long one"), &BROWSER)
        .await
        .unwrap();
    let found = sessions::resolve(&house.control, AccountKind::Developer, opened.cookie.expose())
        .await
        .unwrap();
    assert_eq!(found, None);
    assert!(matches!(
        sign_in_as(&house, DORA, PASSWORD).await,
        Err(Error::WrongCredentials)
    ));
    assert!(sign_in_as(&house, DORA, "another long one").await.is_ok());
    let again = recovery::reset(&house.control, token_of(&link), Some("yet another one"), &BROWSER).await;
    assert!(matches!(again, Err(Error::DeadLink)), "{again:?}");
    assert!(house.mailed(DORA).await.pop().unwrap().contains("was changed"));
}

#[tokio::test]
async fn a_reset_is_answered_alike_for_accounts_that_do_not_exist() {
    let house = House::new().await;
    for email in [Some("nobody@example.com"), Some("no address"), None] {
        recovery::request(&house.control, email, &BROWSER)
            .await
            .expect("the same answer");
    }
    assert_eq!(house.count("select count(*) from mails").await, 0);
}

#[tokio::test]
async fn a_link_for_one_purpose_does_not_serve_another() {
    let house = House::new().await;
    sign_up_as(&house, "Dora", DORA).await;
    let link = house.mailed_link(DORA).await;
    let reset = recovery::reset(&house.control, token_of(&link), Some("another long one"), &BROWSER).await;
    assert!(matches!(reset, Err(Error::DeadLink)), "{reset:?}");
}

#[tokio::test]
async fn a_suspended_developer_is_signed_out_until_resumed() {
    let house = House::new().await;
    let admin = house.admin().await;
    house.developer(DORA).await;
    let opened = sign_in_as(&house, DORA, PASSWORD).await.unwrap();
    let id = DeveloperId(opened.session.account);
    let written = house.control.write(&admin, Mode::Commit, async |change| {
        developers::suspend(change, id).await
    });
    let written = written.await.unwrap();
    assert_eq!(written.value.status, DeveloperStatus::Suspended);
    assert!(written.revision.is_some());
    let found = sessions::resolve(&house.control, AccountKind::Developer, opened.cookie.expose())
        .await
        .unwrap();
    assert_eq!(found, None);
    assert!(matches!(
        sign_in_as(&house, DORA, PASSWORD).await,
        Err(Error::Suspended)
    ));
    let twice = house
        .control
        .write(&admin, Mode::Commit, async |change| {
            developers::suspend(change, id).await
        })
        .await;
    assert!(matches!(twice, Err(Error::Conflict(_))), "{twice:?}");
    // Not even a reset brings it back.
    recovery::request(&house.control, Some(DORA), &BROWSER).await.unwrap();
    assert!(!house.mailed(DORA).await.pop().unwrap().contains("/reset?"));

    house
        .control
        .write(&admin, Mode::Commit, async |change| {
            developers::resume(change, id).await
        })
        .await
        .unwrap();
    assert!(sign_in_as(&house, DORA, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn the_keys_of_a_suspended_developer_are_refused() {
    let house = House::new().await;
    let admin = house.admin().await;
    let id = DeveloperId(house.developer(DORA).await.account);
    let draft = ConsumerDraft {
        name: Some("dora-shop".to_owned()),
        ..ConsumerDraft::default()
    };
    let made = house.control.write(&admin, Mode::Commit, async |change| {
        control::create::<ConsumerSpec>(change, draft.clone().into()).await
    });
    let consumer = made.await.unwrap().value.id;
    sqlx::query(
        "with application as (
             insert into applications (id, developer_id, name, consumer_id, created_at, updated_at)
             values ($1, $2, 'Shop', $3, now(), now()) returning id, consumer_id
         )
         update consumers set application_id = application.id from application where consumers.id = consumer_id",
    )
    .bind(uuid::Uuid::now_v7())
    .bind(id.0)
    .bind(consumer.0)
    .execute(house.pool())
    .await
    .unwrap();

    let suspended = house.control.write(&admin, Mode::Commit, async |change| {
        developers::suspend(change, id).await
    });
    assert_eq!(suspended.await.unwrap().changes.len(), 1);
    let published =
        "select count(*) from config_entries where kind = 'consumer' and body ->> 'status' = 'application_suspended'";
    assert_eq!(house.count(published).await, 1);
    house
        .control
        .write(&admin, Mode::Commit, async |change| {
            developers::resume(change, id).await
        })
        .await
        .unwrap();
    assert_eq!(house.count(published).await, 0);
}

#[tokio::test]
async fn an_administrator_confirms_by_hand_and_finds_people() {
    let house = House::new().await;
    let admin = house.admin().await;
    sign_up_as(&house, "Dora", DORA).await;
    sign_up_as(&house, "Emil", "emil@example.com").await;
    let pending = ListQuery::default().with("status", "pending_verification");
    let page = developers::list(&house.control, &admin, &pending).await.unwrap();
    assert_eq!((page.total, page.items[0].name.as_str()), (2, "Emil"));

    let dora = page.items[1].id;
    let link = house.mailed_link(DORA).await;
    developers::confirm(&house.control, &admin, dora).await.unwrap();
    assert!(sign_in_as(&house, DORA, PASSWORD).await.is_ok());
    assert!(matches!(
        sign_up::verify(&house.control, token_of(&link)).await,
        Err(Error::DeadLink)
    ));
    assert!(matches!(
        developers::confirm(&house.control, &admin, dora).await,
        Err(Error::Conflict(_))
    ));
    assert_eq!(
        developers::list(&house.control, &admin, &pending).await.unwrap().total,
        1
    );
}

#[tokio::test]
async fn developers_change_their_name_and_see_no_others() {
    let house = House::new().await;
    let session = house.developer(DORA).await;
    let named = |name: &str| profile::ProfileDraft {
        name: Some(name.to_owned()),
    };
    let changed = profile::update(&house.control, &session, named("Dora D.").into())
        .await
        .unwrap();
    assert_eq!(changed.name, "Dora D.");
    assert!(matches!(
        profile::update(&house.control, &session, named(" ").into()).await,
        Err(Error::Invalid(_))
    ));
    let listed = developers::list(&house.control, &session.actor, &ListQuery::default()).await;
    assert!(matches!(listed, Err(Error::Forbidden { .. })), "{listed:?}");
}
