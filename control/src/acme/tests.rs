//! What an attempt may still write when somebody changed their mind while it ran.

use std::sync::Arc;
use std::time::Duration;

use database::TestDatabase;
use model::acme_account::AcmeAccountSpec;
use model::actor::Actor;
use model::certificate::CertificateSpec;
use model::clock::ManualClock;
use model::sni::{SniDraft, SniSpec};
use model::{Draft as _, Noun, Stored};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use sqlx::PgPool;
use time::macros::datetime;
use uuid::Uuid;

use super::attempt::Got;
use super::orders::{self, Begun, Failure};
use super::{install, renew};
use crate::store::{self, Precondition};
use crate::{Control, Mode, Secrets, Settings, Table};

struct House {
    control: Control,
    pool: PgPool,
    certificate: Uuid,
    _database: TestDatabase,
}

impl House {
    /// With a certificate that shall be got.
    async fn new() -> Self {
        let database = TestDatabase::create(&crate::MIGRATOR).await.expect("a database");
        let url = || "http://house.test".to_owned();
        let settings = Settings {
            key_brand: "gh".to_owned(),
            console_url: url(),
            portal_url: url(),
            proxy_url: url(),
            trusted_proxies: Vec::new(),
        };
        let clock = Arc::new(ManualClock::at(datetime!(2026-11-23 12:00 UTC)));
        let control = Control::new(database.pool().clone(), clock, Secrets::new([7; 32]), settings);
        let account = json!({"name": "ca", "directory": "https://127.0.0.1:1/directory", "terms_agreed": true});
        create::<AcmeAccountSpec>(&control, account).await;
        let body = json!({"name": "shop", "acme": {"account": "ca", "domains": ["shop.example"]}});
        let certificate = create::<CertificateSpec>(&control, body).await.id.0;
        Self {
            control,
            pool: database.pool().clone(),
            certificate,
            _database: database,
        }
    }

    async fn begin(&self) -> Begun {
        let begun = orders::begin(&self.control, self.certificate).await;
        begun.expect("asked").expect("an order")
    }

    async fn change(&self, patch: Value) {
        let reference = self.certificate.to_string();
        let author = Actor::system();
        let written = self.control.write(&author, Mode::Commit, async |change| {
            store::merge::<CertificateSpec>(change, &reference, Precondition::default(), &patch).await
        });
        written.await.expect("changed");
    }

    async fn stored(&self) -> CertificateSpec {
        let reference = self.certificate.to_string();
        let stored = crate::get::<CertificateSpec>(&self.control, &Actor::system(), &reference).await;
        stored.expect("there").spec
    }

    async fn install(&self, begun: &Begun, name: &str) -> Result<(), Failure> {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let got = Got {
            chain: params.self_signed(&key).expect("signed").pem(),
            key: key.serialize_pem(),
        };
        let acme = self.stored().await.acme.expect("automatic");
        install::install(&self.control, begun, &acme, &got).await
    }

    async fn text(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect("a row")
    }
}

async fn create<S: Table>(control: &Control, body: Value) -> Stored<S> {
    let author = Actor::system();
    let written = control.write(&author, Mode::Commit, async |change| {
        crate::create::<S>(change, <S as Noun>::Draft::read(&body)).await
    });
    written.await.expect("made").value
}

/// The state of the only order, without times that depend on chance.
const STATE: &str = "select concat_ws(' ', failures, coalesce(last_error, '-'), coalesce(order_url, '-'),
                                      next_attempt_at <= '2026-11-23 12:00Z', issued_at is not null) from acme_orders";

#[tokio::test]
async fn what_is_wanted_still_is_installed_and_serves_its_names() {
    let house = House::new().await;
    let begun = house.begin().await;
    orders::keep_order(&house.control, &begun, "https://ca.test/order/1")
        .await
        .expect("kept");
    orders::keep_key(&house.control, &begun, b"sealed").await.expect("kept");
    assert_eq!(house.text(STATE).await, "0 - https://ca.test/order/1 t f");
    house.install(&begun, "shop.example").await.expect("installed");
    assert!(house.stored().await.cert.is_some());
    assert_eq!(
        house.text("select string_agg(name, ' ') from snis").await,
        "shop.example"
    );
    assert_eq!(house.text(STATE).await, "0 - - f t");
}

#[tokio::test]
async fn an_attempt_for_what_is_not_wanted_any_more_writes_nothing() {
    let house = House::new().await;
    let begun = house.begin().await;
    house.change(json!({"acme": {"domains": ["other.example"]}})).await;
    let control = &house.control;
    assert!(
        orders::keep_order(control, &begun, "https://ca.test/order/1")
            .await
            .is_err()
    );
    assert!(orders::keep_key(control, &begun, b"sealed").await.is_err());
    let published = super::challenges::publish(control, &begun, &[]).await.expect("tried");
    assert!(!published.value, "its challenges are nobody's business");
    let failure = house.install(&begun, "shop.example").await.expect_err("refused");
    orders::fail(control, &begun, &failure).await.expect("noted");
    assert!(house.stored().await.cert.is_none());
    assert_eq!(house.text(STATE).await, "0 - - t f");
    assert_eq!(house.text("select count(*)::text from snis").await, "0");
}

#[tokio::test]
async fn what_was_asked_for_while_an_attempt_failed_is_due_at_once() {
    let house = House::new().await;
    let failure = || Failure::new("the authority is not there");
    let begun = house.begin().await;
    orders::fail(&house.control, &begun, &failure()).await.expect("noted");
    assert_eq!(house.text(STATE).await, "1 the authority is not there - f f");
    let begun = house.begin().await;
    let author = Actor::system();
    let asked = house
        .control
        .write(&author, Mode::Commit, async |change| renew(change, "shop").await);
    asked.await.expect("asked");
    orders::fail(&house.control, &begun, &failure()).await.expect("noted");
    assert_eq!(house.text(STATE).await, "2 the authority is not there - t f");
}

#[tokio::test]
async fn a_name_that_somebody_takes_just_then_costs_no_certificate() {
    let house = House::new().await;
    let other = {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["shop.example".to_owned()]).expect("a name");
        let cert = params.self_signed(&key).expect("signed").pem();
        let body = json!({"name": "other", "cert": cert, "key": key.serialize_pem()});
        create::<CertificateSpec>(&house.control, body).await.id.0
    };
    let begun = house.begin().await;
    let author = Actor::system();
    let mut taking = house.control.begin(&author).await.expect("begun");
    let sni = json!({"name": "shop.example", "certificate": "other"});
    let taken = crate::create::<SniSpec>(&mut taking, SniDraft::read(&sni)).await;
    taken.expect("taken");
    let waits = async {
        let waiting = "select (count(*) > 0)::text from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'";
        while house.text(waiting).await != "true" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        taking.finish(Mode::Commit, ()).await.expect("taken");
    };
    let waits = tokio::time::timeout(Duration::from_secs(20), waits);
    let (installed, waited) = tokio::join!(house.install(&begun, "shop.example"), waits);
    waited.expect("nobody waits for the name");
    installed.expect("installed all the same");
    assert_eq!(house.text(STATE).await, "0 - - f t");
    assert_eq!(
        house.text("select certificate_id::text from snis").await,
        other.to_string()
    );
}
