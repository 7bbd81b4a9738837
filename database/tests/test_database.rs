//! The databases that tests get: separate, quick to make, and gone afterwards.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::borrow::Cow;
use std::path::Path;

use database::TestDatabase;
use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection};

async fn migrator() -> Migrator {
    Migrator::new(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations")))
        .await
        .unwrap()
}

#[tokio::test]
async fn every_test_has_a_database_of_its_own_with_the_schema() {
    let migrator = migrator().await;
    let (one, other) = tokio::join!(TestDatabase::create(&migrator), TestDatabase::create(&migrator));
    let (one, other) = (one.unwrap(), other.unwrap());
    sqlx::query("insert into settings values ('colour', '1')")
        .execute(one.pool())
        .await
        .unwrap();
    let rows: i64 = sqlx::query_scalar("select count(*) from settings")
        .fetch_one(other.pool())
        .await
        .unwrap();
    assert_eq!(rows, 0);
    // The program under test finds nothing left to do.
    migrator.run(other.pool()).await.unwrap();
}

#[tokio::test]
async fn a_database_is_gone_with_its_test() {
    let database = TestDatabase::create(&migrator().await).await.unwrap();
    let url = database.url().to_owned();
    let held = PgConnection::connect(&url).await.unwrap();
    drop(database);
    let error = PgConnection::connect(&url).await.unwrap_err();
    let code = error
        .as_database_error()
        .and_then(|error| error.code().map(Cow::into_owned));
    assert_eq!(code.as_deref(), Some("3D000"), "{error}");
    drop(held);
}
