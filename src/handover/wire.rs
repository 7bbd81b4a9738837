//! What is said at the socket: a word, sockets, lines.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use super::PATIENCE;

/// Asks for a new program to be started.
pub(super) const UPGRADE: &str = "upgrade";
/// Asks for the sockets.
pub(super) const SOCKETS: &str = "sockets";
/// Says that the new program serves.
pub(super) const READY: &str = "ready";
/// Ends the answer to `upgrade` when it went well.
pub(super) const DONE: &str = "done";
/// The most sockets that a program has.
const MOST: usize = 64;
/// The longest list of their addresses, and the longest word.
const LIST: usize = 8 * 1024;

/// Sends sockets with the addresses that they were bound by.
pub(super) fn send(stream: &UnixStream, sockets: &[(SocketAddr, OwnedFd)]) -> Result<()> {
    if sockets.len() > MOST {
        bail!("there are more than {MOST} listening sockets");
    }
    let addresses: Vec<String> = sockets.iter().map(|(address, _)| address.to_string()).collect();
    let list = addresses.join(",") + "\n";
    let files: Vec<BorrowedFd<'_>> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    rights.push(SendAncillaryMessage::ScmRights(&files));
    let sent = sendmsg(
        stream,
        &[IoSlice::new(list.as_bytes())],
        &mut rights,
        SendFlags::empty(),
    )?;
    if sent != list.len() {
        bail!("the list of sockets was cut off");
    }
    Ok(())
}

/// Receives what [`send`] sends.
pub(super) fn receive(stream: &UnixStream) -> Result<Vec<(SocketAddr, OwnedFd)>> {
    let mut list = vec![0; LIST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut list)],
        &mut rights,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut files: Vec<OwnedFd> = Vec::new();
    for message in rights.drain() {
        if let RecvAncillaryMessage::ScmRights(sockets) = message {
            files.extend(sockets);
        }
    }
    let list = std::str::from_utf8(&list[..received.bytes]).context("the list of sockets is no text")?;
    let addresses = list.trim_end().split(',').filter(|address| !address.is_empty());
    let addresses: Vec<SocketAddr> = addresses
        .map(str::parse)
        .collect::<Result<_, _>>()
        .context("the list of sockets has something that is no address")?;
    if addresses.len() != files.len() {
        bail!("{} sockets came for {} addresses", files.len(), addresses.len());
    }
    Ok(addresses.into_iter().zip(files).collect())
}

/// Reads one line; none when the other side has ended.
pub(super) fn line(stream: &mut UnixStream) -> io::Result<Option<String>> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while line.len() < LIST {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        if byte[0] == b'\n' {
            break;
        }
        line.push(byte[0]);
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

/// Writes one line.
pub(super) fn say(stream: &mut UnixStream, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\n").as_bytes())
}

/// Asks the program at `path` to be replaced, and passes on what it says about that.
pub(crate) fn ask(path: &Path, mut told: impl FnMut(&str)) -> Result<()> {
    let mut stream = UnixStream::connect(path).with_context(|| {
        format!(
            "no program answers at {}: is Gatehouse running with this data directory, under this user?",
            path.display()
        )
    })?;
    stream.set_read_timeout(Some(2 * PATIENCE))?;
    say(&mut stream, UPGRADE)?;
    while let Some(line) = line(&mut stream).context("the running program does not answer")? {
        match line.split_once(": ") {
            _ if line == DONE => return Ok(()),
            Some(("failed", why)) => bail!("{why}"),
            _ => told(&line),
        }
    }
    bail!("the running program broke off; it may go on as it was")
}
