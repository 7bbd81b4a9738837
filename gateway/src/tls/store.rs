//! Finds the name that a handshake or a request is for.

use std::collections::HashMap;
use std::sync::Arc;

use model::sni::{ClientAuth, SniName};

use super::host::Host;

/// The names of one snapshot.
#[derive(Debug)]
pub struct Store {
    exact: HashMap<String, Arc<Host>>,
    /// By what follows the `*`, from the dot on.
    wild: HashMap<String, Arc<Host>>,
    default: Arc<Host>,
}

impl Store {
    pub(super) fn new(hosts: impl IntoIterator<Item = (SniName, Arc<Host>)>, default: Arc<Host>) -> Self {
        let (mut exact, mut wild) = (HashMap::new(), HashMap::new());
        for (name, host) in hosts {
            match name.suffix() {
                Some(suffix) => wild.insert(suffix.to_owned(), host),
                None => exact.insert(name.as_str().to_owned(), host),
            };
        }
        Self { exact, wild, default }
    }

    /// The name itself, or the longest one with a `*` that fits, or what is for everybody else.
    pub(super) fn find(&self, name: Option<&str>) -> &Arc<Host> {
        name.and_then(|name| self.known(name)).unwrap_or(&self.default)
    }

    fn known(&self, name: &str) -> Option<&Arc<Host>> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if let Some(host) = self.exact.get(&name) {
            return Some(host);
        }
        let mut dots = name.match_indices('.');
        dots.find_map(|(at, _)| self.wild.get(&name[at..]))
    }

    /// Whether a request for `host` came over a connection on which its client was not asked for what `host` asks for:
    /// `server_name` is what the client named in the handshake, `verified` whether it showed a certificate.
    ///
    /// Then the answer is 421, and the client opens another connection (RFC 9110, section 15.5.20).
    pub fn misdirects(&self, server_name: Option<&str>, verified: bool, host: &str) -> bool {
        let Some(wanted) = self.known(host) else { return false };
        let opened = self.find(server_name);
        // The rules may have become stricter since the handshake.
        let unproven = wanted.rules.client_auth == ClientAuth::Required && !verified;
        unproven || !wanted.rules.authenticate_as(&opened.rules)
    }
}
