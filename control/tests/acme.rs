//! Certificates that are got automatically, as far as no authority is needed: keys, refusals, one node at a time.

use std::collections::HashMap;
use std::time::Duration;

use control::{Error, Mode, acme, audit, revisions};
use model::acme_account::AcmeAccountSpec;
use model::actor::Actor;
use model::certificate::CertificateSpec;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::certificates::{create, dump, merge, pair};
use crate::support::House;

const KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// An account with an authority that nobody reaches: nothing listens at port 1.
fn account() -> Value {
    json!({"name": "ca", "directory": "https://127.0.0.1:1/directory", "terms_agreed": true})
}

async fn order(house: &House, admin: &Actor) {
    let body = json!({"name": "shop", "acme": {"account": "ca", "domains": ["shop.example"]}});
    create::<CertificateSpec>(house, admin, body).await.expect("made");
}

async fn renew(house: &House, admin: &Actor, name: &str) -> control::Result<()> {
    let asked = house
        .control
        .write(admin, Mode::Commit, async |change| acme::renew(change, name).await);
    asked.await.map(|_| ())
}

async fn failures(house: &House) -> i32 {
    sqlx::query_scalar("select failures from acme_orders")
        .fetch_one(house.pool())
        .await
        .expect("an order")
}

async fn fails(house: &House, wanted: i32) {
    let look = async {
        while failures(house).await != wanted {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), look).await.expect("another failure");
}

/// A node that looks after certificates until this is sent or dropped; the database knows its connections by its name.
async fn node(house: &House, name: &str) -> oneshot::Sender<()> {
    let options = house.pool().connect_options().as_ref().clone().application_name(name);
    let pool = PgPoolOptions::new().max_connections(4).connect_with(options).await;
    let control = house.control_on(pool.expect("connections"));
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(acme::run(control, async move {
        let _ = stopped.await;
    }));
    stop
}

/// The name of the node that holds the lock, when it is another one than `before`.
async fn leader(house: &House, before: Option<&str>) -> String {
    let holder = "select application_name from pg_locks join pg_stat_activity using (pid)
                  where locktype = 'advisory' and granted and pg_locks.objid::bigint = hashtext('gatehouse_acme')::bigint & 4294967295
                    and pg_locks.database = (select oid from pg_database where datname = current_database())";
    let look = async {
        loop {
            let holder = sqlx::query_scalar::<_, String>(holder)
                .fetch_optional(house.pool())
                .await;
            match holder.expect("asked") {
                Some(name) if before != Some(name.as_str()) => return name,
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(Duration::from_secs(20), look).await.expect("a node leads")
}

#[tokio::test]
async fn the_key_that_binds_an_account_is_nowhere_to_be_seen() {
    let house = House::new().await;
    let admin = house.admin().await;
    let mut body = account();
    body["external_account"] = json!({"kid": "kid-1"});
    let lacks = create::<AcmeAccountSpec>(&house, &admin, body.clone()).await;
    let Err(Error::Invalid(errors)) = lacks else {
        panic!("{lacks:?}")
    };
    assert!(errors.at("external_account.hmac_key").is_some(), "{errors}");
    body["external_account"]["hmac_key"] = KEY.into();
    create::<AcmeAccountSpec>(&house, &admin, body).await.expect("made");
    // Without the key the stored one stays.
    let patch = json!({"external_account": {"kid": "kid-2"}});
    let changed = merge::<AcmeAccountSpec>(&house, &admin, "ca", patch)
        .await
        .expect("changed");
    let seen = serde_json::to_value(&changed.spec).expect("JSON");
    assert_eq!(seen["external_account"], json!({"kid": "kid-2"}));
    let everything = dump(&house).await;
    assert!(everything.contains("sealed:v1:") && !everything.contains(KEY));
    let revision = revisions::get(&house.control, &admin, 2).await.expect("revision 2");
    let told = serde_json::to_string(&revision).expect("JSON");
    assert!(told.contains("sealed (") && !told.contains("sealed:v1:"), "{told}");
}

#[tokio::test]
async fn only_what_is_got_automatically_and_on_is_renewed() {
    let house = House::new().await;
    let admin = house.admin().await;
    create::<AcmeAccountSpec>(&house, &admin, account())
        .await
        .expect("made");
    let pasted = pair("a.example");
    let body = json!({"name": "pasted", "cert": pasted.cert, "key": pasted.key});
    create::<CertificateSpec>(&house, &admin, body).await.expect("made");
    order(&house, &admin).await;
    renew(&house, &admin, "shop").await.expect("asked");
    let told = audit::list(&house.control, &admin, &control::ListQuery::all())
        .await
        .expect("entries");
    assert!(
        told.items
            .iter()
            .any(|entry| entry.action == "certificate.renewal_asked"),
        "{told:?}"
    );
    let refused = renew(&house, &admin, "pasted").await;
    assert!(
        matches!(&refused, Err(Error::Conflict(words)) if words.contains("not got automatically")),
        "{refused:?}"
    );
    merge::<AcmeAccountSpec>(&house, &admin, "ca", json!({"enabled": false}))
        .await
        .expect("off");
    let refused = renew(&house, &admin, "shop").await;
    assert!(
        matches!(&refused, Err(Error::Conflict(words)) if words.contains("is off")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn one_node_at_a_time_asks_an_authority_and_another_takes_over() {
    let house = House::new().await;
    let admin = house.admin().await;
    let authority = json!({"name": "root", "cert": crate::certificates::authority()});
    create::<model::ca_certificate::CaCertificateSpec>(&house, &admin, authority)
        .await
        .expect("made");
    let mut body = account();
    body["ca_certificate"] = "root".into();
    create::<AcmeAccountSpec>(&house, &admin, body).await.expect("made");
    order(&house, &admin).await;
    let mut nodes = HashMap::new();
    for name in ["one", "two", "three"] {
        nodes.insert(name.to_owned(), node(&house, name).await);
    }
    fails(&house, 1).await;
    let shown = control::get::<CertificateSpec>(&house.control, &admin, "shop")
        .await
        .expect("there");
    let error = shown
        .spec
        .issuance
        .and_then(|issuance| issuance.last_error)
        .expect("a reason");
    assert!(
        error.starts_with("the authority at `127.0.0.1` could not be asked: ") && error.contains("refused"),
        "{error}"
    );
    // Whichever node leads is ended, and another one takes over until nobody is left.
    let mut ended: Option<String> = None;
    for attempts in 2..=4 {
        let leads = leader(&house, ended.as_deref()).await;
        assert_eq!(failures(&house).await, attempts - 1, "each attempt is one node's");
        renew(&house, &admin, "shop").await.expect("asked");
        fails(&house, attempts).await;
        drop(nodes.remove(&leads).expect("one that runs"));
        ended = Some(leads);
    }
    assert!(nodes.is_empty());
}
