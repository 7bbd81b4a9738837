//! The places that lines are written to.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs as _, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::telemetry::settings::{Destination, Syslog};

/// What a datagram may wait for room.
const DATAGRAM: Duration = Duration::from_secs(1);
/// `local0.info` (RFC 5424, section 6.2.1).
const PRIORITY: &str = "<134>1";

/// A place for lines.
pub(crate) enum Sink {
    /// Bytes one after the other.
    Stream(Box<dyn Write + Send>),
    /// The end of a file.
    File(LogFile),
    /// Datagrams to syslog.
    Syslog(Datagrams),
}

impl Sink {
    /// Opens what the settings say; none when they say that nothing is written.
    pub(crate) fn open(to: &Destination) -> Result<Option<Self>, String> {
        let failed = |error: io::Error| error.to_string();
        Ok(Some(match to {
            Destination::Off => return Ok(None),
            Destination::Stdout => {
                // A descriptor of our own: whoever prints to standard output must not wait for the log.
                let descriptor = io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
                Self::Stream(Box::new(File::from(descriptor)))
            }
            Destination::File(path) => {
                let opened = LogFile::open(path.clone());
                Self::File(opened.map_err(|error| format!("{} cannot be opened: {error}", path.display()))?)
            }
            Destination::Syslog(syslog) => Self::Syslog(Datagrams::open(syslog.clone()).map_err(failed)?),
        }))
    }

    /// Writes whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.write_all(lines),
            Self::File(file) => file.file.write_all(lines),
            Self::Syslog(datagrams) => datagrams.send(lines),
        }
    }

    /// Opens a file anew that was moved away, or that somebody wants to be opened anew.
    pub(super) fn refresh(&mut self, asked: bool) -> io::Result<()> {
        let Self::File(file) = self else { return Ok(()) };
        if asked || file.was_moved() {
            *file = LogFile::open(file.path.clone())?;
        }
        Ok(())
    }
}

/// A file that is written to at its end.
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    place: (u64, u64),
}

impl LogFile {
    fn open(path: PathBuf) -> io::Result<Self> {
        if path.metadata().is_ok_and(|found| found.file_type().is_fifo()) {
            return Err(io::Error::other("a pipe would make the gateway wait for its reader"));
        }
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let place = place(&file.metadata()?);
        Ok(Self { path, file, place })
    }

    fn was_moved(&self) -> bool {
        Path::metadata(&self.path).map_or(true, |found| place(&found) != self.place)
    }
}

fn place(metadata: &std::fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Datagrams in the form of RFC 5424, each with one line.
pub(crate) struct Datagrams {
    to: Syslog,
    socket: Option<Socket>,
    host: String,
}

enum Socket {
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

impl Datagrams {
    fn open(to: Syslog) -> io::Result<Self> {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = name.trim();
        Ok(Self {
            socket: Some(Socket::connect(&to)?),
            to,
            host: if name.is_empty() {
                "-".to_owned()
            } else {
                name.to_owned()
            },
        })
    }

    fn send(&mut self, lines: &[u8]) -> io::Result<()> {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let datagram = self.datagram(line);
            let socket = match &self.socket {
                Some(socket) => socket,
                None => self.socket.insert(Socket::connect(&self.to)?),
            };
            if let Err(error) = socket.send(&datagram) {
                // A daemon that was started anew has another socket.
                self.socket = None;
                return Err(error);
            }
        }
        Ok(())
    }

    fn datagram(&self, line: &[u8]) -> Vec<u8> {
        // The line's own timestamp says when; syslog adds when it came.
        let head = format!("{PRIORITY} - {} gatehouse {} access - ", self.host, std::process::id());
        [head.as_bytes(), line].concat()
    }
}

impl Socket {
    fn connect(to: &Syslog) -> io::Result<Self> {
        match to {
            Syslog::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_write_timeout(Some(DATAGRAM))?;
                Ok(Self::Unix(socket))
            }
            Syslog::Udp(address) => {
                let nobody = || io::Error::other(format!("{address} has no address"));
                let to = address.to_socket_addrs()?.next().ok_or_else(nobody)?;
                let any: IpAddr = if to.is_ipv4() {
                    Ipv4Addr::UNSPECIFIED.into()
                } else {
                    Ipv6Addr::UNSPECIFIED.into()
                };
                let socket = UdpSocket::bind((any, 0))?;
                socket.connect(to)?;
                socket.set_write_timeout(Some(DATAGRAM))?;
                Ok(Self::Udp(socket))
            }
        }
    }

    fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(socket) => socket.send(datagram),
            Self::Udp(socket) => socket.send(datagram),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("gatehouse-{name}-{}", uuid::Uuid::now_v7()))
    }

    #[test]
    fn a_file_that_is_moved_away_is_begun_anew() {
        let (path, moved) = (path("log"), path("moved"));
        let mut sink = Sink::open(&Destination::File(path.clone()))
            .expect("opened")
            .expect("a sink");
        sink.write(b"one\n").expect("written");
        std::fs::rename(&path, &moved).expect("moved");
        sink.write(b"two\n").expect("written");
        sink.refresh(false).expect("opened");
        sink.write(b"three\n").expect("written");
        sink.refresh(false).expect("nothing to do");
        sink.write(b"four\n").expect("written");
        let text = |path: &Path| std::fs::read_to_string(path).expect("readable");
        assert_eq!(
            (text(&moved), text(&path)),
            ("one\ntwo\n".to_owned(), "three\nfour\n".to_owned())
        );
        std::fs::remove_file(moved)
            .and(std::fs::remove_file(path))
            .expect("removed");
    }

    #[test]
    fn a_place_that_cannot_be_opened_is_told() {
        let error = Sink::open(&Destination::File("/nowhere/at/all".into()))
            .err()
            .expect("no such directory");
        assert!(error.contains("/nowhere/at/all"), "{error}");
    }

    #[test]
    fn syslog_gets_a_datagram_for_each_line_by_either_way() {
        let path = path("syslog");
        let unix = UnixDatagram::bind(&path).expect("a socket");
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = udp.local_addr().expect("an address").to_string();
        let mut piece = [0; 256];
        for to in [Syslog::Unix(path.clone()), Syslog::Udp(address)] {
            let mut sink = Sink::open(&Destination::Syslog(to.clone()))
                .expect("opened")
                .expect("a sink");
            sink.write(b"{\"a\":1}\n{\"a\":2}\n").expect("sent");
            for number in 1..=2 {
                let count = match to {
                    Syslog::Unix(_) => unix.recv(&mut piece).expect("a datagram"),
                    Syslog::Udp(_) => udp.recv(&mut piece).expect("a datagram"),
                };
                let text = String::from_utf8_lossy(&piece[..count]);
                assert!(text.starts_with("<134>1 - "), "{text}");
                assert!(text.ends_with(&format!(" access - {{\"a\":{number}}}")), "{text}");
            }
        }
        std::fs::remove_file(path).expect("removed");
    }
}
