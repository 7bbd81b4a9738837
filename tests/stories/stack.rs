//! A whole Gatehouse for one story: one process, or control and gateways apart, on a database of its own.
//!
//! ```no_run
//! let stack = Plan::one().start().await;
//! let api = stack.api();
//! ```

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};

use database::{TestDatabase, TestServer};
use serde_json::Value;
use uuid::Uuid;

use crate::clients::{Api, Proxy, Visitor};
use crate::eventually;
use crate::program::{self, Program, Settings};

/// Who the first administrator is.
pub(crate) const ADMIN: &str = "olga@example.com";
/// What she signs in with.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Whose the database is.
#[derive(Debug, Default)]
enum Kind {
    #[default]
    Shared,
    Own,
    Embedded,
}

/// What a stack shall be.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    gateways: usize,
    demo: bool,
    database: Kind,
    settings: Settings,
}

impl Plan {
    /// One process with everything.
    pub(crate) fn one() -> Self {
        Self::default()
    }

    /// Control and so many gateways, each a process of its own.
    pub(crate) fn apart(gateways: usize) -> Self {
        Self {
            gateways,
            ..Self::default()
        }
    }

    /// One process with everything, and the demo.
    pub(crate) fn demo() -> Self {
        Self {
            demo: true,
            ..Self::default()
        }
    }

    /// On a Postgres that nobody else uses, so that it may be killed.
    pub(crate) fn own_postgres(mut self) -> Self {
        self.database = Kind::Own;
        self
    }

    /// On the Postgres that the program brings up itself; for [`Plan::one`].
    pub(crate) fn embedded(mut self) -> Self {
        self.database = Kind::Embedded;
        self
    }

    /// With a setting for every process.
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.settings = self.settings.with(name, value);
        self
    }

    /// Starts it, with a token for automation, and waits until all of it is ready.
    pub(crate) async fn start(self) -> Stack {
        let home = Home::make();
        let storage = Storage::bring_up(&self.database).await;
        let mut settings = match storage.url() {
            Some(url) => {
                let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
                self.settings.with("DATABASE_URL", url).with("GATEHOUSE_SECRET", secret)
            }
            None => self.settings.with("GATEHOUSE_DATA_DIR", home.0.join("data").display()),
        };
        for listener in ["ADMIN", "PORTAL", "PROXY", "PROXY_TLS", "STATUS"] {
            settings = settings.with(&format!("GATEHOUSE_{listener}_LISTEN"), "127.0.0.1:0");
        }
        let command: &[&str] = match (self.gateways, self.demo) {
            (0, false) => &["serve"],
            (0, true) => &["serve", "--demo"],
            _ => &["control"],
        };
        let mut stack = Stack {
            gateways: (1..=self.gateways)
                .map(|number| Node::new(&format!("gateway-{number}"), &["gateway"], &home.0, &settings))
                .collect(),
            people: Node::new(command[0], command, &home.0, &settings),
            settings,
            token: String::new(),
            storage,
            home,
        };
        stack.token = stack.make_token("stories", &["*"]);
        stack.start().await;
        stack
    }
}

/// A Gatehouse that runs.
#[derive(Debug)]
pub(crate) struct Stack {
    /// The gateways that are processes of their own.
    pub(crate) gateways: Vec<Node>,
    /// Console, API and portal; with [`Plan::one`] the gateway too.
    pub(crate) people: Node,
    /// Its database.
    pub(crate) storage: Storage,
    settings: Settings,
    token: String,
    home: Home,
}

impl Stack {
    /// Starts what does not run, and waits until the gateways are ready and known to control.
    pub(crate) async fn start(&mut self) {
        self.people.start().await;
        for gateway in &mut self.gateways {
            gateway.start().await;
        }
        let (api, wanted) = (self.api(), self.gateways.len().max(1));
        eventually("that all gateways are live", async || {
            let known = api.get("/gateways").await.body;
            let items = known["items"].as_array().cloned().unwrap_or_default();
            (items.iter().filter(|gateway| gateway["live"] == true).count() == wanted).then_some(())
        })
        .await;
    }

    /// Stops everything but the database, as a service manager does.
    pub(crate) async fn stop(&mut self) {
        for node in self.gateways.iter_mut().chain([&mut self.people]) {
            let status = node.stop().await;
            assert!(status.success(), "{} ended with {status}", node.name);
        }
    }

    /// The gateway of this number, from 0.
    pub(crate) fn gateway(&self, index: usize) -> &Node {
        self.gateways.get(index).unwrap_or(&self.people)
    }

    /// The REST API with a token that may do everything; writes return when they are live.
    pub(crate) fn api(&self) -> Api {
        self.api_as(&self.token)
    }

    /// The REST API with this token.
    pub(crate) fn api_as(&self, token: &str) -> Api {
        Api::new(&self.console_url(), token)
    }

    /// What clients of the first gateway see.
    pub(crate) fn proxy(&self) -> Proxy {
        self.gateway(0).proxy()
    }

    /// A browser without JavaScript at the console.
    pub(crate) fn console(&self) -> Visitor {
        Visitor::new(&self.console_url())
    }

    /// A browser without JavaScript at the portal.
    pub(crate) fn portal(&self) -> Visitor {
        Visitor::new(&self.portal_url())
    }

    /// How browsers reach the console.
    pub(crate) fn console_url(&self) -> String {
        format!("http://{}", self.people.address("API manual"))
    }

    /// How browsers reach the portal.
    pub(crate) fn portal_url(&self) -> String {
        format!("http://{}", self.people.address("Portal"))
    }

    /// Makes the first administrator, [`ADMIN`] with [`PASSWORD`].
    pub(crate) fn make_admin(&self) {
        self.run(&["admin", "create", "--email", ADMIN, "--name", "Olga Owner"], PASSWORD);
    }

    /// Makes a token with these scopes and returns its secret.
    pub(crate) fn make_token(&self, name: &str, scopes: &[&str]) -> String {
        let mut arguments = vec!["token", "create", "--name", name];
        for scope in scopes {
            arguments.extend(["--scope", scope]);
        }
        self.run(&arguments, "").trim().to_owned()
    }

    /// What all processes logged.
    pub(crate) fn log(&self) -> String {
        let nodes = self.gateways.iter().chain([&self.people]);
        nodes.map(|node| node.program().logged()).collect()
    }

    /// Runs a command of the program beside what runs, however it ends.
    pub(crate) fn try_run(&self, arguments: &[&str], input: &str) -> Output {
        program::run(&self.home.0, &self.settings.clone().command(arguments), input)
    }

    /// Runs a command of the program beside what runs; returns what it says.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> String {
        let output = self.try_run(arguments, input);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// A process of a stack, which can be stopped and started again on its own data.
#[derive(Debug)]
pub(crate) struct Node {
    /// What it is called.
    pub(crate) name: String,
    /// Where it works.
    pub(crate) home: PathBuf,
    settings: Settings,
    program: Option<Program>,
    addresses: Vec<(&'static str, SocketAddr)>,
}

impl Node {
    fn new(name: &str, command: &[&str], home: &Path, settings: &Settings) -> Self {
        let home = home.join(name);
        fs::create_dir_all(&home).expect("a directory");
        let settings = settings.clone().command(command).with("GATEHOUSE_GATEWAY_NAME", name);
        Self {
            name: name.to_owned(),
            home,
            settings,
            program: None,
            addresses: Vec::new(),
        }
    }

    /// Starts it unless it runs, and waits until it is ready.
    pub(crate) async fn start(&mut self) {
        if self.program.is_some() {
            return;
        }
        let mut program = Program::start(&self.name, &self.home, &self.settings);
        let labels: &[&'static str] = match self.settings.first() {
            "serve" => &["Portal", "API manual", "Gateway", "Over TLS", "Health"],
            "control" => &["Portal", "API manual"],
            _ => &["Gateway", "Over TLS", "Health"],
        };
        self.addresses.clear();
        for label in labels {
            self.addresses.push((label, program.address(label).await));
        }
        self.program = Some(program);
        if labels.contains(&"Health") {
            self.ready().await;
        }
    }

    async fn ready(&self) {
        let url = format!("http://{}/readyz", self.address("Health"));
        eventually(&format!("that {} is ready", self.name), async || {
            let answer = reqwest::get(&url).await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Stops it as a service manager does.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        let mut program = self.program.take().expect("it runs");
        program.stop().await
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        self.program.take().expect("it runs").wait().await
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.program.take().expect("it runs").kill();
    }

    /// The process.
    pub(crate) fn program(&self) -> &Program {
        self.program.as_ref().expect("it runs")
    }

    /// What it says behind a label when it has started.
    pub(crate) async fn announced(&mut self, label: &str) -> String {
        self.program.as_mut().expect("it runs").announced(label).await
    }

    /// What clients of this gateway see.
    pub(crate) fn proxy(&self) -> Proxy {
        Proxy::new(self.address("Gateway"))
    }

    /// Its metrics, as Prometheus reads them.
    pub(crate) async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.address("Health"));
        let answer = reqwest::get(url).await.expect("an answer");
        answer.text().await.expect("a text")
    }

    /// An address that it announced.
    pub(crate) fn address(&self, label: &str) -> SocketAddr {
        let found = self.addresses.iter().find(|(known, _)| *known == label);
        found.expect("it listens there").1
    }
}

/// Where the state is.
#[derive(Debug)]
pub(crate) enum Storage {
    /// A database on the server of all tests.
    Shared(TestDatabase),
    /// A server of its own.
    Own(TestServer),
    /// The program's business.
    Embedded,
}

impl Storage {
    async fn bring_up(kind: &Kind) -> Self {
        match kind {
            Kind::Shared => Self::Shared(TestDatabase::create(&control::MIGRATOR).await.expect("a database")),
            Kind::Own => Self::Own(TestServer::start().await.expect("a Postgres")),
            Kind::Embedded => Self::Embedded,
        }
    }

    /// How to reach it.
    pub(crate) fn url(&self) -> Option<&str> {
        match self {
            Self::Shared(database) => Some(database.url()),
            Self::Own(server) => Some(server.url()),
            Self::Embedded => None,
        }
    }

    /// The server that is this story's own.
    pub(crate) fn server(&mut self) -> &mut TestServer {
        let Self::Own(server) = self else {
            panic!("the server is not this story's alone: plan one with `own_postgres`")
        };
        server
    }
}

/// A directory for what processes keep; it goes with the story.
#[derive(Debug)]
pub(crate) struct Home(pub(crate) PathBuf);

impl Home {
    /// Makes an empty one.
    pub(crate) fn make() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("story-{}", Uuid::new_v4()));
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What cannot be removed is in target/, where nothing is dear.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The id of what the API answered with.
pub(crate) fn id(made: &Value) -> String {
    made["id"].as_str().expect("an id").to_owned()
}
