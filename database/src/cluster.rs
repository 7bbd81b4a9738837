//! The directory of a server: the cluster, its password, its port, and the lock that keeps a second program out.
//!
//! ```text
//! data/postgres/          owned by the user who runs Postgres, closed to others
//!   cluster/              what Postgres calls its data directory
//!   password              of the only role, which may do everything
//!   port                  the one of the last time, so that clients find it again
//!   log                   what Postgres wrote since it was started, log.old before
//!   lock                  held by the program that runs the server
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::error::{Error, Result, file};
use crate::installation::Installation;
use crate::user::User;

/// The only role of the cluster.
pub(crate) const ROLE: &str = "gatehouse";
/// Where data goes when the user who runs Postgres does not get into the directory that was asked for.
const ELSEWHERE: &str = "/var/lib/gatehouse";
/// How much log is kept beside the current one.
const LOG_BYTES: u64 = 1 << 20;

/// A directory that is locked and set up.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The directory, all links resolved.
    pub(crate) directory: PathBuf,
    pub(crate) user: User,
    pub(crate) installation: Installation,
    pub(crate) password: String,
    _lock: File,
}

impl Cluster {
    /// Takes the directory and makes the cluster in it when there is none.
    pub(crate) async fn open(directory: &Path) -> Result<Self> {
        let (directory, user) = settle(directory).await?;
        let lock = lock(&directory)?;
        let made = made_by(&directory)?;
        let installation = Installation::find(made.as_deref())?;
        match (&made, &installation.version) {
            (Some(made), Some(installed)) if made != installed => {
                return Err(Error::Version {
                    directory,
                    made: made.clone(),
                    installed: installed.clone(),
                });
            }
            _ => {}
        }
        let mut cluster = Self {
            directory,
            user,
            installation,
            password: String::new(),
            _lock: lock,
        };
        if made.is_none() {
            cluster.make().await?;
        }
        let path = cluster.directory.join("password");
        let password = fs::read_to_string(&path).map_err(file("read", path))?;
        password.trim().clone_into(&mut cluster.password);
        Ok(cluster)
    }

    /// What Postgres calls its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("cluster")
    }

    /// Where Postgres writes what it does.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// How a client reaches a database of this cluster.
    pub(crate) fn url(&self, port: u16, database: &str) -> String {
        url(&self.password, port, database)
    }

    /// The port of the last time when it is still free, or a new one.
    pub(crate) fn port(&self) -> Result<u16> {
        let path = self.directory.join("port");
        if let Some(port) = remembered_port(&self.directory)
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            return Ok(port);
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.map_err(file("find a free port for", &path))?.port();
        fs::write(&path, format!("{port}\n")).map_err(file("write", path))?;
        Ok(port)
    }

    /// A fresh log; the one before stays beside it when it is worth it.
    pub(crate) fn new_log(&self) -> Result<File> {
        let path = self.log();
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > LOG_BYTES) {
            fs::rename(&path, self.directory.join("log.old")).map_err(file("rename", &path))?;
        }
        File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(file("write", path))
    }

    /// `initdb` beside the final place, so that a cluster is there whole or not at all.
    async fn make(&self) -> Result<()> {
        let unfinished = self.directory.join("cluster.new");
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(file("remove", &unfinished)(error)),
            _ => {}
        }
        let password = self.write_password()?;
        let mut initdb = self.user.command(&self.installation.bin.join("initdb"));
        initdb.arg("-D").arg(&unfinished).arg(format!("--username={ROLE}"));
        initdb
            .arg(format!("--pwfile={}", password.display()))
            .arg("--auth=scram-sha-256")
            .arg("--encoding=UTF8");
        // Letters of every language have cases with this locale; elsewhere than on Linux it may not exist.
        initdb.arg(if cfg!(target_os = "linux") {
            "--locale=C.UTF-8"
        } else {
            "--locale=C"
        });
        let output = initdb
            .output()
            .await
            .map_err(file("run", self.installation.bin.join("initdb")))?;
        if !output.status.success() {
            let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Program {
                program: "initdb",
                output,
            });
        }
        fs::rename(&unfinished, self.data()).map_err(file("rename", unfinished))
    }

    fn write_password(&self) -> Result<PathBuf> {
        let path = self.directory.join("password");
        // Two random ids: 244 bits that nobody guesses.
        let password = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let opened = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path);
        opened
            .and_then(|mut file| writeln!(file, "{password}"))
            .map_err(file("write", &path))?;
        self.user.own(&path)?;
        Ok(path)
    }
}

/// How a client reaches a database.
pub(crate) fn url(password: &str, port: u16, database: &str) -> String {
    format!("postgres://{ROLE}:{password}@127.0.0.1:{port}/{database}?sslmode=disable")
}

/// The port that a server on this directory had the last time.
pub(crate) fn remembered_port(directory: &Path) -> Option<u16> {
    fs::read_to_string(directory.join("port")).ok()?.trim().parse().ok()
}

/// Makes the directory and gives it to the user who runs Postgres. When that user does not get there, as in the home
/// of root, the directory becomes a link to a place where it does.
async fn settle(directory: &Path) -> Result<(PathBuf, User)> {
    fs::create_dir_all(directory).map_err(file("make", directory))?;
    let real = fs::canonicalize(directory).map_err(file("resolve", directory))?;
    let user = User::of(&real).await?;
    let parent = real.parent().unwrap_or(&real);
    let real = if user.enters(parent).await {
        real
    } else {
        elsewhere(&real)?
    };
    user.own(&real)?;
    fs::set_permissions(&real, fs::Permissions::from_mode(0o700)).map_err(file("close", &real))?;
    Ok((real, user))
}

fn elsewhere(directory: &Path) -> Result<PathBuf> {
    let place = Path::new(ELSEWHERE).join(format!("postgres-{}", Uuid::new_v4()));
    fs::create_dir_all(&place).map_err(file("make", &place))?;
    // Fails when something is in it, and so never loses anything.
    fs::remove_dir(directory).map_err(file("replace by a link", directory))?;
    symlink(&place, directory).map_err(file("link", directory))?;
    Ok(place)
}

fn lock(directory: &Path) -> Result<File> {
    let path = directory.join("lock");
    let lock = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(file("open", &path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(file("lock", path)(error)),
    }
}

fn made_by(directory: &Path) -> Result<Option<String>> {
    let path = directory.join("cluster/PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(version) => Ok(Some(version.trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file("read", path)(error)),
    }
}
