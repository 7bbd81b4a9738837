//! Tokens for automation.

use std::time::Duration;

use control::{Error, ListQuery, tokens};
use model::actor::{Action, Actor, Identity, Resource, Role};
use model::token::TokenDraft;

use crate::support::House;

fn draft(name: &str, scopes: &[&str]) -> TokenDraft {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    TokenDraft {
        name: Some(name.to_owned()),
        scopes,
        expires_at: None,
    }
}

#[tokio::test]
async fn a_token_is_shown_once_and_acts_with_its_scopes() {
    let house = House::new().await;
    let admin = house.admin().await;
    let issued = tokens::create(&house.control, &admin, draft("ci", &["routes:write", "*:read"]).into())
        .await
        .unwrap();
    let text = issued.secret.expose();
    assert!(
        text.starts_with("gh_token_") && text.starts_with(&issued.token.prefix),
        "{text}"
    );

    let actor = tokens::resolve(&house.control, text).await.unwrap().expect("known");
    assert_eq!(
        (actor.identity, actor.name.as_str()),
        (Identity::Token(issued.token.id), "ci")
    );
    assert!(
        actor.rights.allow(Resource::Routes, Action::Write) && !actor.rights.allow(Resource::Services, Action::Write)
    );
    assert!(!format!("{issued:?}").contains(text));
    let rows: Vec<String> = sqlx::query_scalar("select api_tokens::text from api_tokens")
        .fetch_all(house.pool())
        .await
        .unwrap();
    assert!(rows.iter().all(|row| !row.contains(text)));
    assert!(house.audited().await.contains(&"api_token.created".to_owned()));
}

#[tokio::test]
async fn nobody_hands_out_more_than_they_have() {
    let house = House::new().await;
    let operator = Actor {
        rights: Role::Operator.rights(),
        ..house.admin().await
    };
    let refused = tokens::create(&house.control, &operator, draft("ci", &["routes:write", "*"]).into()).await;
    let Err(Error::Invalid(errors)) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        errors.at("scopes.1").is_some() && errors.at("scopes.0").is_none(),
        "{errors}"
    );
    let auditor = Actor {
        rights: Role::Auditor.rights(),
        ..operator
    };
    let refused = tokens::create(&house.control, &auditor, draft("ci", &["*:read"]).into()).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_revoked_or_ended_token_is_nobody() {
    let house = House::new().await;
    let admin = house.admin().await;
    let revoked = tokens::create(&house.control, &admin, draft("one", &["*:read"]).into())
        .await
        .unwrap();
    let mut ending = draft("two", &["*:read"]);
    ending.expires_at = Some("2026-11-24".to_owned());
    let ending = tokens::create(&house.control, &admin, ending.into()).await.unwrap();

    tokens::revoke(&house.control, &admin, revoked.token.id).await.unwrap();
    tokens::revoke(&house.control, &admin, revoked.token.id)
        .await
        .expect("twice is no error");
    assert_eq!(
        tokens::resolve(&house.control, revoked.secret.expose()).await.unwrap(),
        None
    );
    assert!(
        tokens::resolve(&house.control, ending.secret.expose())
            .await
            .unwrap()
            .is_some()
    );
    house.advance(Duration::from_hours(12));
    assert_eq!(
        tokens::resolve(&house.control, ending.secret.expose()).await.unwrap(),
        None
    );

    for (status, name) in [("revoked", "one"), ("expired", "two")] {
        let page = tokens::list(&house.control, &admin, &ListQuery::default().with("status", status))
            .await
            .unwrap();
        let names: Vec<&str> = page.items.iter().map(|token| token.name.as_str()).collect();
        assert_eq!((names, page.total), (vec![name], 1));
    }
}

#[tokio::test]
async fn the_last_use_is_noted_once_a_minute() {
    let house = House::new().await;
    let admin = house.admin().await;
    let issued = tokens::create(&house.control, &admin, draft("ci", &["*:read"]).into())
        .await
        .unwrap();
    let mut noted = Vec::new();
    for _ in 0..3 {
        tokens::resolve(&house.control, issued.secret.expose()).await.unwrap();
        noted.push(
            tokens::get(&house.control, &admin, issued.token.id)
                .await
                .unwrap()
                .last_used_at,
        );
        house.advance(Duration::from_secs(30));
    }
    assert!(
        noted[0].is_some() && noted[0] == noted[1] && noted[1] < noted[2],
        "{noted:?}"
    );
}

#[tokio::test]
async fn junk_is_nobody_and_names_are_unique() {
    let house = House::new().await;
    let admin = house.admin().await;
    let issued = tokens::create(&house.control, &admin, draft("ci", &["*:read"]).into())
        .await
        .unwrap();
    let foreign = model::token::TokenSecret::assemble("gh", &control::secrets::random_base62());
    for text in [
        "",
        "gh_token_",
        "x",
        foreign.expose(),
        &issued.secret.expose().to_lowercase(),
    ] {
        assert_eq!(tokens::resolve(&house.control, text).await.unwrap(), None, "{text}");
    }
    let taken = tokens::create(&house.control, &admin, draft("ci", &["*:read"]).into()).await;
    let Err(Error::Invalid(errors)) = taken else {
        panic!("{taken:?}")
    };
    assert!(errors.at("name").is_some());
}
