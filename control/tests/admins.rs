//! What administrators do with each other's accounts.

use control::accounts::admins::{self, AdminDraft};
use control::accounts::{AccountKind, sessions, sign_in};
use control::{Error, ListQuery};
use model::account::Admin;
use model::actor::{Actor, Role};

use crate::support::{BROWSER, CONSOLE, House, PASSWORD, account, credentials, token_of};

fn draft(name: &str, email: &str, role: &str) -> AdminDraft {
    AdminDraft {
        name: Some(name.to_owned()),
        email: Some(email.to_owned()),
        role: Some(role.to_owned()),
    }
}

fn role(role: &str) -> AdminDraft {
    AdminDraft {
        role: Some(role.to_owned()),
        ..AdminDraft::default()
    }
}

async fn olga(house: &House, actor: &Actor) -> Admin {
    let page = admins::list(&house.control, actor, &ListQuery::default())
        .await
        .unwrap();
    page.items
        .into_iter()
        .find(|admin| admin.email == "olga@example.com")
        .expect("the owner")
}

#[tokio::test]
async fn an_invited_administrator_chooses_a_password_and_is_signed_in() {
    let house = House::new().await;
    let owner = house.admin().await;
    let invited = admins::invite(
        &house.control,
        &owner,
        draft("Otto", "otto@example.com", "operator").into(),
    )
    .await
    .unwrap();
    assert!(invited.admin.invited);
    assert!(
        invited
            .link
            .expose()
            .starts_with(&format!("{CONSOLE}/console/invitation?token="))
    );
    assert_eq!(house.mailed_link("otto@example.com").await, invited.link.expose());
    let unusable = sign_in::admin(
        &house.control,
        credentials("otto@example.com", PASSWORD).into(),
        &BROWSER,
    )
    .await;
    assert!(matches!(unusable, Err(Error::WrongCredentials)), "{unusable:?}");

    let token = token_of(invited.link.expose());
    let shown = admins::check_invitation(&house.control, token)
        .await
        .unwrap()
        .expect("alive");
    assert_eq!(shown.id, invited.admin.id);
    let short = admins::accept_invitation(&house.control, token, Some("short"), &BROWSER).await;
    assert!(matches!(short, Err(Error::Invalid(_))), "{short:?}");
    let opened = admins::accept_invitation(&house.control, token, Some(PASSWORD), &BROWSER)
        .await
        .unwrap();
    assert_eq!(opened.session.actor.rights, Role::Operator.rights());

    let again = admins::accept_invitation(&house.control, token, Some("another long one"), &BROWSER).await;
    assert!(matches!(again, Err(Error::DeadLink)), "{again:?}");
    assert!(
        sign_in::admin(
            &house.control,
            credentials("otto@example.com", PASSWORD).into(),
            &BROWSER
        )
        .await
        .is_ok()
    );
}

#[tokio::test]
async fn of_two_who_use_an_invitation_at_once_one_gets_in() {
    let house = House::new().await;
    let owner = house.admin().await;
    let draft = draft("Otto", "otto@example.com", "operator");
    let invited = admins::invite(&house.control, &owner, draft.into()).await.unwrap();
    let token = token_of(invited.link.expose());
    let (one, two) = tokio::join!(
        admins::accept_invitation(&house.control, token, Some("the password of one"), &BROWSER),
        admins::accept_invitation(&house.control, token, Some("the password of two"), &BROWSER),
    );
    assert_eq!(
        usize::from(one.is_ok()) + usize::from(two.is_ok()),
        1,
        "{one:?} {two:?}"
    );
}

#[tokio::test]
async fn a_renewed_link_replaces_the_one_before() {
    let house = House::new().await;
    let owner = house.admin().await;
    let first = admins::invite(
        &house.control,
        &owner,
        draft("Otto", "otto@example.com", "operator").into(),
    )
    .await
    .unwrap();
    let second = admins::renew_link(&house.control, &owner, first.admin.id)
        .await
        .unwrap();
    assert_eq!(
        admins::check_invitation(&house.control, token_of(first.link.expose()))
            .await
            .unwrap(),
        None
    );
    assert!(
        admins::check_invitation(&house.control, token_of(second.link.expose()))
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn the_last_owner_who_can_sign_in_stays() {
    let house = House::new().await;
    let owner = house.admin().await;
    let id = olga(&house, &owner).await.id;
    // An invited owner has no password yet and does not count.
    admins::invite(&house.control, &owner, draft("Ida", "ida@example.com", "owner").into())
        .await
        .unwrap();
    let demoted = admins::update(&house.control, &owner, id, role("operator").into()).await;
    let disabled = admins::set_enabled(&house.control, &owner, id, false).await;
    let deleted = admins::delete(&house.control, &owner, id).await;
    assert!(matches!(demoted, Err(Error::Conflict(_))), "{demoted:?}");
    assert!(matches!(disabled, Err(Error::Conflict(_))), "{disabled:?}");
    assert!(matches!(deleted, Err(Error::Conflict(_))), "{deleted:?}");
    assert_eq!(olga(&house, &owner).await.role, Role::Owner);

    let other = account("Otto", "otto@example.com");
    admins::create(&house.control, &Actor::system(), other.into(), Role::Owner)
        .await
        .unwrap();
    admins::delete(&house.control, &owner, id)
        .await
        .expect("another owner can sign in");
}

#[tokio::test]
async fn two_owners_cannot_remove_each_other_at_once() {
    let house = House::new().await;
    let owner = house.admin().await;
    let one = olga(&house, &owner).await.id;
    let other = account("Otto", "otto@example.com");
    let two = admins::create(&house.control, &owner, other.into(), Role::Owner)
        .await
        .unwrap()
        .id;
    // Nobody can end sessions, the last step, until both have come as far as they can.
    let mut gate = house.pool().begin().await.unwrap();
    sqlx::query("lock table sessions in share mode")
        .execute(&mut *gate)
        .await
        .unwrap();
    let (first, second, ()) = tokio::join!(
        admins::delete(&house.control, &owner, one),
        admins::set_enabled(&house.control, &owner, two, false),
        async {
            house.until_waiting(2).await;
            gate.commit().await.unwrap();
        }
    );
    assert_eq!(
        usize::from(first.is_ok()) + usize::from(second.is_ok()),
        1,
        "{first:?} {second:?}"
    );
}

#[tokio::test]
async fn a_disabled_administrator_is_signed_out_and_stays_out() {
    let house = House::new().await;
    let owner = house.admin().await;
    let otto = admins::create(
        &house.control,
        &owner,
        account("Otto", "otto@example.com").into(),
        Role::Operator,
    );
    let id = otto.await.unwrap().id;
    let signing_in = || {
        sign_in::admin(
            &house.control,
            credentials("otto@example.com", PASSWORD).into(),
            &BROWSER,
        )
    };
    let opened = signing_in().await.unwrap();
    let disabled = admins::set_enabled(&house.control, &owner, id, false).await.unwrap();
    assert!(disabled.disabled_at.is_some());
    assert_eq!(
        sessions::resolve(&house.control, AccountKind::Admin, opened.cookie.expose())
            .await
            .unwrap(),
        None
    );
    assert!(matches!(signing_in().await, Err(Error::Suspended)));
    assert!(matches!(
        admins::renew_link(&house.control, &owner, id).await,
        Err(Error::Conflict(_))
    ));
    admins::set_enabled(&house.control, &owner, id, true).await.unwrap();
    assert!(signing_in().await.is_ok());
    let log = house.audited().await;
    assert!(
        log.contains(&"admin.disabled".to_owned()) && log.contains(&"admin.enabled".to_owned()),
        "{log:?}"
    );
}

#[tokio::test]
async fn only_owners_manage_administrators() {
    let house = House::new().await;
    let owner = house.admin().await;
    let id = olga(&house, &owner).await.id;
    let operator = Actor {
        rights: Role::Operator.rights(),
        ..owner
    };
    assert!(
        admins::list(&house.control, &operator, &ListQuery::default())
            .await
            .is_ok()
    );
    let made = admins::invite(
        &house.control,
        &operator,
        draft("Eve", "eve@example.com", "owner").into(),
    )
    .await;
    let changed = admins::update(&house.control, &operator, id, role("auditor").into()).await;
    let link = admins::renew_link(&house.control, &operator, id).await;
    assert!(matches!(made, Err(Error::Forbidden { .. })), "{made:?}");
    assert!(matches!(changed, Err(Error::Forbidden { .. })), "{changed:?}");
    assert!(matches!(link, Err(Error::Forbidden { .. })), "{link:?}");
}

#[tokio::test]
async fn wrong_members_are_named() {
    let house = House::new().await;
    let owner = house.admin().await;
    let taken = admins::invite(
        &house.control,
        &owner,
        draft("Olga", "OLGA@example.com", "operator").into(),
    )
    .await;
    let Err(Error::Invalid(errors)) = taken else {
        panic!("{taken:?}")
    };
    assert!(
        errors.at("email").is_some_and(|error| error.code == model::Code::Taken),
        "{errors}"
    );
    let unknown = admins::invite(&house.control, &owner, draft("Otto", "otto@example.com", "ownr").into()).await;
    let Err(Error::Invalid(errors)) = unknown else {
        panic!("{unknown:?}")
    };
    assert!(
        errors.at("role").is_some_and(|error| error.message.contains("`owner`")),
        "{errors}"
    );
    let id = olga(&house, &owner).await.id;
    let moved = admins::update(
        &house.control,
        &owner,
        id,
        draft("Olga", "new@example.com", "owner").into(),
    )
    .await;
    let Err(Error::Invalid(errors)) = moved else {
        panic!("{moved:?}")
    };
    assert!(errors.at("email").is_some());
}
