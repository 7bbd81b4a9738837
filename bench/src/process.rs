//! The programs that are measured: started on a processor of their own, looked at through /proc, ended by their id.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

/// The processor of the proxies; everything else of the rig runs on [`REST`].
pub(crate) const PROXY: &str = "0";
/// The processor of load, service and database.
pub(crate) const REST: &str = "1";
/// Ticks a second in which /proc counts (`getconf CLK_TCK`), the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// A child process that ends with its handle.
pub(crate) struct Process(Child);

/// Processor time in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) total: f64,
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Cpu {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            total: self.total - before.total,
            user: self.user - before.user,
            system: self.system - before.system,
        }
    }
}

impl Process {
    /// Starts a command on one processor; what it writes goes to a file.
    pub(crate) fn start(command: &Command, processor: &str, log: &Path) -> Result<Self> {
        let log = fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut pinned = Command::new("taskset");
        pinned
            .args(["-c", processor])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                pinned.env(name, value);
            }
        }
        if let Some(directory) = command.get_current_dir() {
            pinned.current_dir(directory);
        }
        let child = pinned
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self(child))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Processor time so far. The scheduler counts nanoseconds, the split into user and system is in ticks.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let tick = |index: usize| -> Result<f64> {
            let field = fields.split_whitespace().nth(index).context("a short stat")?;
            Ok(field.parse::<f64>()? / TICKS)
        };
        let (user, system) = (tick(11)?, tick(12)?);
        Ok(Cpu {
            total: self.scheduled().unwrap_or(user + system),
            user,
            system,
        })
    }

    /// The time on the processor of all threads, in seconds.
    fn scheduled(&self) -> Option<f64> {
        let mut nanoseconds = 0_f64;
        for task in fs::read_dir(format!("/proc/{}/task", self.id())).ok()? {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            nanoseconds += text.split_whitespace().next()?.parse::<f64>().ok()?;
        }
        Some(nanoseconds / 1e9)
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// Asks it to end in order and waits.
    pub(crate) fn interrupt(&mut self) {
        let asked = Command::new("kill").args(["-INT", &self.id().to_string()]).status();
        if asked.is_ok() {
            let _ = self.0.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address on loopback that nobody uses now.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
