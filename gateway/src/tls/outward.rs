//! TLS towards services: who may vouch for them, and what the gateway shows to them.

use std::sync::Arc;

use model::certificate::pem;
use model::id::{CaCertificateId, CertificateId};
use model::service::Tls;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use super::Compiler;

/// Why a service cannot be spoken to over TLS.
#[derive(Debug, Clone)]
pub(crate) struct Unusable {
    /// What is missing.
    pub(crate) message: String,
    /// Whether somebody chose it to be so, by turning off what is needed.
    pub(crate) chosen: bool,
}

/// What a service's settings name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outward {
    /// The authorities that its certificate may be signed by; empty means those of the system.
    pub(crate) authorities: Vec<CertificateDer<'static>>,
    /// The certificate that the gateway shows, with its key.
    pub(crate) client: Option<Arc<CertifiedKey>>,
}

impl Compiler {
    /// What the settings of a service name. What is missing is an error: without it a service would be trusted that should
    /// not be, or asked without proof.
    pub(crate) fn outward(&self, settings: &Tls) -> Result<Outward, Unusable> {
        let mut authorities = Vec::new();
        for id in &settings.ca_certificates {
            let known = self.authorities.get(&CaCertificateId(*id));
            let unusable = |what: &str| Unusable {
                message: format!("the CA certificate {id} {what}"),
                chosen: known.is_some_and(|spec| !spec.enabled),
            };
            let spec = known.filter(|spec| spec.enabled);
            let spec = spec.ok_or_else(|| unusable("is missing or off"))?;
            let certificates = pem::certificates(&spec.cert);
            authorities.extend(certificates.map_err(|message| unusable(&message))?);
        }
        let client = match settings.client_certificate {
            None => None,
            Some(id) => {
                let known = self.keys.get(&CertificateId(id));
                let pair = known.and_then(|(_, keys)| keys.first());
                let spec = self.certificates.get(&CertificateId(id));
                Some(pair.ok_or_else(|| Unusable {
                    message: format!("the certificate {id} is missing, off or cannot be used"),
                    chosen: spec.is_some_and(|spec| !spec.enabled),
                })?)
            }
        };
        Ok(Outward { authorities, client })
    }
}
