//! One process of the real program: started, listened to, stopped as a service manager would.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::eventually;

/// How long a process may take to end after it was asked to, before it is killed.
const STOP: Duration = Duration::from_secs(20);

/// What a process is told: arguments and settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Settings {
    /// With this command line.
    pub(crate) fn command(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self
    }

    /// The subcommand.
    pub(crate) fn first(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }

    /// With a variable of the environment; a later one of the same name counts.
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    /// The process to be in this directory. Nothing of the tests' environment gets in but what finds programs.
    fn process(&self, home: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
        command.current_dir(home).env_clear();
        for name in ["PATH", "GATEHOUSE_POSTGRES_BIN"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.args(&self.arguments).envs(self.variables.clone());
        command
    }
}

/// Runs a command that ends by itself, with this text on its standard input.
pub(crate) fn run(home: &Path, settings: &Settings, input: &str) -> Output {
    let mut command = settings.process(home);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that ends before it reads is what some tests are about.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the program ends")
}

/// A process that runs until it is stopped; its log is shown when the test fails.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    said: Arc<Mutex<String>>,
    logged: Arc<Mutex<String>>,
    ended: Receiver<()>,
}

impl Program {
    /// Starts the program; `name` is for people who read a failed test.
    pub(crate) fn start(name: &str, home: &Path, settings: &Settings) -> Self {
        let mut command = settings.process(home);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (sender, ended) = channel();
        let said = listen(child.stdout.take().expect("a pipe"), sender.clone());
        let logged = listen(child.stderr.take().expect("a pipe"), sender);
        Self {
            name: name.to_owned(),
            child,
            said,
            logged,
            ended,
        }
    }

    /// Its number among the processes.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it said to the person who started it.
    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("whole").clone()
    }

    /// What it logged.
    pub(crate) fn logged(&self) -> String {
        self.logged.lock().expect("whole").clone()
    }

    /// Waits for a line `label  text` that it says, and returns the text.
    pub(crate) async fn announced(&mut self, label: &str) -> String {
        eventually(&format!("`{label}` of {}", self.name), async || {
            let found = self.said().lines().find_map(|line| {
                let text = line.strip_suffix('\n').unwrap_or(line).trim().strip_prefix(label)?;
                text.starts_with(' ').then(|| text.trim().to_owned())
            });
            let over = self.child.try_wait().expect("its state");
            assert!(
                found.is_some() || over.is_none(),
                "{} ended by itself: {over:?}",
                self.name
            );
            found
        })
        .await
    }

    /// An address that it announces, alone or as part of a URL.
    pub(crate) async fn address(&mut self, label: &str) -> SocketAddr {
        let text = self.announced(label).await;
        let authority = text.trim_start_matches("http://").split('/').next().unwrap_or_default();
        let numeric = authority
            .replace("localhost", "127.0.0.1")
            .replace("0.0.0.0", "127.0.0.1");
        numeric.parse().expect("an address")
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits until it has ended.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let name = format!("the end of {}", self.name);
        eventually(&name, async || self.child.try_wait().expect("its state")).await
    }

    /// Asks it to end and waits until it has.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.terminate();
        self.wait().await
    }

    /// Lets it hang, as a machine does that swaps.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.id().cast_signed()).expect("a number");
        // One that has ended already takes no signal; its number is kept until it is waited for.
        let _ = kill_process(pid, signal);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.terminate();
            // Both pipes are closed when the process is gone.
            let gone = self
                .ended
                .recv_timeout(STOP)
                .and_then(|()| self.ended.recv_timeout(STOP));
            if gone.is_err() {
                eprintln!("{} does not stop and is killed", self.name);
                let _ = self.child.kill();
            }
        }
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- {} said:\n{}", self.name, self.said());
            eprintln!("--- {} logged:\n{}", self.name, tail(&self.logged()));
        }
    }
}

/// Collects what comes out of a pipe until it is closed.
fn listen(pipe: impl Read + Send + 'static, ended: Sender<()>) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let collected = text.clone();
    thread::spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
            collected.lock().expect("whole").push_str(&line);
            line.clear();
        }
        let _ = ended.send(());
    });
    text
}

/// The end of a log.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
