//! The first start and its one-time link.

use control::Error;
use control::accounts::setup;
use model::actor::{Action, Resource};

use crate::support::{BROWSER, CONSOLE, House, account, token_of};

#[tokio::test]
async fn the_setup_link_makes_one_owner_and_signs_them_in() {
    let house = House::new().await;
    let link = setup::link(&house.control).await.unwrap().expect("nobody is there yet");
    assert!(link.starts_with(&format!("{CONSOLE}/console/setup?token=")), "{link}");
    assert!(setup::check(&house.control, token_of(&link)).await.unwrap());

    let draft = account("Olga", "Olga@Example.com");
    let opened = setup::complete(&house.control, token_of(&link), draft.into(), &BROWSER)
        .await
        .unwrap();
    assert!(opened.session.actor.rights.allow(Resource::Admins, Action::Write));
    assert_eq!(opened.session.email, "olga@example.com");
    assert_eq!(house.audited().await, ["admin.created", "session.created"]);
    assert_eq!(setup::link(&house.control).await.unwrap(), None);
}

#[tokio::test]
async fn a_setup_link_is_dead_once_there_is_an_administrator() {
    let house = House::new().await;
    let earlier = setup::link(&house.control).await.unwrap().unwrap();
    house.owner().await;
    assert!(!setup::check(&house.control, token_of(&earlier)).await.unwrap());
    let draft = account("Eve", "eve@example.com");
    let second = setup::complete(&house.control, token_of(&earlier), draft.into(), &BROWSER).await;
    assert!(matches!(second, Err(Error::DeadLink)), "{second:?}");
    assert_eq!(house.count("select count(*) from admins").await, 1);
}

#[tokio::test]
async fn two_who_use_setup_links_at_once_make_one_owner() {
    let house = House::new().await;
    let one = setup::link(&house.control).await.unwrap().unwrap();
    let two = setup::link(&house.control).await.unwrap().unwrap();
    let (first, second) = tokio::join!(
        setup::complete(
            &house.control,
            token_of(&one),
            account("Ada", "ada@example.com").into(),
            &BROWSER
        ),
        setup::complete(
            &house.control,
            token_of(&two),
            account("Bob", "bob@example.com").into(),
            &BROWSER
        ),
    );
    assert_eq!(
        usize::from(first.is_ok()) + usize::from(second.is_ok()),
        1,
        "{first:?} {second:?}"
    );
    assert_eq!(house.count("select count(*) from admins").await, 1);
}

#[tokio::test]
async fn a_wrong_form_names_every_field_and_leaves_the_link_alive() {
    let house = House::new().await;
    let link = setup::link(&house.control).await.unwrap().unwrap();
    let mut draft = account("", "nowhere");
    draft.password = Some("short".to_owned());
    let refused = setup::complete(&house.control, token_of(&link), draft.into(), &BROWSER).await;
    let Err(Error::Invalid(errors)) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        ["name", "email", "password"]
            .iter()
            .all(|path| errors.at(path).is_some()),
        "{errors}"
    );
    assert!(setup::check(&house.control, token_of(&link)).await.unwrap());
}

#[tokio::test]
async fn an_invented_token_opens_nothing() {
    let house = House::new().await;
    setup::link(&house.control).await.unwrap();
    let refused = setup::complete(
        &house.control,
        "invented",
        account("Eve", "eve@example.com").into(),
        &BROWSER,
    )
    .await;
    assert!(matches!(refused, Err(Error::DeadLink)), "{refused:?}");
}
