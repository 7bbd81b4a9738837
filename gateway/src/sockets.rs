//! Listening sockets: bound here, or taken over from the program that this one replaces.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;

/// The listening sockets of a program; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Sockets(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    /// Those of the program before, by the address that it was told.
    inherited: Vec<(SocketAddr, TcpListener)>,
    /// Those in use, for the program after.
    bound: Vec<(SocketAddr, TcpListener)>,
    /// Whether there is a program before, which accepts from the same queues.
    shared: bool,
}

impl Sockets {
    /// Begins with sockets of another program, each with the address that it was bound by.
    pub fn inherited(sockets: Vec<(SocketAddr, OwnedFd)>) -> Self {
        let inherited = sockets
            .into_iter()
            .map(|(address, socket)| (address, TcpListener::from(socket)))
            .collect();
        Self(Arc::new(Mutex::new(Held {
            inherited,
            bound: Vec::new(),
            shared: true,
        })))
    }

    /// Whether the program before still accepts from those that were taken over.
    pub(crate) fn are_shared(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).shared
    }

    /// The socket for an address that a setting names: that of the program before, or a new one.
    pub fn bind(&self, address: SocketAddr, setting: &'static str) -> Result<TcpListener, Error> {
        let failed = |source| Error::Listen {
            address,
            setting,
            source,
        };
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held.inherited.iter().position(|(known, _)| *known == address);
        let listener = match known {
            Some(at) => held.inherited.remove(at).1,
            None => TcpListener::bind(address).map_err(failed)?,
        };
        listener.set_nonblocking(true).map_err(failed)?;
        let copy = listener.try_clone().map_err(failed)?;
        held.bound.push((address, copy));
        Ok(listener)
    }

    /// Closes what was taken over and no setting names any more, so that clients do not wait there for nobody.
    pub fn settle(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).inherited.clear();
    }

    /// Copies of all in use, to be handed over.
    pub fn copies(&self) -> std::io::Result<Vec<(SocketAddr, OwnedFd)>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.bound
            .iter()
            .map(|(address, listener)| Ok((*address, OwnedFd::from(listener.try_clone()?))))
            .collect()
    }

    /// Lets go of all: once nobody accepts, nobody shall be able to connect.
    pub fn close(&self) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.inherited.clear();
        held.bound.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_taken_over_with_those_who_wait_to_be_accepted() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let before = Sockets::default();
        let listener = before.bind(any, "A").expect("bound");
        let address = listener.local_addr().expect("an address");
        let _client = std::net::TcpStream::connect(address).expect("connected");
        let after = Sockets::inherited(before.copies().expect("copies"));
        before.close();
        drop(listener);
        let taken = after.bind(any, "A").expect("taken over");
        assert_eq!(taken.local_addr().expect("an address"), address);
        taken.set_nonblocking(false).expect("an option");
        assert!(taken.accept().is_ok());
        let other = after.bind(any, "A").expect("bound anew");
        assert_ne!(other.local_addr().expect("an address"), address);
    }

    #[test]
    fn what_is_closed_refuses() {
        let sockets = Sockets::default();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = sockets.bind(any, "A").expect("bound");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        assert!(std::net::TcpStream::connect(address).is_ok(), "the copy keeps it open");
        sockets.close();
        assert!(std::net::TcpStream::connect(address).is_err());
    }
}
