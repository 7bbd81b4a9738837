//! Makes the store of a snapshot from the rows of certificates, SNIs and CA certificates.
//!
//! What did not change is taken over, with its sessions. A certificate that cannot be used keeps its last good form, and
//! the others are not touched by it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::Kind;
use model::ca_certificate::CaCertificateSpec;
use model::certificate::CertificateSpec;
use model::clock::Timestamp;
use model::id::{CaCertificateId, CertificateId, SniId};
use model::sealing::{Place, PrivateKey, Sealer};
use model::sni::{SniName, SniSpec};
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::host::{Host, Rules};
use super::keys::{self, Keys};
use super::{Store, self_signed};

/// The name of the certificate for clients that ask for no known name.
const DEFAULT: &str = "default";

/// Something that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) id: Uuid,
    pub(crate) message: String,
}

/// When a certificate ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expiry {
    pub(crate) certificate: String,
    pub(crate) at: Timestamp,
}

/// What a name is made of; as long as that is the same, so is the name.
#[derive(Debug)]
struct Made {
    spec: SniSpec,
    keys: Arc<Keys>,
    authorities: Vec<CaCertificateSpec>,
    host: Arc<Host>,
}

/// Keeps what stores are made of between changes.
#[derive(Debug)]
pub(crate) struct Compiler {
    sealer: Sealer,
    pub(crate) certificates: BTreeMap<CertificateId, CertificateSpec>,
    snis: BTreeMap<SniId, SniSpec>,
    /// Names whose rows cannot be read.
    closed: BTreeMap<SniId, (SniName, Arc<Host>)>,
    pub(crate) authorities: BTreeMap<CaCertificateId, CaCertificateSpec>,
    pub(super) keys: HashMap<CertificateId, (CertificateSpec, Arc<Keys>)>,
    made: HashMap<SniId, Made>,
    fallback: Result<Arc<CertifiedKey>, String>,
    default: Option<(Arc<Keys>, Arc<Host>)>,
    failures: Vec<Failure>,
}

impl Compiler {
    /// Nothing yet, under a deployment's secret.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self {
            sealer: Sealer::new(secret),
            certificates: BTreeMap::new(),
            snis: BTreeMap::new(),
            closed: BTreeMap::new(),
            authorities: BTreeMap::new(),
            keys: HashMap::new(),
            made: HashMap::new(),
            fallback: self_signed(),
            default: None,
            failures: Vec::new(),
        }
    }

    /// Takes a name over, or that it is gone.
    pub(crate) fn set_sni(&mut self, id: SniId, spec: Option<SniSpec>) {
        self.closed.remove(&id);
        match spec {
            Some(spec) => self.snis.insert(id, spec),
            None => self.snis.remove(&id),
        };
    }

    /// A row cannot be read, for the reason that is given. Its last good form stays; where there is none that is on, nobody
    /// gets in by its name, for it may ask clients for certificates.
    pub(crate) fn close_sni(&mut self, id: SniId, body: &[u8], reason: String) -> String {
        #[derive(Deserialize)]
        struct Name {
            name: SniName,
            #[serde(default)]
            enabled: Value,
        }
        if self.snis.get(&id).is_some_and(|spec| spec.enabled) {
            return reason;
        }
        let Ok(Name { name, enabled }) = serde_json::from_slice(body) else {
            return reason;
        };
        if enabled == Value::Bool(false) {
            return reason;
        }
        let reason = format!("{reason}, so nobody gets in by the name {}", name.as_str());
        self.closed.insert(id, (name, Arc::new(Host::closed(reason.clone()))));
        reason
    }

    /// What of the last store cannot be used.
    pub(crate) fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// When the certificates that are shown end.
    pub(crate) fn expiries(&self) -> Vec<Expiry> {
        let shown = self.certificates.values().filter(|spec| spec.enabled);
        let expiry = |spec: &CertificateSpec| {
            let info = spec.info.as_ref()?;
            Some(Expiry {
                certificate: spec.name.to_string(),
                at: info.expires_at,
            })
        };
        shown.filter_map(expiry).collect()
    }

    /// The store of what is there now.
    pub(crate) fn compile(&mut self) -> Store {
        self.failures.clear();
        self.load_keys();
        let default = self.default_host();
        let mut made = HashMap::new();
        let ids: Vec<SniId> = self
            .snis
            .iter()
            .filter(|(_, spec)| spec.enabled)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            if let Some(one) = self.make(id) {
                made.insert(id, one);
            }
        }
        self.made = made;
        let closed = self.closed.values().cloned();
        let made = self.made.values();
        let hosts = made.map(|made| (made.spec.name.clone(), made.host.clone()));
        Store::new(closed.chain(hosts), default)
    }

    /// Opens the keys of certificates that changed. One that cannot be used keeps its last good form.
    fn load_keys(&mut self) {
        self.keys
            .retain(|id, _| self.certificates.get(id).is_some_and(is_shown));
        for (id, spec) in self.certificates.iter().filter(|(_, spec)| is_shown(spec)) {
            if self.keys.get(id).is_some_and(|(known, _)| known == spec) {
                continue;
            }
            match open(&self.sealer, *id, spec) {
                Ok(keys) => drop(self.keys.insert(*id, (spec.clone(), Arc::new(keys)))),
                Err(message) => self.failures.push(Failure {
                    kind: Kind::Certificate,
                    id: id.0,
                    message,
                }),
            }
        }
    }

    /// What is for everybody who asks for no known name; the same as before while its keys are.
    fn default_host(&mut self) -> Arc<Host> {
        let named = self.keys.values().find(|(spec, _)| spec.name.as_str() == DEFAULT);
        let keys = match (named, &self.default) {
            (Some((_, keys)), _) => keys.clone(),
            (None, Some((keys, _))) if self.is_fallback(keys) => keys.clone(),
            _ => Arc::new(Keys::new(self.fallback.iter().cloned().collect())),
        };
        match &self.default {
            Some((known, host)) if Arc::ptr_eq(known, &keys) => host.clone(),
            _ => {
                let host = Arc::new(Host::new(keys.clone(), Rules::default(), &[]));
                self.default = Some((keys, host.clone()));
                host
            }
        }
    }

    fn is_fallback(&self, keys: &Keys) -> bool {
        self.fallback.as_ref().is_ok_and(|fallback| keys.is_only(fallback))
    }

    /// One name. Without a certificate of its own it shows the default one, and asks no less of clients.
    fn make(&mut self, id: SniId) -> Option<Made> {
        let spec = self.snis.get(&id)?.clone();
        let default = self.default.as_ref().map(|(keys, _)| keys.clone());
        let keys = match self.keys.get(&spec.certificate) {
            Some((_, keys)) => keys.clone(),
            None => {
                // One that is off is somebody's choice, one that was not got yet is waited for.
                let known = self.certificates.get(&spec.certificate);
                if known.is_none_or(is_shown) {
                    let message = "its certificate cannot be used, so the default one is shown";
                    self.fail(id, message.to_owned());
                }
                default?
            }
        };
        let known = spec.ca_certificates.iter().filter_map(|id| self.authorities.get(id));
        let authorities: Vec<CaCertificateSpec> = known.filter(|spec| spec.enabled).cloned().collect();
        let same =
            |made: &&Made| made.spec == spec && Arc::ptr_eq(&made.keys, &keys) && made.authorities == authorities;
        let host = self.made.get(&id).filter(same).map(|made| made.host.clone());
        let host = host.unwrap_or_else(|| Arc::new(Host::new(keys.clone(), rules(&spec), &authorities)));
        if let Err(message) = host.config() {
            self.fail(id, message);
        }
        Some(Made {
            spec,
            keys,
            authorities,
            host,
        })
    }

    fn fail(&mut self, id: SniId, message: String) {
        self.failures.push(Failure {
            kind: Kind::Sni,
            id: id.0,
            message,
        });
    }
}

/// Whether clients shall get it: it is on, and there is one to show.
fn is_shown(spec: &CertificateSpec) -> bool {
    spec.enabled && spec.cert.is_some()
}

fn rules(spec: &SniSpec) -> Rules {
    let mut authorities = spec.ca_certificates.clone();
    authorities.sort_unstable();
    Rules {
        client_auth: spec.client_auth,
        authorities,
        min_tls: spec.min_tls,
    }
}

fn open(sealer: &Sealer, id: CertificateId, spec: &CertificateSpec) -> Result<Keys, String> {
    let pair = |cert: &str, key: Option<&PrivateKey>, member| {
        let place = Place {
            kind: Kind::Certificate,
            id: id.0,
            member,
        };
        let key = key.ok_or("its key is missing")?;
        let opened = sealer.open(place, key);
        keys::load(cert, &opened.ok_or("its key was sealed under another secret")?)
    };
    let mut pairs = Vec::with_capacity(2);
    if let Some(cert) = &spec.cert {
        pairs.push(pair(cert, spec.key.as_ref(), "key")?);
    }
    if let Some(cert) = &spec.cert_alt {
        pairs.push(pair(cert, spec.key_alt.as_ref(), "key_alt")?);
    }
    Ok(Keys::new(pairs))
}
