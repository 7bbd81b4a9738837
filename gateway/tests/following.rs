//! A gateway that follows a real Postgres.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use database::TestServer;
use gateway::{Config, Gateway, Running, Sockets, Source};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use support::{Configuration, Upstream, config, eventually, get};
use uuid::Uuid;

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("a connection")
}

/// Writes entries as control does: one revision, then a notification.
async fn publish(url: &str, configuration: Configuration) -> i64 {
    let mut connection = connect(url).await;
    let mut transaction = connection.begin().await.expect("a transaction");
    let revision: i64 = sqlx::query_scalar("update config_head set revision = revision + 1 returning revision")
        .fetch_one(&mut *transaction)
        .await
        .expect("a revision");
    for entry in configuration.0 {
        sqlx::query(
            "insert into config_entries (kind, id, revision, body) values ($1, $2, $3, $4)
             on conflict (kind, id) do update set revision = excluded.revision, body = excluded.body",
        )
        .bind(entry.kind.as_str())
        .bind(entry.id)
        .bind(revision)
        .bind(entry.body)
        .execute(&mut *transaction)
        .await
        .expect("written");
    }
    sqlx::query("select pg_notify('gatehouse_config', $1)")
        .bind(revision.to_string())
        .execute(&mut *transaction)
        .await
        .expect("told");
    transaction.commit().await.expect("committed");
    revision
}

fn follow(url: &str, data_dir: Option<PathBuf>) -> Running {
    let config: Config = Config {
        data_dir,
        ..config(Source::Postgres(url.to_owned()))
    };
    Gateway::start(config).expect("a gateway")
}

async fn applied(gateway: &Running, revision: i64) {
    eventually(async || gateway.revision() == Some(revision)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_changes_reports_itself_and_ships_usage_once() {
    let database = database::TestDatabase::create(&MIGRATOR).await.expect("a database");
    let upstream = Upstream::start().await;
    let gateway = follow(database.url(), None);
    let service = || Configuration::new().service(1, &format!("http://{}", upstream.address));
    let revision = publish(database.url(), service().route(2, 1, "/one")).await;
    applied(&gateway, revision).await;
    let address = gateway.proxy_addresses()[0];
    assert_eq!(get(address, "/one", &[]).await.status, 200);
    assert_eq!(get(address, "/two", &[]).await.status, 404);
    let next = publish(database.url(), Configuration::new().route(3, 1, "/two")).await;
    applied(&gateway, next).await;
    assert_eq!(get(address, "/two", &[]).await.status, 200);

    let mut connection = connect(database.url()).await;
    eventually(async || {
        let row: Option<(i64, Option<String>)> = sqlx::query_as("select applied_revision, error from gateways")
            .fetch_optional(&mut connection)
            .await
            .expect("rows");
        row == Some((next, None))
    })
    .await;
    gateway.stop().await;
    let counted: Vec<(i16, String, i64)> = sqlx::query_as(
        "select status, reason, sum(requests)::bigint from usage_buckets group by status, reason order by status",
    )
    .fetch_all(&mut connection)
    .await
    .expect("rows");
    assert_eq!(
        counted,
        [(200, String::new(), 2), (404, "route_not_found".to_owned(), 1)]
    );
    let histogram: Vec<i64> = sqlx::query_scalar("select histogram from usage_buckets where status = 404")
        .fetch_one(&mut connection)
        .await
        .expect("a row");
    assert_eq!(
        (histogram.len(), histogram.iter().sum::<i64>()),
        (model::usage::LATENCY_BUCKETS, 1)
    );
    let stopped: bool = sqlx::query_scalar("select stopped_at is not null from gateways")
        .fetch_one(&mut connection)
        .await
        .expect("a row");
    assert!(stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_what_it_knows_of_targets_and_forgets_upstreams_that_are_gone() {
    let database = database::TestDatabase::create(&MIGRATOR).await.expect("a database");
    let upstream = Upstream::start().await;
    let configuration = Configuration::new()
        .upstream(5)
        .target(6, 5, &upstream.address.to_string(), 100)
        .target(7, 5, "127.0.0.1:1", 100)
        .service_on(1, 5)
        .route(2, 1, "/");
    let revision = publish(database.url(), configuration).await;
    let gateway = follow(database.url(), None);
    applied(&gateway, revision).await;
    let address = gateway.proxy_addresses()[0];
    for _ in 0..12 {
        assert_eq!(get(address, "/", &[]).await.status, 200);
    }
    let mut connection = connect(database.url()).await;
    let told = "select targets from gateway_upstreams where upstream_id = $1";
    eventually(async || {
        let targets: Option<Value> = sqlx::query_scalar(told)
            .bind(support::id(5))
            .fetch_optional(&mut connection)
            .await
            .expect("rows");
        let health = |at: usize| targets.as_ref().map(|targets| targets[at]["health"].clone());
        health(0) == Some("healthy".into()) && health(1) == Some("ejected".into())
    })
    .await;
    let metrics = get(gateway.status_address(), "/metrics", &[]).await.body;
    assert!(
        metrics.contains(r#"gatehouse_upstream_target_changes_total{change="ejected"} 1"#),
        "{metrics}"
    );
    publish(
        database.url(),
        Configuration::new()
            .gone(model::Kind::Service, 1)
            .gone(model::Kind::Upstream, 5),
    )
    .await;
    eventually(async || {
        let left: i64 = sqlx::query_scalar("select count(*) from gateway_upstreams")
            .fetch_one(&mut connection)
            .await
            .expect("a count");
        left == 0
    })
    .await;
    gateway.stop().await;
}

/// Otherwise a writer would not wait for a gateway that serves already, and not yet what was written.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_known_before_it_serves_anything() {
    let database = database::TestDatabase::create(&MIGRATOR).await.expect("a database");
    publish(database.url(), Configuration::new()).await;
    let mut locking = connect(database.url()).await;
    let mut lock = locking.begin().await.expect("a transaction");
    sqlx::query("lock table config_entries in access exclusive mode")
        .execute(&mut *lock)
        .await
        .expect("locked");
    let gateway = follow(database.url(), None);
    let mut connection = connect(database.url()).await;
    eventually(async || {
        let reported: Option<i64> = sqlx::query_scalar("select applied_revision from gateways")
            .fetch_optional(&mut connection)
            .await
            .expect("rows");
        reported == Some(0)
    })
    .await;
    assert_eq!(get(gateway.status_address(), "/readyz", &[]).await.status, 503);
    lock.rollback().await.expect("unlocked");
    applied(&gateway, 1).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_url_that_cannot_be_read_is_an_error_within_another_program_too() {
    let config = config(Source::Postgres("hello".to_owned()));
    let error = Gateway::start(config).expect_err("refused");
    assert!(error.to_string().contains("the database URL cannot be read"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_entry_is_reported_and_the_rest_is_served() {
    let database = database::TestDatabase::create(&MIGRATOR).await.expect("a database");
    let upstream = Upstream::start().await;
    let gateway = follow(database.url(), None);
    let configuration = Configuration::new()
        .service(1, &format!("http://{}", upstream.address))
        .route(2, 1, "/good")
        .plugin(3, "from-the-future", Value::Null, Value::Null);
    let revision = publish(database.url(), configuration).await;
    applied(&gateway, revision).await;
    assert_eq!(get(gateway.proxy_addresses()[0], "/good", &[]).await.status, 200);
    let mut connection = connect(database.url()).await;
    eventually(async || {
        let error: Option<Option<String>> = sqlx::query_scalar("select error from gateways")
            .fetch_optional(&mut connection)
            .await
            .expect("rows");
        error.flatten().is_some_and(|error| error.contains("from-the-future"))
    })
    .await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_on_and_restarts_while_the_database_is_down() {
    let mut server = TestServer::start().await.expect("a server");
    let url = server.url().to_owned();
    let mut connection = connect(&url).await;
    MIGRATOR.run(&mut connection).await.expect("migrated");
    drop(connection);
    let upstream = Upstream::start().await;
    let directory = std::env::temp_dir().join(format!("gatehouse-following-{}", Uuid::now_v7()));
    let gateway = follow(&url, Some(directory.clone()));
    let revision = publish(
        &url,
        Configuration::new()
            .service(1, &format!("http://{}", upstream.address))
            .route(2, 1, "/"),
    )
    .await;
    applied(&gateway, revision).await;
    eventually(async || directory.join("gateway-config.copy").exists()).await;

    server.halt().await.expect("halted");
    assert_eq!(get(gateway.proxy_addresses()[0], "/", &[]).await.status, 200);
    gateway.stop().await;
    let again = follow(&url, Some(directory.clone()));
    applied(&again, revision).await;
    assert_eq!(get(again.proxy_addresses()[0], "/", &[]).await.status, 200);
    assert_eq!(get(again.status_address(), "/readyz", &[]).await.status, 200);

    server.resume().await.expect("restarted");
    let next = publish(server.url(), Configuration::new().route(3, 1, "/new")).await;
    tokio::time::timeout(Duration::from_secs(20), applied(&again, next))
        .await
        .expect("it comes back by itself");
    again.stop().await;
    std::fs::remove_dir_all(directory).expect("removable");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_collected_while_the_database_is_down_and_arrives_once() {
    let mut server = TestServer::start().await.expect("a server");
    let url = server.url().to_owned();
    MIGRATOR.run(&mut connect(&url).await).await.expect("migrated");
    let gateway = follow(&url, None);
    let configuration = Configuration::new()
        .service(1, "http://127.0.0.1:1")
        .route(2, 1, "/")
        .plugin(3, "key-auth", serde_json::json!({}), serde_json::json!({}))
        .consumer(4, "shop")
        .key(5, 4, "some-key");
    let revision = publish(&url, configuration).await;
    applied(&gateway, revision).await;
    server.halt().await.expect("halted");
    for _ in 0..3 {
        let answer = get(gateway.proxy_addresses()[0], "/", &[("x-api-key", "some-key")]).await;
        assert_eq!(answer.status, 502);
    }
    eventually(async || {
        let metrics = get(gateway.status_address(), "/metrics", &[]).await.body;
        let waiting = metrics
            .lines()
            .find_map(|line| line.strip_prefix("gatehouse_usage_rows_waiting "));
        // More than one when a bucket ended between them.
        waiting.is_some_and(|rows| rows != "0")
    })
    .await;
    server.resume().await.expect("restarted");
    let mut connection = connect(server.url()).await;
    let counted = async |connection: &mut PgConnection| -> Option<i64> {
        sqlx::query_scalar(
            "select sum(requests)::bigint from usage_buckets where consumer_id = $1 and credential_id = $2",
        )
        .bind(support::id(4))
        .bind(support::id(5))
        .fetch_one(connection)
        .await
        .expect("a row")
    };
    eventually(async || counted(&mut connection).await.is_some()).await;
    gateway.stop().await;
    assert_eq!(counted(&mut connection).await, Some(3));
}

/// Takes back the newest revision and gives its number to another one, which has this route.
async fn rewrite(url: &str, number: u128, path: &str) {
    let mut connection = connect(url).await;
    let mut transaction = connection.begin().await.expect("a transaction");
    for statement in [
        "delete from config_entries where revision = (select revision from config_head)",
        "update config_head set revision = revision - 1",
        "update config_head set revision = revision + 1",
    ] {
        let done = sqlx::query(statement).execute(&mut *transaction).await;
        done.expect("written");
    }
    for entry in Configuration::new().route(number, 1, path).0 {
        sqlx::query(
            "insert into config_entries (kind, id, revision, body) select $1, $2, revision, $3 from config_head",
        )
        .bind(entry.kind.as_str())
        .bind(entry.id)
        .bind(entry.body)
        .execute(&mut *transaction)
        .await
        .expect("written");
    }
    transaction.commit().await.expect("committed");
}

/// A server that lagged behind took over, or a backup was restored, and enough was written since.
#[tokio::test(flavor = "multi_thread")]
async fn another_history_with_the_same_numbers_is_loaded_anew() {
    let mut server = TestServer::start().await.expect("a server");
    let url = server.url().to_owned();
    MIGRATOR.run(&mut connect(&url).await).await.expect("migrated");
    let upstream = Upstream::start().await;
    let directory = std::env::temp_dir().join(format!("gatehouse-following-{}", Uuid::now_v7()));
    let gateway = follow(&url, Some(directory.clone()));
    let service = Configuration::new().service(1, &format!("http://{}", upstream.address));
    publish(&url, service.route(2, 1, "/kept")).await;
    let revision = publish(&url, Configuration::new().route(3, 1, "/lost")).await;
    applied(&gateway, revision).await;
    let status = async |gateway: &Running, path: &str| get(gateway.proxy_addresses()[0], path, &[]).await.status;
    assert_eq!(status(&gateway, "/lost").await, 200);

    rewrite(&url, 4, "/other").await;
    eventually(async || status(&gateway, "/other").await == 200).await;
    assert_eq!(
        (status(&gateway, "/lost").await, status(&gateway, "/kept").await),
        (404, 200)
    );
    assert_eq!(gateway.revision(), Some(revision));
    gateway.stop().await;

    // The copy is of a history that is gone when the database is back.
    rewrite(&url, 5, "/newest").await;
    server.halt().await.expect("halted");
    let again = follow(&url, Some(directory.clone()));
    applied(&again, revision).await;
    assert_eq!(status(&again, "/other").await, 200);
    server.resume().await.expect("restarted");
    publish(server.url(), Configuration::new().route(6, 1, "/next")).await;
    eventually(async || status(&again, "/newest").await == 200).await;
    assert_eq!(
        (status(&again, "/other").await, status(&again, "/next").await),
        (404, 200)
    );
    again.stop().await;
    std::fs::remove_dir_all(directory).expect("removable");
}

/// A copy may have keys that were revoked since it was made.
#[tokio::test(flavor = "multi_thread")]
async fn it_never_serves_an_old_copy_while_the_database_answers() {
    let database = database::TestDatabase::create(&MIGRATOR).await.expect("a database");
    let directory = std::env::temp_dir().join(format!("gatehouse-following-{}", Uuid::now_v7()));
    let gateway = follow(database.url(), Some(directory.clone()));
    let old = publish(database.url(), Configuration::new()).await;
    applied(&gateway, old).await;
    gateway.stop().await;
    assert!(
        directory.join("gateway-config.copy").exists(),
        "a stop leaves the newest copy"
    );
    let new = publish(database.url(), Configuration::new()).await;
    let again = follow(database.url(), Some(directory.clone()));
    eventually(async || again.revision().is_some()).await;
    assert_eq!(again.revision(), Some(new));
    again.stop().await;
    std::fs::remove_dir_all(directory).expect("removable");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_ready_before_the_first_configuration() {
    let gateway = follow("postgres://nobody@127.0.0.1:1/none", None);
    assert_eq!(get(gateway.status_address(), "/readyz", &[]).await.status, 503);
    assert_eq!(get(gateway.status_address(), "/livez", &[]).await.status, 200);
    let refused = get(gateway.proxy_addresses()[0], "/", &[]).await;
    assert!(refused.status == 503 && refused.body.contains("not_ready"));
    gateway.stop().await;
}

/// Who is replaced serves until then, from the same sockets.
#[tokio::test(flavor = "multi_thread")]
async fn who_takes_sockets_over_accepts_nothing_before_it_can_serve() {
    let database = database::TestDatabase::create(&MIGRATOR).await.expect("a database");
    let upstream = Upstream::start().await;
    let configuration = || {
        let service = Configuration::new().service(1, &format!("http://{}", upstream.address));
        service.route(2, 1, "/")
    };
    let revision = publish(database.url(), configuration()).await;
    let mut locking = connect(database.url()).await;
    let mut lock = locking.begin().await.expect("a transaction");
    sqlx::query("lock table config_entries in access exclusive mode")
        .execute(&mut *lock)
        .await
        .expect("locked");
    let config = configuration().config();
    let sockets = config.sockets.clone();
    let before = Gateway::start(config).expect("a gateway");
    let (proxy, status) = (before.proxy_addresses()[0], before.status_address());
    let after = Gateway::start(Config {
        sockets: Sockets::inherited(sockets.copies().expect("copies")),
        ..support::config(Source::Postgres(database.url().to_owned()))
    });
    let after = after.expect("a gateway");
    assert_eq!((after.proxy_addresses()[0], after.status_address()), (proxy, status));
    for _ in 0..50 {
        assert_eq!(get(proxy, "/", &[]).await.status, 200);
        assert_eq!(get(status, "/readyz", &[]).await.status, 200);
    }
    assert_eq!(after.revision(), None);
    lock.rollback().await.expect("unlocked");
    applied(&after, revision).await;
    sockets.close();
    before.stop().await;
    assert_eq!(get(proxy, "/", &[]).await.status, 200);
    assert_eq!(get(status, "/readyz", &[]).await.status, 200);
    after.stop().await;
}
