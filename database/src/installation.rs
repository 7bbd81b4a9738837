//! Where the programs of Postgres are on this machine.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The variable that names the folder of the programs.
const VARIABLE: &str = "GATEHOUSE_POSTGRES_BIN";
/// The programs that must be there.
const PROGRAMS: [&str; 2] = ["initdb", "postgres"];
/// Where packages put versions: the folder with the version as its name, or at the end of it, and what is below.
const PLACES: [(&str, &str); 3] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
];

/// One Postgres that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installation {
    /// The folder of `initdb` and `postgres`.
    pub(crate) bin: PathBuf,
    /// `15`, when the folder tells; else data decides at the start of the server.
    pub(crate) version: Option<String>,
}

impl Installation {
    /// The one for data that `made` wrote: the chosen one, that very version, or else the newest.
    pub(crate) fn find(made: Option<&str>) -> Result<Self> {
        if let Some(folder) = env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
            return Self::chosen(folder);
        }
        let places = PLACES.iter().map(|(folder, prefix)| (Path::new(folder), *prefix));
        let installed = places.flat_map(|(folder, prefix)| versions(folder, prefix)).collect();
        choose(installed, made).or_else(on_path).ok_or(Error::NotInstalled)
    }

    fn chosen(folder: OsString) -> Result<Self> {
        let bin = PathBuf::from(folder);
        match missing(&bin) {
            Some(program) => Err(Error::Incomplete { folder: bin, program }),
            None => Ok(Self { bin, version: None }),
        }
    }
}

fn missing(bin: &Path) -> Option<&'static str> {
    PROGRAMS.into_iter().find(|program| !bin.join(program).is_file())
}

fn versions(folder: &Path, prefix: &str) -> Vec<Installation> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let version = name.strip_prefix(prefix)?;
        version.parse::<u32>().ok()?;
        Some(Installation {
            bin: entry.path().join("bin"),
            version: Some(version.to_owned()),
        })
    });
    found
        .filter(|installation| missing(&installation.bin).is_none())
        .collect()
}

fn choose(mut installed: Vec<Installation>, made: Option<&str>) -> Option<Installation> {
    let number = |installation: &Installation| {
        installation
            .version
            .as_deref()
            .and_then(|text| text.parse::<u32>().ok())
    };
    installed.sort_by_key(number);
    let same = installed
        .iter()
        .find(|installation| made.is_some() && installation.version.as_deref() == made);
    same.or(installed.last()).cloned()
}

fn on_path() -> Option<Installation> {
    let path = env::var_os("PATH")?;
    // Distributions link single programs from here; the others are beside the real file.
    let initdb = env::split_paths(&path)
        .map(|folder| folder.join("initdb"))
        .find(|file| file.is_file())?;
    let bin = fs::canonicalize(initdb).ok()?.parent()?.to_owned();
    missing(&bin).is_none().then_some(Installation { bin, version: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: &str) -> Installation {
        Installation {
            bin: PathBuf::from(version),
            version: Some(version.to_owned()),
        }
    }

    #[test]
    fn the_newest_version_is_chosen_by_number() {
        let installed = vec![version("9"), version("17"), version("15")];
        assert_eq!(choose(installed, None), Some(version("17")));
        assert_eq!(choose(Vec::new(), None), None);
    }

    #[test]
    fn data_gets_the_version_that_made_it() {
        let installed = vec![version("15"), version("17")];
        assert_eq!(choose(installed.clone(), Some("15")), Some(version("15")));
        assert_eq!(
            choose(installed, Some("16")),
            Some(version("17")),
            "the start then says what is wrong"
        );
    }

    #[test]
    fn a_folder_without_the_programs_is_no_installation() {
        let error = Installation::chosen("/nowhere".into()).unwrap_err();
        assert!(error.to_string().contains("/nowhere"), "{error}");
        assert!(error.to_string().contains("initdb"), "{error}");
    }
}
