//! Signing in, staying signed in, signing out.

use std::net::IpAddr;
use std::time::Duration;

use control::accounts::password::{self, PasswordChangeDraft};
use control::accounts::sessions::{self, Opened};
use control::accounts::{AccountKind, Client, admins, sign_in};
use control::{Control, Error};
use model::actor::Role;
use tokio::task::JoinSet;

use crate::support::{BROWSER, House, PASSWORD, credentials};

const OLGA: &str = "olga@example.com";
const HOUR: Duration = Duration::from_hours(1);

async fn sign_in_olga(house: &House, client: &Client<'_>) -> control::Result<Opened> {
    sign_in::admin(&house.control, credentials(OLGA, PASSWORD).into(), client).await
}

async fn is_signed_in(house: &House, opened: &Opened) -> bool {
    let found = sessions::resolve(&house.control, AccountKind::Admin, opened.cookie.expose())
        .await
        .unwrap();
    found.is_some_and(|session| session == opened.session)
}

#[tokio::test]
async fn a_cookie_is_its_session_for_one_kind_of_account_only() {
    let house = House::new().await;
    let opened = house.owner().await;
    assert!(is_signed_in(&house, &opened).await);
    let as_developer = sessions::resolve(&house.control, AccountKind::Developer, opened.cookie.expose())
        .await
        .unwrap();
    assert_eq!(as_developer, None);
    assert_eq!(
        sessions::resolve(&house.control, AccountKind::Admin, "invented")
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn the_database_does_not_hold_the_cookie() {
    let house = House::new().await;
    let opened = house.owner().await;
    let rows: Vec<String> = sqlx::query_scalar("select sessions::text from sessions")
        .fetch_all(house.pool())
        .await
        .unwrap();
    let stored = format!("{rows:?}");
    let in_hex = format!("{:x?}", opened.cookie.expose().as_bytes()).replace(", ", "");
    assert!(!stored.contains(opened.cookie.expose()) && !stored.contains(in_hex.trim_matches(['[', ']'])));
    assert_eq!(format!("{opened:?}").matches(opened.cookie.expose()).count(), 0);
    assert!(!format!("{opened:?}").contains(&opened.session.csrf));
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_or_old() {
    let house = House::new().await;
    let opened = house.owner().await;
    for _ in 0..15 {
        house.advance(11 * HOUR);
        assert!(is_signed_in(&house, &opened).await);
    }
    // Used three hours ago, yet after seven days it is over.
    house.advance(3 * HOUR);
    assert!(!is_signed_in(&house, &opened).await);

    let idle = sign_in_olga(&house, &BROWSER).await.unwrap();
    house.advance(12 * HOUR);
    assert!(!is_signed_in(&house, &idle).await);
}

#[tokio::test]
async fn the_last_request_is_noted_once_a_minute() {
    let house = House::new().await;
    let opened = house.owner().await;
    let noted = "select count(*) from sessions where seen_at > created_at";
    house.advance(Duration::from_secs(59));
    is_signed_in(&house, &opened).await;
    assert_eq!(house.count(noted).await, 0);
    house.advance(Duration::from_secs(1));
    is_signed_in(&house, &opened).await;
    assert_eq!(house.count(noted).await, 1);
}

#[tokio::test]
async fn signing_in_again_ends_the_session_that_the_browser_brought() {
    let house = House::new().await;
    let first = house.owner().await;
    let client = Client {
        session: Some(first.cookie.expose()),
        ..BROWSER
    };
    let second = sign_in_olga(&house, &client).await.unwrap();
    assert!(!is_signed_in(&house, &first).await);
    assert!(is_signed_in(&house, &second).await);
    assert_ne!(first.session.csrf, second.session.csrf);
}

#[tokio::test]
async fn a_form_needs_the_token_of_its_own_session() {
    let house = House::new().await;
    let (first, second) = (house.owner().await, sign_in_olga(&house, &BROWSER).await.unwrap());
    assert!(sessions::same_csrf(&first.session, &first.session.csrf));
    assert!(!sessions::same_csrf(&first.session, &second.session.csrf));
    assert!(!sessions::same_csrf(&first.session, ""));
}

#[tokio::test]
async fn people_see_and_end_their_own_sessions_only() {
    let house = House::new().await;
    let (first, second) = (house.owner().await, sign_in_olga(&house, &BROWSER).await.unwrap());
    let developer = house.developer("dora@example.com").await;
    let listed = sessions::list(&house.control, &first.session).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        listed
            .iter()
            .filter(|info| info.current && info.id == first.session.id)
            .count(),
        1
    );
    assert_eq!(listed[0].user_agent, "Test browser");

    let foreign = sessions::revoke(&house.control, &developer, second.session.id).await;
    assert!(matches!(foreign, Err(Error::NotFound { .. })), "{foreign:?}");
    assert!(is_signed_in(&house, &second).await);
    sessions::revoke(&house.control, &first.session, second.session.id)
        .await
        .unwrap();
    assert!(!is_signed_in(&house, &second).await);
    sessions::end(&house.control, &first.session).await.unwrap();
    assert!(!is_signed_in(&house, &first).await);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_get_the_same_answer() {
    let house = House::new().await;
    house.owner().await;
    for (email, password) in [
        (OLGA, "wrong password!"),
        ("nobody@example.com", PASSWORD),
        ("no address", PASSWORD),
    ] {
        let refused = sign_in::admin(&house.control, credentials(email, password).into(), &BROWSER).await;
        assert!(matches!(refused, Err(Error::WrongCredentials)), "{email}: {refused:?}");
    }
    let empty = sign_in::admin(&house.control, credentials("", " ").into(), &BROWSER).await;
    let Err(Error::Invalid(errors)) = empty else {
        panic!("{empty:?}")
    };
    assert!(errors.at("email").is_some() && errors.at("password").is_some());
}

#[tokio::test]
async fn an_account_waits_after_ten_wrong_passwords_even_with_the_right_one() {
    let house = House::new().await;
    house.owner().await;
    for _ in 0..10 {
        let refused = sign_in::admin(&house.control, credentials(OLGA, "wrong password!").into(), &BROWSER).await;
        assert!(matches!(refused, Err(Error::WrongCredentials)), "{refused:?}");
    }
    let elsewhere = Client {
        address: "192.0.2.7".parse::<IpAddr>().unwrap(),
        ..BROWSER
    };
    let refused = sign_in_olga(&house, &elsewhere).await;
    let Err(Error::Throttled { retry_after }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(retry_after, Duration::from_mins(15));
    house.advance(retry_after);
    sign_in_olga(&house, &elsewhere)
        .await
        .expect("after the wait it goes on");
}

#[tokio::test]
async fn parallel_guesses_count_too() {
    let house = House::new().await;
    house.owner().await;
    let guess = |control: Control| async move {
        sign_in::admin(&control, credentials(OLGA, "wrong password!").into(), &BROWSER).await
    };
    for _ in 0..9 {
        guess(house.control.clone()).await.expect_err("wrong");
    }
    // Nobody can count an attempt until all have looked how many there were.
    let mut gate = house.pool().begin().await.unwrap();
    sqlx::query("lock table attempts in share mode")
        .execute(&mut *gate)
        .await
        .unwrap();
    let mut guesses = JoinSet::new();
    (0..5).for_each(|_| drop(guesses.spawn(guess(house.control.clone()))));
    house.until_waiting(5).await;
    gate.commit().await.unwrap();
    let results = guesses.join_all().await;
    let wrong = results
        .iter()
        .filter(|result| matches!(result, Err(Error::WrongCredentials)))
        .count();
    assert_eq!(wrong, 1, "{results:?}");
}

#[tokio::test]
async fn signing_in_often_is_no_reason_to_wait() {
    let house = House::new().await;
    house.owner().await;
    for _ in 0..55 {
        sign_in_olga(&house, &BROWSER).await.expect("the right password");
    }
}

#[tokio::test]
async fn one_address_waits_after_fifty_tries_on_many_accounts() {
    let house = House::new().await;
    house.owner().await;
    for number in 0..50 {
        let draft = credentials(&format!("nobody{number}@example.com"), PASSWORD);
        let refused = sign_in::admin(&house.control, draft.into(), &BROWSER).await;
        assert!(matches!(refused, Err(Error::WrongCredentials)), "{refused:?}");
    }
    assert!(matches!(
        sign_in_olga(&house, &BROWSER).await,
        Err(Error::Throttled { .. })
    ));
    let elsewhere = Client {
        address: "192.0.2.7".parse::<IpAddr>().unwrap(),
        ..BROWSER
    };
    assert!(sign_in_olga(&house, &elsewhere).await.is_ok());
}

#[tokio::test]
async fn changing_the_password_ends_all_other_sessions() {
    let house = House::new().await;
    let (here, there) = (house.owner().await, sign_in_olga(&house, &BROWSER).await.unwrap());
    let change = |current: &str, new: &str| PasswordChangeDraft {
        current_password: Some(current.to_owned()),
        new_password: Some(new.to_owned()),
    };
    let wrong = password::change(
        &house.control,
        &here.session,
        change("not the one I have", "another long one").into(),
    )
    .await;
    let Err(Error::Invalid(errors)) = wrong else {
        panic!("{wrong:?}")
    };
    assert!(errors.at("current_password").is_some());
    assert!(is_signed_in(&house, &there).await);

    password::change(
        &house.control,
        &here.session,
        change(PASSWORD, "another long one").into(),
    )
    .await
    .unwrap();
    assert!(is_signed_in(&house, &here).await);
    assert!(!is_signed_in(&house, &there).await);
    assert!(matches!(
        sign_in_olga(&house, &BROWSER).await,
        Err(Error::WrongCredentials)
    ));
    let draft = credentials(OLGA, "another long one");
    assert!(sign_in::admin(&house.control, draft.into(), &BROWSER).await.is_ok());
}

#[tokio::test]
async fn a_changed_role_counts_for_sessions_that_are_open() {
    let house = House::new().await;
    let owner = house.owner().await.session.actor;
    let created = admins::create(
        &house.control,
        &owner,
        crate::support::account("Otto", "otto@example.com").into(),
        Role::Operator,
    );
    let otto = created.await.unwrap();
    let opened = sign_in::admin(
        &house.control,
        credentials("otto@example.com", PASSWORD).into(),
        &BROWSER,
    )
    .await
    .unwrap();
    let draft = admins::AdminDraft {
        role: Some("auditor".to_owned()),
        ..Default::default()
    };
    admins::update(&house.control, &owner, otto.id, draft.into())
        .await
        .unwrap();
    let session = sessions::resolve(&house.control, AccountKind::Admin, opened.cookie.expose())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(session.actor.rights, Role::Auditor.rights());
}
