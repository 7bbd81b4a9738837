//! What keeps the program from starting is one clear line on standard error and exit code 1.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use database::TestDatabase;

use crate::program::{self, Settings};
use crate::stack::Home;

/// How long a refusal may take, on a busy machine: nobody waits for a database that says no.
const AT_ONCE: Duration = Duration::from_secs(8);

async fn database() -> TestDatabase {
    TestDatabase::create(&control::MIGRATOR).await.expect("a database")
}

/// Settings with which `command` would start.
fn good(command: &str, database: &str) -> Settings {
    let listeners = ["ADMIN", "PORTAL", "PROXY", "PROXY_TLS", "STATUS"].map(|name| format!("GATEHOUSE_{name}_LISTEN"));
    let settings = Settings::default().command(&[command]).with("DATABASE_URL", database);
    listeners
        .iter()
        .fold(settings, |settings, name| settings.with(name, "127.0.0.1:0"))
}

/// The one line with which the program refuses to start.
#[track_caller]
fn refusal(settings: &Settings) -> String {
    let (home, began) = (Home::make(), Instant::now());
    let output = program::run(&home.0, settings, "");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(began.elapsed() < AT_ONCE, "{:?} for {text}", began.elapsed());
    let lines: Vec<&str> = text.lines().collect();
    let [line] = lines.as_slice() else {
        panic!("not one line:\n{text}")
    };
    let line = line.strip_prefix("gatehouse: ").expect("it says who speaks");
    assert!(
        !String::from_utf8_lossy(&output.stdout).contains("is running"),
        "{line}"
    );
    line.to_owned()
}

#[track_caller]
fn refuses(settings: &Settings, words: &[&str]) {
    let line = refusal(settings);
    for word in words {
        assert!(line.contains(word), "`{word}` is not in: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_database_url_is_told_with_its_cause_and_without_its_password() {
    let database = database().await;
    let (before, after) = database.url().split_once('@').expect("a place");
    let with_password = |password: &str| {
        let (start, _) = before.rsplit_once(':').expect("a password");
        format!("{start}:{password}@{after}")
    };
    let port = after.split(['/', ':']).nth(1).expect("a port").to_owned();
    let elsewhere = database.url().replace("/test_", "/nowhere_");
    for command in ["serve", "control", "migrate"] {
        for (url, words) in [
            (
                "postgres://x:hidden@127.0.0.1:1/db".to_owned(),
                vec!["127.0.0.1:1", "Connection refused"],
            ),
            (
                "postgres://x:hidden@nowhere.invalid/db".to_owned(),
                vec!["nowhere.invalid:5432", "lookup"],
            ),
            (
                with_password("hidden"),
                vec![port.as_str(), "password authentication failed"],
            ),
            (elsewhere.clone(), vec!["does not exist"]),
        ] {
            let line = refusal(&good(command, &url));
            assert!(!line.contains("hidden"), "{line}");
            for word in words.iter().chain(&["DATABASE_URL"]) {
                assert!(line.contains(word), "`{word}` is not in: {line}");
            }
        }
    }
    for command in ["serve", "gateway", "migrate"] {
        for url in ["hello", "mysql://root:hidden@127.0.0.1/db", "postgres://[::1"] {
            let line = refusal(&good(command, url));
            assert!(
                line.contains("DATABASE_URL is wrong") && !line.contains("hidden"),
                "{line}"
            );
        }
    }
    let without = Settings::default().command(&["gateway"]);
    refuses(&without, &["DATABASE_URL", "gatehouse control"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_told_with_its_setting() {
    let (database, taken) = (database().await, TcpListener::bind("127.0.0.1:0").expect("a port"));
    let address = taken.local_addr().expect("an address").to_string();
    for listener in ["ADMIN", "PORTAL", "PROXY", "PROXY_TLS", "STATUS"] {
        let setting = format!("GATEHOUSE_{listener}_LISTEN");
        let settings = good("serve", database.url()).with(&setting, &address);
        refuses(&settings, &[&address, &setting, "in use"]);
    }
    let demo = Settings::default()
        .command(&["demo"])
        .with("GATEHOUSE_DEMO_LISTEN", &address);
    refuses(&demo, &[&address, "GATEHOUSE_DEMO_LISTEN", "in use"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_a_newer_program_is_left_alone() {
    let database = database().await;
    let known = control::MIGRATOR
        .iter()
        .map(|migration| migration.version)
        .max()
        .expect("one");
    let newer = known + 41;
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values ($1, 'from the future', true, '\\x00', 0)",
    )
    .bind(newer)
    .execute(database.pool())
    .await
    .expect("written");
    for command in ["serve", "control", "migrate"] {
        let words = [format!("version {newer}"), format!("up to {known}")];
        refuses(&good(command, database.url()), &[&words[0], &words[1]]);
    }
}

#[test]
fn a_bad_value_is_told_with_its_setting() {
    let nowhere = "postgres://x:y@127.0.0.1:1/db";
    for (setting, value, words) in [
        ("GATEHOUSE_ADMIN_LISTEN", "localhost:80x", "address with a port"),
        ("GATEHOUSE_PROXY_LISTEN", "127.0.0.1:0,8000", "`8000`"),
        ("GATEHOUSE_SECRET", "abc", "64 hexadecimal digits"),
        ("GATEHOUSE_KEY_BRAND", "Acme!", "lower-case"),
        ("GATEHOUSE_CONSOLE_URL", "localhost:8001", "http://"),
        ("GATEHOUSE_PROXY_URL", "api.example.com", "http://"),
        ("GATEHOUSE_TRUSTED_PROXIES", "10.0.0.0/8,10.0.0/99", "10.0.0/99"),
        ("GATEHOUSE_DRAIN_SECONDS", "soon", "soon"),
        ("GATEHOUSE_THREADS", "-1", "-1"),
        ("GATEHOUSE_LOG", "gatehouse=loud", "filter"),
        ("GATEHOUSE_LOG_FORMAT", "xml", "text, json"),
    ] {
        refuses(&good("serve", nowhere).with(setting, value), &[setting, words]);
    }
    let option = good("serve", nowhere).command(&["serve", "--admin-listen", "here"]);
    refuses(&option, &["--admin-listen", "`here`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_mail_server_is_told_without_its_password() {
    let database = database().await;
    let settings = good("serve", database.url()).with("GATEHOUSE_SMTP_URL", "mail://user:hidden@host");
    let line = refusal(&settings);
    assert!(
        line.contains("GATEHOUSE_SMTP_URL") && !line.contains("hidden"),
        "{line}"
    );
}

#[test]
fn an_unknown_setting_is_told_with_the_one_that_was_meant() {
    let nowhere = "postgres://x:y@127.0.0.1:1/db";
    let misspelt = good("serve", nowhere).with("GATEHOUSE_ADMIN_LISTN", "127.0.0.1:1");
    refuses(
        &misspelt,
        &["GATEHOUSE_ADMIN_LISTN", "did you mean GATEHOUSE_ADMIN_LISTEN"],
    );
    let unheard = good("serve", nowhere).with("GATEHOUSE_COLOUR_OF_DOORS", "red");
    refuses(&unheard, &["GATEHOUSE_COLOUR_OF_DOORS"]);
    let option = good("serve", nowhere).command(&["serve", "--admin-listn", "127.0.0.1:1"]);
    refuses(&option, &["--admin-listn", "--admin-listen"]);
    refuses(&Settings::default().command(&["srve"]), &["srve", "serve"]);
}

#[test]
fn a_file_with_settings_is_told_what_is_wrong_with_it() {
    let nowhere = "postgres://x:y@127.0.0.1:1/db";
    let home = Home::make();
    let file = home.0.join("gatehouse.toml");
    let with_file = |text: &str| {
        std::fs::write(&file, text).expect("written");
        good("serve", nowhere).with("GATEHOUSE_CONFIG", file.to_str().expect("text"))
    };
    refuses(
        &with_file("admin_listn = '127.0.0.1:1'"),
        &["gatehouse.toml", "did you mean `admin_listen`"],
    );
    refuses(&with_file("drain_seconds = 'soon'"), &["soon"]);
    refuses(&with_file("drain_seconds = "), &["gatehouse.toml", "is not TOML"]);
    let both = good("serve", nowhere).with("DATABASE_URL_FILE", file.to_str().expect("text"));
    refuses(&both, &["DATABASE_URL and DATABASE_URL_FILE are both set"]);
    let missing = Settings::default()
        .command(&["gateway"])
        .with("DATABASE_URL_FILE", "/nowhere/url");
    refuses(&missing, &["DATABASE_URL_FILE", "/nowhere/url"]);
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let settings = Settings::default().command(&["gateway"]);
    let empty = settings
        .with("DATABASE_URL", "")
        .with("GATEHOUSE_THREADS", "")
        .with("GATEHOUSE_PROXY_URL", "");
    refuses(&empty, &["needs DATABASE_URL"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_beside_it_say_what_is_wrong_with_what_they_are_told() {
    let database = database().await;
    let command = |arguments: &[&str]| good("", database.url()).command(arguments);
    refuses(
        &command(&["token", "create", "--name", "ci", "--scope", "servces:read"]),
        &["services:read"],
    );
    refuses(&command(&["token", "create", "--name", "ci"]), &["--scope"]);
    refuses(
        &command(&["admin", "create", "--email", "nobody"]),
        &["email", "password"],
    );
    refuses(
        &command(&["admin", "create", "--email", "a@example.com", "--role", "king"]),
        &["owner"],
    );
}
