//! A Postgres of the rig's own, and the rows in it that a gateway follows.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use crate::configuration::{Configuration, Entry, uuid};
use crate::process::{Process, REST, free_address};

/// How long an operation may take.
const DEADLINE: Duration = Duration::from_mins(2);

/// A server with one database.
pub(crate) struct Database {
    process: Process,
    programs: PathBuf,
    cluster: PathBuf,
    pub(crate) url: String,
}

impl Database {
    /// Brings it up in a new folder, with the schema of this repository.
    pub(crate) fn start(directory: &Path) -> Result<Self> {
        let (programs, address) = (programs()?, free_address()?);
        let (cluster, log) = (directory.join("postgres"), directory.join("postgres.log"));
        fs::create_dir_all(&cluster)?;
        let user = step_down(&cluster)?;
        let mut command = as_user(user.as_ref(), &programs.join("initdb"));
        command.arg("-D").arg(&cluster);
        command.args([
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        let made = command.stdout(Stdio::null()).status()?;
        ensure!(made.success(), "initdb failed");
        let mut command = as_user(user.as_ref(), &programs.join("postgres"));
        command
            .arg("-D")
            .arg(&cluster)
            .args(["-p", &address.port().to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "max_wal_size=4GB",
        ] {
            command.args(["-c", setting]);
        }
        let process = Process::start(&command, REST, &log)?;
        let url = format!("postgres://postgres@{address}/postgres");
        let database = Self {
            process,
            programs,
            cluster,
            url,
        };
        database.until_ready(address)?;
        database.migrate()?;
        Ok(database)
    }

    fn until_ready(&self, address: SocketAddr) -> Result<()> {
        let began = Instant::now();
        let asked = || {
            Command::new(self.programs.join("pg_isready"))
                .args(["-q", "-d", &self.url])
                .status()
        };
        while began.elapsed() < DEADLINE {
            if asked()?.success() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("Postgres does not answer at {address}")
    }

    fn migrate(&self) -> Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        let mut files: Vec<PathBuf> = fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.sort();
        files
            .iter()
            .try_for_each(|file| self.run(&["-1", "-f", &file.display().to_string()]))
    }

    fn run(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.psql();
        let done = command.args(arguments).stdout(Stdio::null()).status()?;
        ensure!(done.success(), "psql {arguments:?} failed");
        Ok(())
    }

    fn psql(&self) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-qXAt", "-v", "ON_ERROR_STOP=1", &self.url]);
        command
    }

    /// Puts a configuration in as revision 1.
    pub(crate) fn fill(&self, configuration: Configuration, directory: &Path) -> Result<()> {
        let rows = directory.join("rows");
        configuration.write_rows(&rows)?;
        let copy = format!(
            "\\copy config_entries (kind, id, revision, body) from '{}'",
            rows.display()
        );
        self.run(&["-c", &copy])?;
        self.run(&[
            "-c",
            "update config_head set revision = 1",
            "-c",
            "analyze config_entries",
        ])?;
        Ok(fs::remove_file(rows)?)
    }

    /// A session that publishes changes one after the other.
    pub(crate) fn publisher(&self) -> Result<Publisher> {
        let mut child = tokio::process::Command::from(self.psql())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().context("no input")?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        Ok(Publisher {
            _child: child,
            stdin,
            lines,
        })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.process.interrupt();
        // Another scenario brings up its own.
        let _ = fs::remove_dir_all(&self.cluster);
    }
}

/// Publishes as control does: entry, head and notification in one transaction.
pub(crate) struct Publisher {
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Publisher {
    /// Publishes an object; its revision, once it is committed.
    pub(crate) async fn publish(&mut self, entry: &Entry) -> Result<i64> {
        let Entry { kind, id, body } = entry;
        let (id, body) = (uuid(*id), body.to_string().replace('\'', "''"));
        let statements = format!(
            "begin; update config_head set revision = revision + 1;
             insert into config_entries (kind, id, revision, body)
             select '{kind}', '{id}', revision, '{body}' from config_head
             on conflict (kind, id) do update set revision = excluded.revision, body = excluded.body;
             do $$ begin perform pg_notify('gatehouse_config', revision::text) from config_head; end $$; commit;
             select revision from config_head;\n"
        );
        self.stdin.write_all(statements.as_bytes()).await?;
        let line = timeout(DEADLINE, self.lines.next_line())
            .await
            .context("no commit in time")??;
        line.context("psql ended")?.trim().parse().context("no revision")
    }
}

fn programs() -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .context("Postgres is not installed: scripts/bootstrap bench")?
        .map(|entry| Ok(entry?.path().join("bin")))
        .collect::<Result<_>>()?;
    found.sort();
    found
        .pop()
        .context("Postgres is not installed: scripts/bootstrap bench")
}

/// Postgres does not run as root: the user that it runs as then, who gets the folder.
fn step_down(cluster: &Path) -> Result<Option<String>> {
    let id = Command::new("id").arg("-u").output()?.stdout;
    if id.trim_ascii() != b"0" {
        return Ok(None);
    }
    let given = Command::new("chown").arg("postgres").arg(cluster).status()?;
    ensure!(given.success(), "the folder of Postgres cannot be given to its user");
    Ok(Some("postgres".to_owned()))
}

fn as_user(user: Option<&String>, program: &Path) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args([
        format!("--reuid={user}"),
        format!("--regid={user}"),
        "--clear-groups".to_owned(),
    ]);
    command.arg(program).current_dir("/");
    command
}
