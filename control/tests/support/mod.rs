//! A house of its own for every test: a database, a clock that the test moves, and people who live there.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use control::accounts::sessions::{Opened, Session};
use control::accounts::sign_in::{self, SignInDraft};
use control::accounts::{Client, setup};
use control::developers::sign_up;
use control::{Control, Secrets, Settings};
use database::TestDatabase;
use model::account::AccountDraft;
use model::actor::Actor;
use model::clock::ManualClock;
use time::macros::datetime;

/// A password that everybody here has.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// Where the console is.
pub(crate) const CONSOLE: &str = "http://console.test";
/// Where the portal is.
pub(crate) const PORTAL: &str = "http://portal.test";

/// A browser on the test's own machine.
pub(crate) const BROWSER: Client<'static> = Client {
    address: IpAddr::V4(Ipv4Addr::LOCALHOST),
    user_agent: "Test browser",
    session: None,
};

/// Control on a database of its own.
pub(crate) struct House {
    /// The way to every operation.
    pub(crate) control: Control,
    clock: Arc<ManualClock>,
    database: TestDatabase,
}

impl House {
    /// An empty house; the clock stands at noon of a day in 2026.
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::create(&control::MIGRATOR).await.expect("a database");
        let clock = Arc::new(ManualClock::at(datetime!(2026-11-23 12:00 UTC)));
        let control = on(database.pool().clone(), clock.clone());
        Self {
            control,
            clock,
            database,
        }
    }

    /// Control of another node, with connections of its own.
    pub(crate) fn control_on(&self, pool: sqlx::PgPool) -> Control {
        on(pool, self.clock.clone())
    }

    /// The database, for what no operation shows.
    pub(crate) fn pool(&self) -> &sqlx::PgPool {
        self.database.pool()
    }

    /// Lets time go by.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// One number that a query gives.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.pool()).await.expect("a number")
    }

    /// Waits until so many of this database's connections wait for a lock.
    pub(crate) async fn until_waiting(&self, connections: i64) {
        let waiting = "select count(*) from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'";
        let all = async {
            while self.count(waiting).await < connections {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), all)
            .await
            .expect("nobody waits");
    }

    /// The actions in the audit log, oldest first.
    pub(crate) async fn audited(&self) -> Vec<String> {
        sqlx::query_scalar("select action from audit order by id")
            .fetch_all(self.pool())
            .await
            .expect("the log")
    }

    /// The first owner, made by the setup link and signed in.
    pub(crate) async fn owner(&self) -> Opened {
        let link = setup::link(&self.control)
            .await
            .expect("asked")
            .expect("no administrator yet");
        let draft = account("Olga Owner", "olga@example.com");
        setup::complete(&self.control, token_of(&link), draft.into(), &BROWSER)
            .await
            .expect("set up")
    }

    /// The owner as an actor.
    pub(crate) async fn admin(&self) -> Actor {
        self.owner().await.session.actor
    }

    /// A developer who signed up, confirmed the address and signed in.
    pub(crate) async fn developer(&self, email: &str) -> Session {
        let control = &self.control;
        sign_up::sign_up(control, account("Dora Developer", email).into(), &BROWSER)
            .await
            .expect("signed up");
        let link = self.mailed_link(email).await;
        sign_up::verify(control, token_of(&link)).await.expect("verified");
        sign_in::developer(control, credentials(email, PASSWORD).into(), &BROWSER)
            .await
            .expect("signed in")
            .session
    }

    /// The link in the newest mail to somebody.
    pub(crate) async fn mailed_link(&self, recipient: &str) -> String {
        let body = self.mailed(recipient).await.pop().expect("a mail");
        let link = body.lines().find(|line| line.contains("?token=")).expect("a link");
        link.to_owned()
    }

    /// The texts of all mails to somebody, oldest first.
    pub(crate) async fn mailed(&self, recipient: &str) -> Vec<String> {
        let mails = sqlx::query_scalar("select body from mails where recipient = $1 order by id").bind(recipient);
        mails.fetch_all(self.pool()).await.expect("mails")
    }
}

fn on(pool: sqlx::PgPool, clock: Arc<ManualClock>) -> Control {
    let settings = Settings {
        key_brand: "gh".to_owned(),
        console_url: CONSOLE.to_owned(),
        portal_url: PORTAL.to_owned(),
        proxy_url: "http://proxy.test".to_owned(),
        trusted_proxies: Vec::new(),
    };
    Control::new(pool, clock, Secrets::new([7; 32]), settings)
}

/// The token of a link.
pub(crate) fn token_of(link: &str) -> &str {
    link.split_once("?token=").expect("a token").1
}

/// What somebody fills in to get an account.
pub(crate) fn account(name: &str, email: &str) -> AccountDraft {
    AccountDraft {
        name: Some(name.to_owned()),
        email: Some(email.to_owned()),
        password: Some(PASSWORD.to_owned()),
    }
}

/// What somebody fills in to sign in.
pub(crate) fn credentials(email: &str, password: &str) -> SignInDraft {
    SignInDraft {
        email: Some(email.to_owned()),
        password: Some(password.to_owned()),
    }
}
