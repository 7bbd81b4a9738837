//! The running program's side: starts the new one, gives it the sockets, and ends when that one serves.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use gateway::Sockets;
use tokio::sync::watch;

use super::{PATIENCE, VARIABLE, wire};

/// Between two looks whether a new program is still there.
const LOOK: Duration = Duration::from_millis(50);
/// How long somebody at the socket may be silent.
const SILENCE: Duration = Duration::from_secs(5);

/// An offer of the program's sockets, until it is dropped.
#[derive(Debug)]
pub(crate) struct Offer {
    path: PathBuf,
    withdrawn: Arc<AtomicBool>,
    replaced: watch::Receiver<bool>,
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.withdrawn.store(true, Ordering::Release);
        // The thread wakes up and sees it; the path belongs to whoever offers there now.
        let _ = UnixStream::connect(&self.path);
    }
}

/// What the thread at the socket needs.
struct Shared {
    program: PathBuf,
    path: PathBuf,
    sockets: Sockets,
    /// Why the program cannot be replaced, when it cannot.
    obstacle: Option<&'static str>,
    replaced: watch::Sender<bool>,
    withdrawn: Arc<AtomicBool>,
    /// Where the conversation with a new program reports to the one that started it.
    served: mpsc::SyncSender<()>,
}

impl Offer {
    /// Offers the sockets at `path`. `obstacle` says why this program cannot be replaced, when it cannot; `replaces` that it
    /// has just taken the place of the one that offers there.
    pub(crate) fn at(path: PathBuf, sockets: Sockets, obstacle: Option<&'static str>, replaces: bool) -> Result<Self> {
        if !replaces && UnixStream::connect(&path).is_ok() {
            bail!(
                "another program with the same data directory offers its sockets at {}",
                path.display()
            );
        }
        // The path of the program on disk, before a new one takes its place.
        let program = env::current_exe().context("cannot find this program on disk")?;
        let _ = fs::remove_file(&path);
        let listener =
            UnixListener::bind(&path).with_context(|| format!("cannot offer the sockets at {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let (replaced, told) = watch::channel(false);
        let withdrawn = Arc::new(AtomicBool::new(false));
        let (served, serves) = mpsc::sync_channel(1);
        let shared = Arc::new(Shared {
            program,
            path: path.clone(),
            sockets,
            obstacle,
            replaced,
            withdrawn: withdrawn.clone(),
            served,
        });
        thread::Builder::new()
            .name("handover".to_owned())
            .spawn(move || listen(&listener, &shared, serves))?;
        Ok(Self {
            path,
            withdrawn,
            replaced: told,
        })
    }

    /// Resolves when another program serves in this one's place.
    pub(crate) async fn replaced(&self) {
        if self.replaced.clone().wait_for(|replaced| *replaced).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn listen(listener: &UnixListener, shared: &Arc<Shared>, serves: mpsc::Receiver<()>) {
    let serves = Arc::new(std::sync::Mutex::new(serves));
    while let Ok((stream, _)) = listener.accept() {
        if shared.withdrawn.load(Ordering::Acquire) || *shared.replaced.borrow() {
            return;
        }
        let (shared, serves) = (shared.clone(), serves.clone());
        // The one that asks for the upgrade waits while the new program comes for the sockets.
        thread::spawn(move || {
            if let Err(error) = answer(stream, &shared, &serves) {
                tracing::warn!(error = format!("{error:#}"), "the program was not replaced");
            }
        });
    }
}

fn answer(mut stream: UnixStream, shared: &Shared, serves: &std::sync::Mutex<mpsc::Receiver<()>>) -> Result<()> {
    if !is_ours(&stream)? {
        bail!("somebody else asked for the sockets");
    }
    stream.set_read_timeout(Some(SILENCE))?;
    match wire::line(&mut stream)?.as_deref() {
        Some(wire::UPGRADE) => {
            let result = match serves.try_lock() {
                Ok(serves) => shared.upgrade(&mut stream, &serves),
                Err(_) => Err(anyhow!("another upgrade is under way")),
            };
            match &result {
                Ok(()) => wire::say(&mut stream, wire::DONE)?,
                Err(error) => wire::say(&mut stream, &format!("failed: {error:#}"))?,
            }
            result
        }
        Some(wire::SOCKETS) => shared.hand_over(stream),
        _ => Ok(()),
    }
}

/// Only who runs this program may have its sockets, and the system's administrator.
fn is_ours(stream: &UnixStream) -> Result<bool> {
    let peer = rustix::net::sockopt::socket_peercred(stream)?;
    Ok(peer.uid == rustix::process::geteuid() || peer.uid.is_root())
}

impl Shared {
    /// Starts the program that is on disk now and waits until it serves.
    fn upgrade(&self, stream: &mut UnixStream, serves: &mpsc::Receiver<()>) -> Result<()> {
        if let Some(obstacle) = self.obstacle {
            bail!("{obstacle}");
        }
        let arguments: Vec<OsString> = env::args_os().skip(1).collect();
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env(VARIABLE, &self.path)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        wire::say(stream, &format!("process {} takes over", child.id()))?;
        while serves.try_recv().is_ok() {}
        let waited = wait(&mut child, serves);
        if waited.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        waited?;
        self.replaced.send_replace(true);
        Ok(())
    }

    /// Gives a new program the sockets and waits for its word that it serves.
    fn hand_over(&self, mut stream: UnixStream) -> Result<()> {
        wire::send(&stream, &self.sockets.copies()?)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        match wire::line(&mut stream)?.as_deref() {
            Some(wire::READY) => {
                // Nobody waits for it when a program was started by hand; then this is all that says so.
                let _ = self.served.try_send(());
                Ok(())
            }
            _ => bail!("the new program ended before it served"),
        }
    }
}

fn wait(child: &mut Child, serves: &mpsc::Receiver<()>) -> Result<()> {
    let mut left = PATIENCE;
    loop {
        match serves.recv_timeout(LOOK) {
            Ok(()) => return Ok(()),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("the program is stopping"),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if let Some(status) = child.try_wait()? {
            bail!("the new program ended ({status}) before it served; its log says why");
        }
        left = left.saturating_sub(LOOK);
        if left.is_zero() {
            bail!("the new program did not serve within {} seconds", PATIENCE.as_secs());
        }
    }
}
