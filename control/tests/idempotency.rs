//! Requests that are sent twice.

use std::time::Duration;

use control::idempotency::{self, Answer, Claim, Start};
use control::{Error, Mode, Written};
use model::actor::Actor;
use model::service::{ServiceDraft, ServiceSpec};
use model::{Draft as _, Stored};
use serde_json::json;

use crate::support::House;

const REQUEST: &[u8] = b"POST /api/v1/tokens {}";

async fn claim(house: &House, actor: &Actor, key: &str) -> Claim {
    match idempotency::begin(&house.control, actor, key, REQUEST).await {
        Ok(Start::New(claim)) => claim,
        other => panic!("{other:?}"),
    }
}

fn answer(body: &[u8]) -> Answer {
    Answer {
        status: 201,
        headers: vec![("location".to_owned(), "/x".to_owned())],
        body: body.to_vec(),
    }
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let (house, actor) = (House::new().await, Actor::system());
    let first = claim(&house, &actor, "key-1").await;
    idempotency::finish(&house.control, first, &answer(b"the secret"))
        .await
        .unwrap();
    let again = idempotency::begin(&house.control, &actor, "key-1", REQUEST)
        .await
        .unwrap();
    let Start::Answered(found) = again else {
        panic!("{again:?}")
    };
    assert_eq!(found, answer(b"the secret"));
    assert_eq!(
        house
            .count("select count(*) from idempotency_keys where position('the secret' in encode(body, 'escape')) > 0")
            .await,
        0
    );

    house.advance(Duration::from_hours(24));
    claim(&house, &actor, "key-1").await;
}

#[tokio::test]
async fn a_key_of_somebody_else_says_nothing() {
    let house = House::new().await;
    let admin = house.admin().await;
    let first = claim(&house, &admin, "key-1").await;
    idempotency::finish(&house.control, first, &answer(b"")).await.unwrap();
    claim(&house, &Actor::system(), "key-1").await;
}

#[tokio::test]
async fn a_key_cannot_be_used_for_another_request() {
    let (house, actor) = (House::new().await, Actor::system());
    let first = claim(&house, &actor, "key-1").await;
    idempotency::finish(&house.control, first, &answer(b"")).await.unwrap();
    let other = idempotency::begin(&house.control, &actor, "key-1", b"something else").await;
    let Err(Error::Invalid(errors)) = other else {
        panic!("{other:?}")
    };
    assert!(errors.at("Idempotency-Key").is_some());
    for key in ["", "with space", "ä", &"x".repeat(256)] {
        let refused = idempotency::begin(&house.control, &actor, key, REQUEST).await;
        assert!(matches!(refused, Err(Error::InvalidQuery(_))), "{key}: {refused:?}");
    }
}

#[tokio::test]
async fn a_request_that_runs_is_not_run_twice_unless_it_died() {
    let (house, actor) = (House::new().await, Actor::system());
    let dead = claim(&house, &actor, "key-1").await;
    let second = idempotency::begin(&house.control, &actor, "key-1", REQUEST).await;
    assert!(matches!(second, Err(Error::Conflict(_))), "{second:?}");

    house.advance(Duration::from_mins(1));
    let taken_over = claim(&house, &actor, "key-1").await;
    // The one that was taken for dead may wake up; its answer does not count any more.
    idempotency::finish(&house.control, dead, &answer(b"late"))
        .await
        .unwrap();
    let meanwhile = idempotency::begin(&house.control, &actor, "key-1", REQUEST).await;
    assert!(matches!(meanwhile, Err(Error::Conflict(_))), "{meanwhile:?}");
    idempotency::finish(&house.control, taken_over, &answer(b"first"))
        .await
        .unwrap();
    let again = idempotency::begin(&house.control, &actor, "key-1", REQUEST)
        .await
        .unwrap();
    assert!(
        matches!(&again, Start::Answered(found) if found.body == b"first"),
        "{again:?}"
    );
}

#[tokio::test]
async fn an_abandoned_request_can_be_sent_again_at_once() {
    let (house, actor) = (House::new().await, Actor::system());
    let first = claim(&house, &actor, "key-1").await;
    idempotency::abandon(&house.control, first).await.unwrap();
    claim(&house, &actor, "key-1").await;
}

/// Makes a service for a request, as the API does.
async fn make(house: &House, actor: &Actor, claim: &Claim) -> control::Result<()> {
    let body = json!({"name": "orders", "url": "http://127.0.0.1:9"});
    let written = house.control.write_once(
        actor,
        Mode::Commit,
        async |change| control::create::<ServiceSpec>(change, ServiceDraft::read(&body)).await,
        (claim, |written: &Written<Stored<ServiceSpec>>| {
            answer(written.value.spec.name.as_str().as_bytes())
        }),
    );
    written.await.map(drop)
}

#[tokio::test]
async fn an_answer_is_kept_with_what_it_tells_of() {
    let (house, actor) = (House::new().await, Actor::system());
    let first = claim(&house, &actor, "key-1").await;
    make(&house, &actor, &first).await.expect("made");
    // The program ends here, before it could answer.
    house.advance(Duration::from_mins(2));
    let again = idempotency::begin(&house.control, &actor, "key-1", REQUEST).await;
    assert!(
        matches!(&again, Ok(Start::Answered(found)) if *found == answer(b"orders")),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_request_that_was_taken_for_dead_does_nothing_any_more() {
    let (house, actor) = (House::new().await, Actor::system());
    let dead = claim(&house, &actor, "key-1").await;
    house.advance(Duration::from_mins(1));
    let other = claim(&house, &actor, "key-1").await;
    let late = make(&house, &actor, &dead).await;
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    assert_eq!(house.count("select count(*) from services").await, 0);
    make(&house, &actor, &other).await.expect("made");
}
