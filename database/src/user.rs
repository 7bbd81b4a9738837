//! Who runs Postgres: it refuses root, so root steps down to another user for it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::error::{Error, Result, file};

/// Users that root may step down to, the best first.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// Whose processes and files those of Postgres are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// The one who runs this program.
    Same,
    /// Another one, since this program runs as root.
    Other {
        /// The user.
        uid: u32,
        /// Its group.
        gid: u32,
    },
}

impl User {
    /// The user for a directory: its owner when root made it for somebody before.
    pub(crate) async fn of(directory: &Path) -> Result<Self> {
        let metadata = fs::metadata(directory).map_err(file("read", directory))?;
        let me = rustix::process::geteuid();
        if !me.is_root() {
            let owner = metadata.uid();
            let mine = owner == me.as_raw();
            return if mine {
                Ok(Self::Same)
            } else {
                Err(Error::NotOwner {
                    directory: directory.to_owned(),
                    owner,
                })
            };
        }
        if metadata.uid() != 0 {
            return Ok(Self::Other {
                uid: metadata.uid(),
                gid: metadata.gid(),
            });
        }
        for name in CANDIDATES {
            if let (Some(uid), Some(gid)) = (id("-u", name).await, id("-g", name).await) {
                return Ok(Self::Other { uid, gid });
            }
        }
        Err(Error::NoUser)
    }

    /// A command that runs as this user, away from the terminal's Ctrl-C and from a folder that it may not see.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").process_group(0).stdin(Stdio::null());
        // Settings of a client must not reach the server or `initdb`.
        for variable in [
            "PGDATA",
            "PGPORT",
            "PGHOST",
            "PGUSER",
            "PGPASSWORD",
            "PGDATABASE",
            "PGOPTIONS",
            "PGTZ",
        ] {
            command.env_remove(variable);
        }
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Gives a file or a folder to this user.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        match self {
            Self::Same => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(uid), Some(gid)).map_err(file("change the owner of", path)),
        }
    }

    /// Whether this user gets into a folder.
    pub(crate) async fn enters(self, folder: &Path) -> bool {
        let mut test = self.command(Path::new("test"));
        let status = test.arg("-x").arg(folder).stderr(Stdio::null()).status().await;
        status.is_ok_and(|status| status.success())
    }
}

async fn id(what: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([what, name]).output().await.ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_is_a_user_everywhere() {
        assert!(id("-u", "nobody").await.is_some());
        assert_eq!(id("-u", "no such user").await, None);
    }

    #[tokio::test]
    async fn postgres_never_runs_as_root() {
        let folder = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
        fs::create_dir(&folder).unwrap();
        let user = User::of(&folder).await.unwrap();
        let output = user.command(Path::new("id")).arg("-u").output().await.unwrap();
        fs::remove_dir(&folder).unwrap();
        assert_ne!(String::from_utf8_lossy(&output.stdout).trim(), "0");
    }
}
