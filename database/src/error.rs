//! What can go wrong with a server of one's own, said so that the reader knows what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No installation was found.
    #[error(
        "no Postgres is installed: run scripts/bootstrap, or name the folder of its programs in GATEHOUSE_POSTGRES_BIN"
    )]
    NotInstalled,
    /// The installation that was asked for is none.
    #[error("GATEHOUSE_POSTGRES_BIN is {folder}, but there is no `{program}` in it")]
    Incomplete {
        /// Where it was looked for.
        folder: PathBuf,
        /// What is missing.
        program: &'static str,
    },
    /// Postgres refuses to run as root, and there is nobody else to be.
    #[error(
        "Postgres does not run as root, and there is neither a user `postgres` nor `nobody`: start as another user"
    )]
    NoUser,
    /// Another program has this directory.
    #[error("another program runs the database in {0}, such as a Gatehouse: stop it first")]
    InUse(PathBuf),
    /// The directory cannot be used by the user who runs the program.
    #[error("{directory} belongs to the user with the id {owner}: start as that user or as root")]
    NotOwner {
        /// The directory.
        directory: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// The data is of another Postgres than the installed one.
    #[error("{directory} was made by Postgres {made}, but only {installed} is installed: install postgresql-{made}")]
    Version {
        /// The directory.
        directory: PathBuf,
        /// The major version that made the data.
        made: String,
        /// The major version that is there.
        installed: String,
    },
    /// A file could not be used.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program of Postgres failed.
    #[error("`{program}` failed: {output}")]
    Program {
        /// Which one.
        program: &'static str,
        /// The end of what it wrote.
        output: String,
    },
    /// Something took too long.
    #[error("Postgres did not {action} within {deadline:?}, see {log}")]
    Deadline {
        /// What it should have done.
        action: &'static str,
        /// How long was waited.
        deadline: Duration,
        /// Where it writes what it does.
        log: PathBuf,
    },
    /// The server runs but refuses a statement.
    #[error("Postgres runs, but refuses to be set up")]
    Sql(#[from] sqlx::Error),
    /// The migrations of a test do not apply.
    #[error("the migrations do not apply")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Names the file for an error of the system.
pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { action, path, source }
}
