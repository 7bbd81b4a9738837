//! TLS towards services: who may vouch for them, and what the gateway shows to them.

use std::sync::Arc;

use model::certificate::pem;
use model::id::{CaCertificateId, CertificateId};
use model::service::Tls;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use super::Compiler;

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
    pub(crate) fn outward(&self, settings: &Tls) -> Result<Outward, String> {
        let mut authorities = Vec::new();
        for id in &settings.ca_certificates {
            let known = self.authorities.get(&CaCertificateId(*id)).filter(|spec| spec.enabled);
            let spec = known.ok_or_else(|| format!("the CA certificate {id} is missing or off"))?;
            let certificates = pem::certificates(&spec.cert);
            authorities.extend(certificates.map_err(|message| format!("the CA certificate {id} {message}"))?);
        }
        let client = match settings.client_certificate {
            None => None,
            Some(id) => {
                let known = self.keys.get(&CertificateId(id));
                let pair = known.and_then(|(_, keys)| keys.first());
                Some(pair.ok_or_else(|| format!("the certificate {id} is missing, off or cannot be used"))?)
            }
        };
        Ok(Outward { authorities, client })
    }
}
