//! Certificates with their keys: the list with what is left of each, the form to paste PEM into or to have it got, the
//! page with its names and how far its renewal is.

use actix_web::web;
use askama::Template;
use control::{ListQuery, Mode, acme};
use model::acme_challenge::ChallengeKind;
use model::certificate::{Acme, CertificateSpec, Details, Issuance, IssuanceState, KeyType};
use model::clock::Timestamp;
use model::sni::{ClientAuth, SniSpec};
use model::{Kind, Stored};
use serde_json::{Value, json};

use super::super::history::{self, Recent};
use super::super::listing::Listing;
use super::super::objects::{self, FormState, Screen};
use super::super::references;
use super::life::Life;
use crate::fields::Field;
use crate::times::{self, Time};
use crate::{Area, Choice, Console, ConsolePage, Fields, Flash, Form, PageError, PageResult, Query, text};

/// Names that a row shows.
const NAMES: usize = 2;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.route("/certificates", web::get().to(list));
    objects::configure::<CertificateSpec>(config);
    config.route("/certificates/{id}", web::get().to(show));
    config.route("/certificates/{id}/renew", web::post().to(renew));
}

#[derive(Template)]
#[template(path = "console/certificates/list.html")]
struct ListPage {
    page: ConsolePage,
    listing: Listing<Stored<CertificateSpec>>,
    now: Timestamp,
}

#[derive(Template)]
#[template(path = "console/certificates/form.html")]
pub(in crate::console) struct FormPage {
    page: ConsolePage,
    fields: Fields,
    stored: Option<Stored<CertificateSpec>>,
    /// Absent where there is nobody to ask.
    account: Option<Field>,
}

#[derive(Template)]
#[template(path = "console/certificates/show.html")]
struct ShowPage {
    page: ConsolePage,
    certificate: Stored<CertificateSpec>,
    snis: Vec<Stored<SniSpec>>,
    /// What the ACME account of an automatic one is called.
    account: Option<String>,
    recent: Recent,
    now: Timestamp,
}

impl Screen for CertificateSpec {
    const AREA: Area = Area::Certificates;
    type FormPage = FormPage;

    async fn form_page(console: &Console, state: FormState<Self>) -> Result<FormPage, PageError> {
        let FormState {
            page, fields, stored, ..
        } = state;
        let label = ("acme.account", "ACME account");
        let account = references::field(console, &fields, label, Kind::AcmeAccount, "None: it is pasted below").await?;
        let account = (account.offers() != 1).then(|| account.decides().help("Who asks which authority for it."));
        Ok(FormPage {
            page,
            fields,
            stored,
            account,
        })
    }

    fn prefill(query: &Query) -> Value {
        match query.get("account") {
            "" => json!({}),
            account => json!({"acme": {"account": account}}),
        }
    }
}

async fn list(console: Console, query: Query) -> PageResult {
    let asked = query.list(&["expires_before"])?;
    let found = control::list::<CertificateSpec>(console.control(), console.actor(), &asked).await?;
    let listing =
        Listing::new(found, &asked, query, Area::Certificates.url()).chip("Ends before", "expires_before", None);
    let page = console.page(Area::Certificates.title(), Area::Certificates).await?;
    console.html(&ListPage {
        page,
        listing,
        now: console.control().now(),
    })
}

async fn show(console: Console, id: web::Path<String>) -> PageResult {
    let (control, actor) = (console.control(), console.actor());
    let certificate = control::get::<CertificateSpec>(control, actor, &id).await?;
    let its = ListQuery::all().with("certificate", certificate.id);
    let snis = control::list::<SniSpec>(control, actor, &its).await?.items;
    let page = console
        .page(certificate.spec.name.to_string(), Area::Certificates)
        .await?;
    let account = match &certificate.spec.acme {
        Some(acme) => references::shown(&console, Kind::AcmeAccount, &acme.account.to_string()).await?,
        None => None,
    };
    console.html(&ShowPage {
        page: page.crumb(Area::Certificates.title(), Area::Certificates.url()),
        recent: history::recent(&console, certificate.id.0).await?,
        certificate,
        snis,
        account,
        now: control.now(),
    })
}

/// Has an automatic one got anew, and shows how that goes on.
async fn renew(console: Console, id: web::Path<String>, _form: Form) -> PageResult {
    let asked = console
        .control()
        .write(console.actor(), Mode::Commit, async |change| {
            acme::renew(change, &id).await
        })
        .await?;
    let words = "It is asked for now. This page shows what comes of it";
    console.redirect_with(CertificateSpec::place(&asked.value), &Flash::ok(words))
}

impl ListPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn life(&self, certificate: &CertificateSpec) -> Life {
        Life::of_certificate(certificate, self.now)
    }

    /// The first names, and how many more there are; those that are wanted where there are no others yet.
    fn names(certificate: &CertificateSpec) -> String {
        let wanted = certificate
            .acme
            .iter()
            .flat_map(|acme| &acme.domains)
            .map(ToString::to_string);
        let names = match &certificate.info {
            Some(info) => info.certificate.names.clone(),
            None => wanted.collect(),
        };
        let shown = names
            .iter()
            .take(NAMES)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        match names.len() {
            0 => "no names".to_owned(),
            count if count > NAMES => format!("{shown} and {} more", count - NAMES),
            _ => shown,
        }
    }

    fn key_types(certificate: &CertificateSpec) -> String {
        let types = certificate.details().map(|details| details.key_type.as_str());
        let types = types.collect::<Vec<_>>().join(" + ");
        if types.is_empty() { "none yet".to_owned() } else { types }
    }
}

/// What people call a challenge.
fn challenge_words(kind: ChallengeKind) -> &'static str {
    match kind {
        ChallengeKind::Http01 => "Over HTTP, on port 80 (http-01)",
        ChallengeKind::TlsAlpn01 => "In the TLS handshake, on port 443 (tls-alpn-01)",
    }
}

/// What people call a type of key.
fn key_type_words(kind: KeyType) -> &'static str {
    match kind {
        KeyType::EcdsaP256 => "ECDSA P-256",
        KeyType::EcdsaP384 => "ECDSA P-384",
    }
}

impl FormPage {
    fn action(&self) -> String {
        objects::action(self.stored.as_ref())
    }

    fn back(&self) -> String {
        objects::back(self.stored.as_ref())
    }

    fn key_help(&self) -> &'static str {
        if !self.fields.errors().is_empty() {
            "Paste it again: a key is never shown, so it is not here any more."
        } else if self.stored.is_some() {
            "It is never shown. Leave it empty to keep the stored one."
        } else {
            "Without passphrase. It is sealed before it is stored, and never shown again."
        }
    }

    fn is_automatic(&self) -> bool {
        let set = self.fields.opens(&[("acme.account", ""), ("acme.domains", "")]);
        set || self.fields.is_at_fault("acme")
    }

    fn is_pasted(&self) -> bool {
        let members = ["cert", "key", "cert_alt", "key_alt"];
        !self.is_automatic() || members.iter().any(|member| self.fields.is_at_fault(member))
    }

    fn challenges() -> Vec<Choice> {
        let all = [ChallengeKind::Http01, ChallengeKind::TlsAlpn01];
        all.map(|kind| Choice::new(kind.as_str(), challenge_words(kind)))
            .to_vec()
    }

    fn key_types() -> Vec<Choice> {
        let all = [KeyType::EcdsaP256, KeyType::EcdsaP384];
        all.map(|kind| Choice::new(kind.as_str(), key_type_words(kind)))
            .to_vec()
    }
}

impl ShowPage {
    fn ago(&self, at: &Timestamp) -> Time {
        times::time(*at, self.now)
    }

    fn life(&self, details: &Details) -> Life {
        Life::of(details, self.now)
    }

    fn whole_life(&self) -> Life {
        Life::of_certificate(&self.certificate.spec, self.now)
    }

    fn problems(&self) -> &[String] {
        let info = self.certificate.spec.info.as_ref();
        info.map(|info| info.problems.as_slice()).unwrap_or_default()
    }

    /// Both certificates under what they are called, or none yet.
    fn pairs(&self) -> Vec<(&'static str, &Details)> {
        let words = ["Certificate", "Second certificate"];
        words.into_iter().zip(self.certificate.spec.details()).collect()
    }

    /// Why the last attempt failed, as a sentence.
    fn last_error(issuance: &Issuance) -> Option<text::Rich> {
        issuance
            .last_error
            .as_deref()
            .map(|error| text::rich(text::sentence(error)))
    }

    fn failures(issuance: &Issuance) -> String {
        text::plural(i64::from(issuance.failures), "failure", "failures")
    }

    fn proof(acme: &Acme) -> &'static str {
        challenge_words(acme.challenge)
    }

    fn key_type(acme: &Acme) -> &'static str {
        key_type_words(acme.key_type)
    }

    fn state(issuance: &Issuance) -> (&'static str, &'static str) {
        match issuance.state {
            IssuanceState::Pending => ("Being got", "warn"),
            IssuanceState::Issued => ("Got", "ok"),
            IssuanceState::Failing => ("Failing", "bad"),
        }
    }

    /// Names that are wanted and lead to another certificate.
    fn strangers(&self) -> Vec<String> {
        let wanted = self.certificate.spec.acme.iter().flat_map(|acme| &acme.domains);
        let serves = |name: &str| self.snis.iter().any(|sni| sni.spec.name.as_str() == name);
        let missing = wanted.filter(|name| !serves(name.as_str())).map(ToString::to_string);
        let got = self
            .certificate
            .spec
            .issuance
            .as_ref()
            .is_some_and(|issuance| issuance.issued_at.is_some());
        missing.filter(|_| got).collect()
    }

    fn is_default(&self) -> bool {
        self.certificate.spec.name.as_str() == "default"
    }

    fn clients(sni: &SniSpec) -> &'static str {
        match sni.client_auth {
            ClientAuth::Off => "Not asked",
            ClientAuth::Optional => "May show a certificate",
            ClientAuth::Required => "Must show a certificate",
        }
    }
}
