//! How much memory there is, and how much of it is in use.

use std::fs::read_to_string;
use std::io;
use std::path::{Path, PathBuf};

use rustix::param::page_size;

/// Where control groups are (version 2).
const GROUPS: &str = "/sys/fs/cgroup";

/// A bound, and whose use counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// This process's own.
    Process(u64),
    /// That of the whole control group, at whose limit the system ends processes.
    Group(PathBuf, u64),
}

impl Memory {
    /// With the limit that is set, else that of the control group; none when there is neither.
    pub(super) fn within(limit: Option<u64>) -> Option<Self> {
        if let Some(limit) = limit {
            return Some(Self::Process(limit));
        }
        let own = read_to_string("/proc/self/cgroup").ok()?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
        Self::of_group(Path::new(GROUPS), own)
    }

    /// The nearest group with a limit, from one below `root` upwards.
    fn of_group(root: &Path, own: &str) -> Option<Self> {
        let directory = root.join(own);
        let mut above = directory.ancestors().take_while(|above| above.starts_with(root));
        above.find_map(|directory| {
            let limit = read_to_string(directory.join("memory.max")).ok()?;
            // It says `max` where there is none.
            Some(Self::Group(directory.to_owned(), limit.trim().parse().ok()?))
        })
    }

    /// Bytes that may be in use.
    pub(super) const fn limit(&self) -> u64 {
        match self {
            Self::Process(limit) | Self::Group(_, limit) => *limit,
        }
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> io::Result<u64> {
        match self {
            Self::Process(_) => {
                let pages = number(read_to_string("/proc/self/statm")?.split(' ').nth(1))?;
                Ok(pages * u64::try_from(page_size()).unwrap_or(4096))
            }
            Self::Group(directory, _) => {
                let current = number(Some(&read_to_string(directory.join("memory.current"))?))?;
                let parts = read_to_string(directory.join("memory.stat"))?;
                // Copies of files that nobody uses are given back before anything is ended.
                let idle = parts.lines().find_map(|line| line.strip_prefix("inactive_file "));
                Ok(current.saturating_sub(number(idle)?))
            }
        }
    }
}

fn number(text: Option<&str>) -> io::Result<u64> {
    let number = text.and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "no number where the system says the use of memory",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};

    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_nearest_group_with_a_limit_counts_without_idle_files() {
        let root = &std::env::temp_dir().join(format!("gatehouse-groups-{}", Uuid::now_v7()));
        create_dir_all(root.join("a/b")).expect("made");
        write(root.join("a/b/memory.max"), "max\n").expect("written");
        assert_eq!(Memory::of_group(root, "a/b"), None);
        write(root.join("a/memory.max"), "1000\n").expect("written");
        write(root.join("a/memory.current"), "700\n").expect("written");
        write(root.join("a/memory.stat"), "anon 1\ninactive_file 200\n").expect("written");
        let memory = Memory::of_group(root, "a/b").expect("a limit");
        assert_eq!(memory, Memory::Group(root.join("a"), 1000));
        assert_eq!(memory.used().expect("used"), 500);
        write(root.join("a/memory.stat"), "anon 1\n").expect("written");
        assert!(memory.used().is_err());
        std::fs::remove_dir_all(root).expect("removed");
    }

    #[test]
    fn a_limit_that_is_set_is_for_this_process() {
        let memory = Memory::within(Some(1)).expect("one");
        assert_eq!(memory.limit(), 1);
        let used = memory.used().expect("used");
        assert!((1 << 20..1 << 40).contains(&used), "{used}");
    }
}
