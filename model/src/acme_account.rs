//! An ACME account: who asks which certificate authority for certificates (RFC 8555, section 7.3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::account::validate_email;
use crate::id::{AcmeAccountId, CaCertificateId};
use crate::name::{Name, validate_tags};
use crate::noun::{Kind, Noun};
use crate::sealing::PrivateKey;
use crate::validation::{Code, Errors};

/// The longest address of a directory, and the longest key id, in characters.
const MAX_TEXT: usize = 512;
/// The fewest bytes of a key that binds an account.
const MIN_KEY: usize = 16;

crate::draft! {
    /// An ACME account as it is sent.
    pub struct AcmeAccountDraft {
        /// Unique name.
        #[schema(example = "lets-encrypt")]
        pub name: Option<String>,
        /// The address of the authority's directory, with `https`.
        #[schema(example = "https://acme-v02.api.letsencrypt.org/directory")]
        pub directory: Option<String>,
        /// Where the authority may write to about these certificates.
        #[schema(example = "operations@example.com")]
        pub email: Option<String>,
        /// Whether you agree to the authority's terms of service; must be true.
        pub terms_agreed: Option<bool>,
        /// What binds the account to one that you have with the authority already, where it asks for that.
        pub external_account: Option<ExternalAccount>,
        /// Id or name of the CA certificate that vouches for the directory itself, for an authority of your own; without
        /// it those that the system trusts.
        pub ca_certificate: Option<String>,
        /// Labels to find and group by.
        pub tags: Vec<String>,
        /// Whether certificates are asked for; default true.
        pub enabled: Option<bool>,
    }
}

/// The binding to an account that was made elsewhere (RFC 8555, section 7.3.4).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExternalAccount {
    /// The id of the key.
    #[schema(example = "kid-1")]
    pub kid: String,
    /// The key as the authority shows it, in base64url. It is never answered; without it the stored one stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(write_only, value_type = Option<String>)]
    pub hmac_key: Option<PrivateKey>,
}

/// A valid ACME account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AcmeAccountSpec {
    /// Unique name.
    pub name: Name,
    /// The address of the authority's directory.
    pub directory: String,
    /// Where the authority may write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the authority's terms of service are agreed to.
    pub terms_agreed: bool,
    /// What binds it to an account that was made elsewhere; its key is sealed and never answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_account: Option<ExternalAccount>,
    /// The CA certificate that vouches for the directory itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_certificate: Option<CaCertificateId>,
    /// Labels.
    pub tags: Vec<String>,
    /// Whether certificates are asked for.
    pub enabled: bool,
}

impl Noun for AcmeAccountSpec {
    type Id = AcmeAccountId;
    type Draft = AcmeAccountDraft;
    const KIND: Kind = Kind::AcmeAccount;

    fn validate(draft: &AcmeAccountDraft, errors: &mut Errors) -> Option<Self> {
        let name = Name::validate(draft.name.as_deref(), errors);
        let directory = validate_directory(draft.directory.as_deref(), errors);
        let email = match filled(draft.email.as_deref()) {
            None => None,
            text => validate_email(text, errors),
        };
        if draft.terms_agreed != Some(true) {
            let message = "must be true: authorities sign only for those who agree to their terms of service";
            errors.add("terms_agreed", Code::Required, message);
        }
        let external_account = draft.external_account.clone();
        let external_account = external_account.map(|binding| validate_binding(binding, errors));
        let ca_certificate = filled(draft.ca_certificate.as_deref()).and_then(|text| {
            text.parse()
                .map_err(|_| errors.add("ca_certificate", Code::Invalid, "must be an id"))
                .ok()
        });
        let tags = validate_tags(&draft.tags, errors);
        Some(Self {
            name: name?,
            directory: directory?,
            email,
            terms_agreed: true,
            external_account,
            ca_certificate,
            tags,
            enabled: draft.enabled.unwrap_or(true),
        })
    }

    fn name(&self) -> String {
        self.name.to_string()
    }

    fn tags(&self) -> &[String] {
        &self.tags
    }

    fn enabled(&self) -> bool {
        self.enabled
    }

    fn search_terms(&self) -> Vec<String> {
        let email = self.email.iter().cloned();
        std::iter::once(self.directory.clone()).chain(email).collect()
    }
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn validate_directory(text: Option<&str>, errors: &mut Errors) -> Option<String> {
    let Some(text) = filled(text) else {
        let message =
            "is required: where the authority's directory is, like `https://acme-v02.api.letsencrypt.org/directory`";
        errors.add("directory", Code::Required, message);
        return None;
    };
    let checked = match Url::parse(text) {
        _ if text.len() > MAX_TEXT => Err("must be at most 512 characters"),
        Ok(url) if url.scheme() != "https" => Err("must begin with `https://`: ACME is spoken over TLS only"),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("must be without user and password: ACME does not know them")
        }
        Ok(url) if url.fragment().is_some() => Err("must be without a `#` part"),
        Ok(url) if url.host_str().is_some() => Ok(url.to_string()),
        _ => Err("must be a URL like `https://acme-v02.api.letsencrypt.org/directory`"),
    };
    checked
        .map_err(|message| errors.add("directory", Code::Invalid, message))
        .ok()
}

/// A key that is sealed, or not there because the stored one stays, is checked by whoever can open it.
fn validate_binding(binding: ExternalAccount, errors: &mut Errors) -> ExternalAccount {
    let (kid, key) = (binding.kid.trim(), binding.hmac_key.filter(|key| !key.is_blank()));
    if kid.is_empty() {
        let message = "is required: the id of the key, as the authority shows it";
        errors.add("external_account.kid", Code::Required, message);
    } else if kid.len() > MAX_TEXT || kid.chars().any(char::is_control) {
        let message = "must be at most 512 printable characters";
        errors.add("external_account.kid", Code::Invalid, message);
    }
    let key = match key {
        Some(key) if !key.is_sealed() => match binding_key(key.expose()) {
            Some(bytes) if bytes.len() >= MIN_KEY => Some(PrivateKey::new(key.expose().trim().trim_end_matches('='))),
            _ => {
                let message = "must be the key as the authority shows it: base64url, 16 bytes or more";
                errors.add("external_account.hmac_key", Code::Invalid, message);
                None
            }
        },
        other => other,
    };
    ExternalAccount {
        kid: kid.to_owned(),
        hmac_key: key,
    }
}

/// The bytes of a key that binds an account; authorities show it in base64url, some in base64.
pub fn binding_key(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches('=').replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::draft::Draft as _;

    fn validate(body: &Value) -> Result<AcmeAccountSpec, Errors> {
        let read = AcmeAccountDraft::read(body);
        let mut errors = read.errors;
        let spec = AcmeAccountSpec::validate(&read.draft, &mut errors);
        errors.into_result(spec)
    }

    #[test]
    fn an_account_needs_a_directory_over_tls_and_agreed_terms() {
        let good = json!({"name": "staging", "directory": "https://ca.example/dir", "terms_agreed": true});
        let spec = validate(&good).expect("valid");
        assert_eq!((spec.directory.as_str(), spec.email), ("https://ca.example/dir", None));
        for (member, value) in [
            ("directory", json!("http://ca.example/dir")),
            ("directory", json!("https://me:secret@ca.example/dir")),
            ("directory", json!("ca.example")),
            ("directory", json!("")),
            ("terms_agreed", json!(false)),
            ("terms_agreed", Value::Null),
            ("email", json!("nobody")),
            ("ca_certificate", json!("mine")),
        ] {
            let mut body = good.clone();
            body[member] = value.clone();
            let errors = validate(&body).expect_err("refused");
            assert!(errors.at(member).is_some(), "{member} {value}: {errors}");
        }
    }

    #[test]
    fn a_binding_is_whole_and_its_key_is_base64url() {
        let with = |binding: Value| {
            validate(&json!({
                "name": "a", "directory": "https://ca.example/dir", "terms_agreed": true, "external_account": binding
            }))
        };
        let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
        let spec = with(json!({"kid": "kid-1", "hmac_key": format!("{key}==")})).expect("valid");
        let binding = spec.external_account.expect("a binding");
        assert_eq!(binding.hmac_key.as_ref().map(PrivateKey::expose), Some(key));
        for (path, binding) in [
            ("external_account.kid", json!({"hmac_key": key})),
            ("external_account.hmac_key", json!({"kid": "a", "hmac_key": "short"})),
            (
                "external_account.hmac_key",
                json!({"kid": "a", "hmac_key": "not base64 at all, that is"}),
            ),
            ("external_account.key", json!({"kid": "a", "key": key})),
        ] {
            let errors = with(binding.clone()).expect_err("refused");
            let found = errors.iter().any(|error| path.starts_with(&error.path));
            assert!(found, "{binding}: {errors}");
        }
    }
}
