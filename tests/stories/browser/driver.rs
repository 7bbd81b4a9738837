//! The processes of one browser: chromedriver, and the Chromium that it starts. Both end with the story, however it ends.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use thirtyfour::{
    ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel, TimeoutConfiguration, WebDriver,
};

use crate::SOON;
use crate::stack::Home;

/// Names of the browser, in the order in which they are looked for.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// Nothing outside of this machine is asked for, nothing moves, and small machines are enough.
const FLAGS: [&str; 12] = [
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--force-prefers-reduced-motion",
    "--no-first-run",
    "--hide-scrollbars",
    "--password-store=basic",
];

/// chromedriver, with the directory that the browser keeps things in.
#[derive(Debug)]
pub(super) struct Driver {
    child: Child,
    url: String,
    home: Home,
}

impl Driver {
    /// Starts it on a free port.
    pub(super) fn start() -> Self {
        let home = Home::make();
        let program = std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
        let mut command = Command::new(&program);
        command.arg("--port=0").env("HOME", &home.0).env_remove("DISPLAY");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start ({error}): see scripts/bootstrap"));
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, port) = channel();
        thread::spawn(move || {
            // Read on to the end, so that the pipe never fills.
            for line in stdout.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("started successfully on port ") {
                    let _ = sender.send(rest.trim_end_matches('.').to_owned());
                }
            }
        });
        let port = port.recv_timeout(SOON).expect("chromedriver says its port");
        Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
            home,
        }
    }

    /// Opens a browser with a profile of its own; it is closed when the session is dropped.
    pub(super) async fn open(&self) -> WebDriver {
        let profile = self.home.0.join("profile");
        fs::create_dir_all(&profile).expect("a directory");
        let mut wishes = DesiredCapabilities::chrome();
        let mut wish = || {
            wishes.set_binary(&binary().to_string_lossy())?;
            for flag in FLAGS {
                wishes.add_arg(flag)?;
            }
            // The sandbox of Chromium does not work for root.
            if rustix::process::geteuid().is_root() {
                wishes.add_arg("--no-sandbox")?;
            }
            wishes.add_arg(&format!("--user-data-dir={}", profile.display()))?;
            wishes.set_browser_log_level(LoggingPrefsLogLevel::All)
        };
        wish().expect("capabilities");
        let session = WebDriver::builder(&self.url, wishes).request_timeout(SOON * 2).await;
        let session = session.expect("a browser starts");
        let patience = TimeoutConfiguration::new(Some(SOON), Some(SOON), None);
        session.update_timeouts(patience).await.expect("timeouts");
        session
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("CHROMIUM") {
        return path.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut found = BROWSERS
        .iter()
        .flat_map(|name| places.iter().map(move |place| Path::new(place).join(name)));
    found
        .find(|path| path.is_file())
        .expect("there is a Chromium: see scripts/bootstrap")
}
