//! Certificates and what belongs to them: keys are nowhere to be seen, and mistakes are told where they are made.

use control::{Error, ListQuery, Mode, Precondition, revisions};
use model::actor::Actor;
use model::ca_certificate::CaCertificateSpec;
use model::certificate::{CertificateSpec, Validity};
use model::sealing::{Place, PrivateKey, Sealer};
use model::sni::SniSpec;
use model::{Code, Draft as _, Kind, Noun, Stored};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};

use crate::support::House;

pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

fn params(name: &str, last_year: i32) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(last_year, 12, 10);
    params
}

pub(crate) fn pair(name: &str) -> Pair {
    made(&params(name, 2036))
}

fn made(params: &CertificateParams) -> Pair {
    let key = KeyPair::generate().expect("a key");
    Pair {
        cert: params.self_signed(&key).expect("signed").pem(),
        key: key.serialize_pem(),
    }
}

pub(crate) fn authority() -> String {
    let mut params = params("Partners", 2036);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    made(&params).cert
}

pub(crate) async fn create<S: control::Table>(house: &House, actor: &Actor, body: Value) -> control::Result<Stored<S>> {
    let written = house.control.write(actor, Mode::Commit, async |change| {
        control::create::<S>(change, <S as Noun>::Draft::read(&body)).await
    });
    written.await.map(|written| written.value)
}

pub(crate) async fn merge<S: control::Table>(
    house: &House,
    actor: &Actor,
    name: &str,
    patch: Value,
) -> control::Result<Stored<S>> {
    let written = house.control.write(actor, Mode::Commit, async |change| {
        control::merge::<S>(change, name, Precondition::default(), &patch).await
    });
    written.await.map(|written| written.value)
}

fn refused<T: std::fmt::Debug>(result: control::Result<T>, path: &str) -> String {
    let Err(Error::Invalid(errors)) = result else {
        panic!("{result:?}")
    };
    let error = errors.at(path).unwrap_or_else(|| panic!("nothing at {path}: {errors}"));
    error.message.clone()
}

/// Everything that the database holds, as text.
pub(crate) async fn dump(house: &House) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "select tablename::text from pg_tables where schemaname = 'public' and tablename <> '_sqlx_migrations'",
    )
    .fetch_all(house.pool())
    .await
    .expect("tables");
    let mut all = String::new();
    for table in tables {
        let rows = sqlx::AssertSqlSafe(format!(
            "select coalesce(string_agg(row::text, ''), '') from {table} as row"
        ));
        let text: String = sqlx::query_scalar(rows).fetch_one(house.pool()).await.expect("rows");
        all.push_str(&text);
    }
    all
}

/// The lines of a key that nothing else has.
fn secret_lines(pem: &str) -> Vec<&str> {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

#[tokio::test]
async fn no_key_is_in_the_database_nor_in_what_people_see() {
    let house = House::new().await;
    let admin = house.admin().await;
    let (first, next) = (pair("a.example"), pair("a.example"));
    let body = json!({"name": "a", "cert": first.cert, "key": first.key});
    let stored = create::<CertificateSpec>(&house, &admin, body).await.expect("made");
    assert_eq!(
        (stored.spec.key.as_ref(), stored.spec.info.expect("read").state),
        (None, Some(Validity::Valid))
    );
    let patch = json!({"cert": next.cert, "key": next.key});
    merge::<CertificateSpec>(&house, &admin, "a", patch)
        .await
        .expect("changed");
    let difference = revisions::diff(&house.control, &admin, 0, 2)
        .await
        .expect("a difference");
    let changed = revisions::get(&house.control, &admin, 2).await.expect("revision 2");
    let listed = control::list::<CertificateSpec>(&house.control, &admin, &ListQuery::all())
        .await
        .expect("a page");
    let seen = serde_json::to_string(&json!([difference, changed, listed])).expect("JSON");
    assert!(!seen.contains("sealed:v1:") && seen.contains("sealed ("), "{seen}");
    let (before, after) = (&changed.changes[0].before, &changed.changes[0].after);
    assert_ne!(
        before.as_ref().expect("before")["key"],
        after.as_ref().expect("after")["key"]
    );
    let everything = dump(&house).await;
    assert!(everything.contains("sealed:v1:"));
    for key in [&first.key, &next.key] {
        for line in secret_lines(key) {
            assert!(!everything.contains(line) && !seen.contains(line), "{line}");
        }
    }
}

#[tokio::test]
async fn what_gateways_read_opens_in_its_place() {
    let house = House::new().await;
    let admin = house.admin().await;
    let given = pair("a.example");
    let body = json!({"name": "a", "cert": given.cert, "key": given.key});
    let stored = create::<CertificateSpec>(&house, &admin, body).await.expect("made");
    let row: Value = sqlx::query_scalar("select body from config_entries where kind = 'certificate'")
        .fetch_one(house.pool())
        .await
        .expect("published");
    let place = Place {
        kind: Kind::Certificate,
        id: stored.id.0,
        member: "key",
    };
    let sealed = PrivateKey::new(row["key"].as_str().expect("a text"));
    assert_eq!(
        Sealer::new(&[7; 32]).open(place, &sealed).as_deref(),
        Some(given.key.replace("\r\n", "\n").as_str())
    );
}

#[tokio::test]
async fn the_key_stays_until_another_certificate_needs_another() {
    let house = House::new().await;
    let admin = house.admin().await;
    let (given, other) = (pair("a.example"), pair("b.example"));
    let body = json!({"name": "a", "cert": given.cert, "key": given.key});
    let missing = create::<CertificateSpec>(&house, &admin, json!({"name": "a", "cert": given.cert})).await;
    assert!(refused(missing, "key").contains("is required"));
    create::<CertificateSpec>(&house, &admin, body.clone())
        .await
        .expect("made");
    let tagged = merge::<CertificateSpec>(&house, &admin, "a", json!({"tags": ["x"], "key": null})).await;
    assert_eq!(tagged.expect("changed").version, 2);
    let same = merge::<CertificateSpec>(&house, &admin, "a", json!({"cert": given.cert, "key": given.key})).await;
    assert_eq!(same.expect("nothing to do").version, 2);
    let without = merge::<CertificateSpec>(&house, &admin, "a", json!({"cert": other.cert})).await;
    assert!(refused(without, "key").contains("does not belong to this certificate"));
    let sealed: String = sqlx::query_scalar("select spec ->> 'key' from certificates")
        .fetch_one(house.pool())
        .await
        .expect("a key");
    let copied =
        create::<CertificateSpec>(&house, &admin, json!({"name": "b", "cert": given.cert, "key": sealed})).await;
    assert!(refused(copied, "key").contains("a sealed key cannot be sent"));
}

#[tokio::test]
async fn an_ended_certificate_is_refused_and_lists_say_which_end_soon() {
    let house = House::new().await;
    let admin = house.admin().await;
    for (name, year) in [("late", 2025), ("soon", 2026), ("fine", 2036)] {
        let given = made(&params("a.example", year));
        let body = json!({"name": name, "cert": given.cert, "key": given.key});
        let result = create::<CertificateSpec>(&house, &admin, body).await;
        if name == "late" {
            assert!(refused(result, "cert").contains("expired on 2025-12-10"));
        } else {
            result.expect("made");
        }
    }
    let soon = ListQuery::all().with("expires_before", "2026-12-24T01:00:00+01:00");
    let page = control::list::<CertificateSpec>(&house.control, &admin, &soon)
        .await
        .expect("a page");
    let found: Vec<String> = page.items.iter().map(|stored| stored.spec.name()).collect();
    assert_eq!(found, ["soon"]);
    assert_eq!(
        page.items[0].spec.info.as_ref().expect("read").state,
        Some(Validity::Expiring)
    );
    assert_eq!(
        page.items[0].spec.info.as_ref().expect("read").problems,
        ["Expires in 16 days, on 2026-12-10."]
    );
    let odd = ListQuery::all().with("expires_before", "tomorrow");
    let odd = control::list::<CertificateSpec>(&house.control, &admin, &odd).await;
    assert!(matches!(odd, Err(Error::InvalidQuery(_))), "{odd:?}");
    let conditions = control::overview::conditions(&house.control, &admin)
        .await
        .expect("conditions");
    assert_eq!(conditions.aging_certificates, ["soon"]);
    assert!(conditions.ending_certificates.is_empty() && conditions.expired_certificates.is_empty());
    house.advance(std::time::Duration::from_secs(12 * 86_400));
    let conditions = control::overview::conditions(&house.control, &admin)
        .await
        .expect("conditions");
    assert_eq!(conditions.ending_certificates, ["soon"]);
}

#[tokio::test]
async fn names_refer_to_certificates_and_authorities_that_stay_while_they_do() {
    let house = House::new().await;
    let admin = house.admin().await;
    let given = pair("*.a.example");
    let body = json!({"name": "a", "cert": given.cert, "key": given.key});
    create::<CertificateSpec>(&house, &admin, body).await.expect("made");
    let body = json!({"name": "partners", "cert": authority()});
    create::<CaCertificateSpec>(&house, &admin, body).await.expect("made");
    let sni = |name: &str| json!({"name": name, "certificate": "a", "client_auth": "required", "ca_certificates": ["partners"]});
    let covered = create::<SniSpec>(&house, &admin, sni("x.a.example"))
        .await
        .expect("made");
    assert_eq!(covered.spec.problems, Vec::<String>::new());
    let uncovered = create::<SniSpec>(&house, &admin, sni("b.example")).await.expect("made");
    assert!(
        uncovered.spec.problems[0].contains("is not for `b.example`"),
        "{:?}",
        uncovered.spec.problems
    );
    let Err(Error::Invalid(errors)) = create::<SniSpec>(&house, &admin, sni("b.example")).await else {
        panic!("twice")
    };
    assert_eq!(errors.at("name").map(|error| error.code), Some(Code::Taken));
    let mut nobody = sni("c.example");
    (nobody["certificate"], nobody["ca_certificates"]) = ("none".into(), json!(["partners", "none"]));
    let Err(Error::Invalid(errors)) = create::<SniSpec>(&house, &admin, nobody).await else {
        panic!("accepted")
    };
    assert!(
        errors.at("certificate").is_some() && errors.at("ca_certificates.1").is_some(),
        "{errors}"
    );
    let trusting = ListQuery::all().with("ca_certificate", "partners");
    let trusting = control::list::<SniSpec>(&house.control, &admin, &trusting)
        .await
        .expect("a page");
    assert_eq!(trusting.total, 2);
    for cascade in [false, true] {
        let deleted = house.control.write(&admin, Mode::Commit, async |change| {
            control::delete::<CaCertificateSpec>(change, "partners", Precondition::default(), cascade).await
        });
        match deleted.await {
            Err(Error::InUse { dependants, .. }) => assert!(!cascade && dependants.len() == 2),
            other => assert!(cascade && other.is_ok_and(|written| written.changes.len() == 3)),
        }
    }
}
