//! The process of a server: started, waited for, stopped; and the ones that an earlier program left behind.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::process::Child;
use tokio::time::{Instant, sleep};

use crate::cluster::Cluster;
use crate::error::{Error, Result, file};

/// How long a start may take; repairing after a crash is part of it.
const START: Duration = Duration::from_mins(1);
/// How long a stop may take before it is made harder.
const STOP: Duration = Duration::from_secs(20);
/// How often a state is looked at while waiting for it.
const LOOK: Duration = Duration::from_millis(20);
/// How much of the log an error shows.
const TAIL: u64 = 2000;

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Data that must survive.
    Keep,
    /// Tests: many connections, nothing waits for the disk.
    Test,
}

impl Purpose {
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Keep => &["max_connections=100"],
            Self::Test => &[
                "max_connections=300",
                "fsync=off",
                "full_page_writes=off",
                "autovacuum=off",
                "wal_level=minimal",
                "max_wal_senders=0",
                "shared_buffers=64MB",
            ],
        }
    }
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: Pid,
    log: PathBuf,
}

impl Process {
    /// Starts the server and waits until it answers.
    pub(crate) async fn start(cluster: &Cluster, port: u16, purpose: Purpose) -> Result<Self> {
        let deadline = Instant::now() + START;
        loop {
            let mut process = Self::spawn(cluster, port, purpose)?;
            match process.answers(&cluster.url(port, "postgres"), deadline).await {
                // The children of a server that was killed live on for a moment with its memory.
                Err(Error::Program { output, .. })
                    if output.contains("pre-existing shared memory block") && Instant::now() < deadline =>
                {
                    sleep(LOOK).await;
                }
                Ok(()) => return Ok(process),
                Err(error) => return Err(error),
            }
        }
    }

    fn spawn(cluster: &Cluster, port: u16, purpose: Purpose) -> Result<Self> {
        let log = cluster.new_log()?;
        let program = cluster.installation.bin.join("postgres");
        let mut command = cluster.user.command(&program);
        command.arg("-D").arg(cluster.data()).arg("-p").arg(port.to_string());
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "password_encryption=scram-sha-256",
            "log_checkpoints=off",
            // Statements and the values in them stay out of the log.
            "log_min_error_statement=panic",
            "log_error_verbosity=terse",
        ];
        for setting in settings.iter().chain(purpose.settings()) {
            command.arg("-c").arg(setting);
        }
        command
            .stdout(log.try_clone().map_err(file("write", cluster.log()))?)
            .stderr(log);
        let child = command.spawn().map_err(file("run", program))?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let ended = || Error::Program {
            program: "postgres",
            output: tail(&cluster.log()),
        };
        Ok(Self {
            pid: pid.ok_or_else(ended)?,
            child,
            log: cluster.log(),
        })
    }

    async fn answers(&mut self, url: &str, deadline: Instant) -> Result<()> {
        let options: PgConnectOptions = url.parse()?;
        let options = options.disable_statement_logging();
        loop {
            if let Some(status) = self.child.try_wait().map_err(file("watch the server of", &self.log))? {
                tracing::debug!(
                    process.signal = status.signal(),
                    process.code = status.code(),
                    "postgres ended early"
                );
                return Err(Error::Program {
                    program: "postgres",
                    output: tail(&self.log),
                });
            }
            let connection: sqlx::Result<PgConnection> = options.connect().await;
            match connection {
                Ok(connection) => return Ok(sqlx::Connection::close(connection).await?),
                Err(error) if Instant::now() >= deadline => {
                    tracing::warn!(error = %error, "postgres does not answer");
                    self.signal(Signal::QUIT);
                    return Err(Error::Deadline {
                        action: "start",
                        deadline: START,
                        log: self.log.clone(),
                    });
                }
                Err(_) => sleep(LOOK).await,
            }
        }
    }

    /// Ends the server: clients are disconnected, everything is written.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.end(&[Signal::INT, Signal::QUIT, Signal::KILL]).await
    }

    /// Ends the server as a crash would: nothing is written.
    pub(crate) async fn halt(&mut self) -> Result<()> {
        self.end(&[Signal::QUIT, Signal::KILL]).await
    }

    /// Ends the server without a word to it; its children notice by themselves.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.end(&[Signal::KILL]).await
    }

    /// Asks for the end without waiting, for those who cannot wait.
    pub(crate) fn ask_to_stop(&self) {
        self.signal(Signal::INT);
    }

    async fn end(&mut self, signals: &[Signal]) -> Result<()> {
        for signal in signals {
            self.signal(*signal);
            let deadline = Instant::now() + STOP;
            // Looked at instead of awaited: a wait would need the runtime that started the process.
            while Instant::now() < deadline {
                if self
                    .child
                    .try_wait()
                    .map_err(file("watch the server of", &self.log))?
                    .is_some()
                {
                    return Ok(());
                }
                sleep(LOOK).await;
            }
            tracing::warn!(
                signal = signal.as_raw(),
                "postgres does not stop, see {}",
                self.log.display()
            );
        }
        Err(Error::Deadline {
            action: "stop",
            deadline: STOP,
            log: self.log.clone(),
        })
    }

    fn signal(&self, signal: Signal) {
        // A process that has ended already and was waited for is left alone: its number may be another's.
        if self.child.id().is_some()
            && let Err(error) = kill_process(self.pid, signal)
        {
            tracing::debug!(error = %error, "postgres takes no signal");
        }
    }
}

/// Ends a server that an earlier program left behind, and forgets one that has ended without saying so.
pub(crate) async fn end_leftover(cluster: &Cluster) -> Result<()> {
    let note = cluster.data().join("postmaster.pid");
    let Some(pid) = noted_pid(&note) else { return Ok(()) };
    if !runs_in(pid, &cluster.data()) {
        tracing::info!("the database was not stopped the last time, it repairs itself");
        return fs::remove_file(&note).map_err(file("remove", note));
    }
    tracing::info!("a database server was left behind the last time, it is stopped first");
    for signal in [Signal::INT, Signal::QUIT] {
        let deadline = Instant::now() + STOP;
        // It may end at this very moment: then there is nobody to take the signal.
        let _gone = kill_process(pid, signal);
        while Instant::now() < deadline {
            if test_kill_process(pid).is_err() || !runs_in(pid, &cluster.data()) {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }
    Err(Error::Deadline {
        action: "stop",
        deadline: STOP,
        log: cluster.log(),
    })
}

fn noted_pid(note: &Path) -> Option<Pid> {
    let text = fs::read_to_string(note).ok()?;
    Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
}

/// Whether a process is a server on this data: numbers are used again, so a live one proves nothing by itself.
fn runs_in(pid: Pid, data: &Path) -> bool {
    if !cfg!(target_os = "linux") {
        return test_kill_process(pid).is_ok();
    }
    // A server works in its data directory.
    fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).is_ok_and(|folder| folder == data)
}

fn tail(log: &Path) -> String {
    let mut text = Vec::new();
    let read = fs::File::open(log).and_then(|mut log| {
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        log.read_to_end(&mut text)
    });
    match read {
        Ok(_) => String::from_utf8_lossy(&text).trim().to_owned(),
        Err(error) => format!("and {} cannot be read: {error}", log.display()),
    }
}
