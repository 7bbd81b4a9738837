//! How the targets of a service prove who they are, and the gateway to them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::ServiceDraft;
use crate::validation::{Code, Errors};

/// The most CA certificates of one service.
const MAX_CA_CERTIFICATES: usize = 50;

/// TLS towards targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tls {
    /// Whether certificates are checked.
    pub tls_verify: bool,
    /// The name that targets must prove, when that is not their host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
    /// The CA certificates that theirs may be signed by; empty means those of the system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ca_certificates: Vec<Uuid>,
    /// The certificate that the gateway shows to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<Uuid>,
}

/// TLS settings as they are sent, wherever they stand.
pub(crate) struct Given<'a> {
    /// What stands before the names of the members, such as `health.active.`.
    pub(crate) place: &'a str,
    pub(crate) verify: Option<bool>,
    pub(crate) server_name: Option<&'a str>,
    pub(crate) ca_certificates: &'a [String],
    pub(crate) client_certificate: Option<&'a str>,
}

impl Tls {
    pub(super) fn validate(draft: &ServiceDraft, errors: &mut Errors) -> Self {
        let given = Given {
            place: "",
            verify: draft.tls_verify,
            server_name: draft.tls_server_name.as_deref(),
            ca_certificates: &draft.ca_certificates,
            client_certificate: draft.client_certificate.as_deref(),
        };
        Self::of(&given, errors)
    }

    /// What was sent, as far as it is valid.
    pub(crate) fn of(given: &Given<'_>, errors: &mut Errors) -> Self {
        let place = given.place;
        let text = |text: Option<&str>| text.filter(|text| !text.trim().is_empty()).map(str::to_owned);
        let tls_server_name = text(given.server_name);
        if tls_server_name
            .as_deref()
            .is_some_and(|name| url::Host::parse(name).is_err())
        {
            let message = "must be a host name or an IP address";
            errors.add(format!("{place}tls_server_name"), Code::Invalid, message);
        }
        if given.ca_certificates.len() > MAX_CA_CERTIFICATES {
            let message = format!("has more than {MAX_CA_CERTIFICATES} entries");
            errors.add(format!("{place}ca_certificates"), Code::OutOfRange, message);
        }
        let mut id = |path: String, text: &str| {
            text.parse::<Uuid>()
                .map_err(|_| errors.add(path, Code::Invalid, "must be an id"))
                .ok()
        };
        let authorities = given.ca_certificates.iter().enumerate();
        let authorities = authorities.filter_map(|(index, text)| id(format!("{place}ca_certificates.{index}"), text));
        let ca_certificates = authorities.collect();
        let client_certificate = text(given.client_certificate);
        let client_certificate = client_certificate.and_then(|text| id(format!("{place}client_certificate"), &text));
        Self {
            tls_verify: given.verify.unwrap_or(true),
            tls_server_name,
            ca_certificates,
            client_certificate,
        }
    }
}
