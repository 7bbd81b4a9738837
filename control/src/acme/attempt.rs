//! One attempt to get a certificate: order, proof of each name, key, chain (RFC 8555, section 7.4).
//!
//! Where the order is, and its key, are kept before the authority is told to go on. Whoever comes after a crash goes on
//! from there, and the certificate that was there before serves until the new one is in its place.

use std::collections::BTreeSet;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use model::Stored;
use model::acme_account::AcmeAccountSpec;
use model::acme_challenge::{ChallengeKind, ChallengeSpec};
use model::certificate::{Acme, CertificateSpec, KeyType};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::orders::{self, Begun, Failure};
use super::registration::Registering;
use super::web::Patience;
use super::{challenges, install, registration, words};
use crate::gateways::{self, WaitFor};
use crate::{Control, store};

/// How long one attempt may take.
const DEADLINE: Duration = Duration::from_mins(5);
/// How long a gateway may take to start, and all of them to take challenges over.
const GATEWAYS: Duration = Duration::from_secs(30);
/// How long an authority may take to look at the names, and to sign.
const DECISION: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(300))
    .backoff(1.5)
    .timeout(Duration::from_secs(90));

/// One attempt.
pub(super) struct Attempt<'a> {
    pub(super) control: &'a Control,
    pub(super) certificate: Uuid,
    pub(super) registering: &'a Registering,
    pub(super) patience: Patience,
}

/// What an attempt is about.
struct Work {
    certificate: Stored<CertificateSpec>,
    acme: Acme,
    account: Stored<AcmeAccountSpec>,
}

impl Attempt<'_> {
    /// Tries, and notes what came of it.
    pub(super) async fn run(self) {
        let id = self.certificate;
        let begun = match orders::begin(self.control, id).await {
            Ok(Some(begun)) => begun,
            Ok(None) => return,
            Err(error) => return tracing::warn!(certificate.id = %id, %error, "an attempt could not be begun"),
        };
        let late = |_| Err(Failure::new("the attempt took longer than five minutes"));
        let failure = match timeout(DEADLINE, self.go(&begun)).await.unwrap_or_else(late) {
            Ok(()) => return,
            Err(failure) => Failure {
                retry_after: self.patience.asked(),
                ..failure
            },
        };
        tracing::warn!(certificate.id = %id, error = failure.message, "a certificate could not be got");
        if let Err(error) = orders::fail(self.control, &begun, &failure).await {
            tracing::error!(certificate.id = %id, %error, "a failed attempt could not be noted");
        }
    }

    async fn go(&self, begun: &Begun) -> Result<(), Failure> {
        let Some(work) = self.load().await? else { return Ok(()) };
        let got = match self.get(&work, begun).await {
            Ok(got) => got,
            Err(Gone::Account(failure)) => {
                // The next attempt registers anew.
                registration::forget(self.control, work.account.id.0).await?;
                return Err(failure);
            }
            Err(Gone::Order(failure)) => return Err(failure),
        };
        install::install(self.control, begun, &work.acme, &got).await?;
        tracing::info!(certificate.name = %work.certificate.spec.name, "a certificate was got");
        Ok(())
    }

    /// The chain and its key, from the authority that knows the account.
    async fn get(&self, work: &Work, begun: &Begun) -> Result<Got, Gone> {
        let account = registration::open(self.control, self.registering, &work.account, &self.patience).await?;
        self.order(work, &account, begun).await
    }

    /// What is wanted now; nothing when the certificate is gone or not automatic any more.
    async fn load(&self) -> Result<Option<Work>, Failure> {
        let mut connection = self.control.pool().acquire().await?;
        let reference = self.certificate.to_string();
        let Some(certificate) = store::find::<CertificateSpec>(&mut connection, &reference, false).await? else {
            return Ok(None);
        };
        let Some(acme) = certificate.spec.acme.clone() else {
            return Ok(None);
        };
        let account = store::find(&mut connection, &acme.account.to_string(), false).await?;
        Ok(account.map(|account| Work {
            certificate,
            acme,
            account,
        }))
    }

    async fn order(&self, work: &Work, account: &Account, begun: &Begun) -> Result<Got, Gone> {
        let (mut order, mut key) = match self.resume(work, account, begun).await? {
            Some((order, key)) => (order, key),
            None => (self.begin(work, account, begun).await?, None),
        };
        if order.state().status == OrderStatus::Pending {
            self.prove(work, &mut order, begun).await?;
        }
        if order.state().status == OrderStatus::Ready {
            let made = make_key(work.acme.key_type)?;
            let sealed = self
                .control
                .secrets()
                .seal(&self.label(), made.serialize_pem().as_bytes());
            orders::keep_key(self.control, begun, &sealed).await?;
            order.finalize_csr(&request(&work.acme, &made)?).await?;
            key = Some(made.serialize_pem());
        }
        let chain = order.poll_certificate(&DECISION).await?;
        let key = key.ok_or_else(|| Failure::new("the key of the order is not there any more").spent())?;
        Ok(Got { chain, key })
    }

    /// The order that an earlier attempt left, if it leads anywhere and is for the names that are wanted.
    async fn resume(
        &self,
        work: &Work,
        account: &Account,
        begun: &Begun,
    ) -> Result<Option<(Order, Option<String>)>, Gone> {
        let Some(url) = begun.url.clone() else { return Ok(None) };
        let mut order = match account.order(url).await {
            Ok(order) => order,
            Err(instant_acme::Error::Api(problem)) if words::ends_order(&problem) => return Ok(None),
            // It is there when the authority can be asked again, and so is its key.
            Err(error) => return Err(error.into()),
        };
        if !is_for(&mut order, &work.acme).await? {
            return Ok(None);
        }
        let sealed = begun.key.as_ref();
        let opened = sealed.and_then(|key| self.control.secrets().open(&self.label(), key));
        let key = opened.and_then(|key| String::from_utf8(key).ok());
        let usable = match order.state().status {
            OrderStatus::Pending | OrderStatus::Ready => true,
            OrderStatus::Processing | OrderStatus::Valid => key.is_some(),
            OrderStatus::Invalid => false,
        };
        tracing::info!(certificate.id = %self.certificate, usable, "an order was left by an earlier attempt");
        Ok(usable.then_some((order, key)))
    }

    async fn begin(&self, work: &Work, account: &Account, begun: &Begun) -> Result<Order, Gone> {
        let names = work.acme.domains.iter();
        let identifiers: Vec<Identifier> = names.map(|name| Identifier::Dns(name.as_str().to_owned())).collect();
        let order = account.new_order(&NewOrder::new(&identifiers)).await?;
        orders::keep_order(self.control, begun, order.url()).await?;
        Ok(order)
    }

    /// Has the authority look at every name that it does not know to be ours.
    async fn prove(&self, work: &Work, order: &mut Order, begun: &Begun) -> Result<(), Gone> {
        let pending = pending(order, work.acme.challenge).await?;
        if !pending.is_empty() {
            self.answer(&pending, begun).await?;
            ask(order, work.acme.challenge).await?;
        }
        let decided = order.poll_ready(&DECISION).await;
        if matches!(decided, Ok(OrderStatus::Ready)) {
            return Ok(());
        }
        let refused = refusals(order, work.acme.challenge).await;
        if !refused.is_empty() {
            return Err(Failure::new(refused.join("; ")).spent().into());
        }
        decided?;
        Err(Failure::new("the authority gave the order up without a reason")
            .spent()
            .into())
    }

    /// Has every gateway answer, and waits until they do.
    async fn answer(&self, pending: &[ChallengeSpec], begun: &Begun) -> Result<(), Failure> {
        self.somebody_runs().await?;
        let published = challenges::publish(self.control, begun, pending).await?;
        orders::wanted(published.value)?;
        let Some(revision) = published.revision else {
            return Ok(());
        };
        let behind = gateways::wait(self.control, revision, WaitFor::All, GATEWAYS).await?;
        if behind.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = behind.iter().map(|gateway| gateway.name.as_str()).collect();
        let message = format!("{} did not take the challenge over in time", names.join(", "));
        Err(Failure::new(message).at_home())
    }

    /// A program that just started reports a moment later.
    async fn somebody_runs(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + GATEWAYS;
        while !gateways::any_live(self.control).await? {
            if Instant::now() >= deadline {
                return Err(Failure::new("no gateway is running that could answer the authority").at_home());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    fn label(&self) -> String {
        format!("acme_order/{}", self.certificate)
    }
}

/// What the authority gave.
pub(super) struct Got {
    /// The chain, as PEM.
    pub(super) chain: String,
    /// Its key, as PEM.
    pub(super) key: String,
}

/// Why an order leads nowhere.
pub(super) enum Gone {
    /// The authority does not know the account any more.
    Account(Failure),
    /// Everything else.
    Order(Failure),
}

impl From<Failure> for Gone {
    fn from(failure: Failure) -> Self {
        Self::Order(failure)
    }
}

impl From<crate::Error> for Gone {
    fn from(error: crate::Error) -> Self {
        Self::Order(error.into())
    }
}

impl From<sqlx::Error> for Gone {
    fn from(error: sqlx::Error) -> Self {
        Self::Order(error.into())
    }
}

impl From<instant_acme::Error> for Gone {
    fn from(error: instant_acme::Error) -> Self {
        let failure = Failure::of(&error);
        match error {
            instant_acme::Error::Api(problem) if words::kind(&problem) == Some(words::NO_ACCOUNT) => {
                Self::Account(failure)
            }
            _ => Self::Order(failure),
        }
    }
}

/// Whether an order is for these names and no others.
async fn is_for(order: &mut Order, acme: &Acme) -> Result<bool, instant_acme::Error> {
    let mut ordered = BTreeSet::new();
    let mut identifiers = order.identifiers();
    while let Some(identifier) = identifiers.next().await {
        ordered.insert(identifier?.to_string());
    }
    let wanted: BTreeSet<String> = acme.domains.iter().map(ToString::to_string).collect();
    Ok(ordered == wanted)
}

/// The challenges of the names that are not proven yet.
async fn pending(order: &mut Order, kind: ChallengeKind) -> Result<Vec<ChallengeSpec>, Gone> {
    let mut pending = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(challenge) = authorization.challenge(of_kind(kind)) else {
            let message = format!("the authority offers no `{}` for `{name}`", kind.as_str());
            return Err(Failure::new(message).spent().into());
        };
        pending.push(ChallengeSpec {
            name,
            kind,
            token: challenge.token.clone(),
            key_authorization: challenge.key_authorization().as_str().to_owned(),
        });
    }
    Ok(pending)
}

/// Tells the authority that it may look.
async fn ask(order: &mut Order, kind: ChallengeKind) -> Result<(), Gone> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let challenge = authorization.challenge(of_kind(kind));
        if let Some(mut challenge) = challenge.filter(|challenge| challenge.status == ChallengeStatus::Pending) {
            challenge.set_ready().await?;
        }
    }
    Ok(())
}

/// What the authority says of the names that it does not hold to be ours.
async fn refusals(order: &mut Order, kind: ChallengeKind) -> Vec<String> {
    let mut found = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        let Ok(state) = authorization.refresh().await else {
            continue;
        };
        let name = state.identifier().to_string();
        let problems = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        found.extend(problems.map(|problem| words::of_refusal(&name, kind, problem)));
    }
    found
}

fn of_kind(kind: ChallengeKind) -> ChallengeType {
    match kind {
        ChallengeKind::Http01 => ChallengeType::Http01,
        ChallengeKind::TlsAlpn01 => ChallengeType::TlsAlpn01,
    }
}

fn make_key(kind: KeyType) -> Result<KeyPair, Failure> {
    let algorithm = match kind {
        KeyType::EcdsaP256 => &PKCS_ECDSA_P256_SHA256,
        KeyType::EcdsaP384 => &PKCS_ECDSA_P384_SHA384,
    };
    KeyPair::generate_for(algorithm).map_err(|error| Failure::new(format!("no key can be made: {error}")).at_home())
}

/// What the authority shall sign: the names alone.
fn request(acme: &Acme, key: &KeyPair) -> Result<Vec<u8>, Failure> {
    let names: Vec<String> = acme.domains.iter().map(ToString::to_string).collect();
    let signed = CertificateParams::new(names).and_then(|mut params| {
        params.distinguished_name = DistinguishedName::new();
        params.serialize_request(key)
    });
    let failed = |error| Failure::new(format!("no signing request can be made: {error}")).at_home();
    signed.map(|request| request.der().to_vec()).map_err(failed)
}
