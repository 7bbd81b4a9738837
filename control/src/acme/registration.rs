//! What an authority knows an account by: made when it is first needed, and again when directory or binding change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use instant_acme::{Account, AccountCredentials, ExternalAccountKey, NewAccount};
use model::Stored;
use model::acme_account::{AcmeAccountSpec, ExternalAccount, binding_key};
use uuid::Uuid;

use super::attempt::Gone;
use super::orders::Failure;
use super::web::{Patience, Web};
use crate::{Control, acme_accounts};

/// An account as its authority knows it.
struct Known {
    email: String,
    credentials: AccountCredentials,
}

/// The accounts that register just now: each does so once, and none waits for another.
#[derive(Debug, Default)]
pub(super) struct Registering(Mutex<HashMap<Uuid, Arc<tokio::sync::Mutex<()>>>>);

impl Registering {
    fn of(&self, account: Uuid) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What nobody holds is of no use.
        all.retain(|id, one| *id == account || Arc::strong_count(one) > 1);
        all.entry(account).or_default().clone()
    }
}

/// The account at its authority, ready to order.
pub(super) async fn open(
    control: &Control,
    registering: &Registering,
    account: &Stored<AcmeAccountSpec>,
    patience: &Patience,
) -> Result<Account, Gone> {
    let id = account.id.0;
    let web = Box::new(web(control, &account.spec, patience).await?);
    let found = known(control, account).await?;
    let known = match found {
        Some(known) => known,
        None => {
            let once = registering.of(id);
            let _once = once.lock().await;
            // Another attempt may have registered it meanwhile.
            match known(control, account).await? {
                Some(known) => known,
                None => return register(control, account, web).await,
            }
        }
    };
    let opened = Account::builder_with_http(web)
        .from_credentials(known.credentials)
        .await?;
    let email = account.spec.email.clone().unwrap_or_default();
    if known.email != email {
        let contacts = contacts(&account.spec);
        let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
        opened.update_contacts(&contacts).await?;
        sqlx::query!(
            "update acme_registrations set email = $2 where account_id = $1",
            id,
            email
        )
        .execute(control.pool())
        .await?;
    }
    Ok(opened)
}

/// Forgets what the authority does not know any more.
pub(super) async fn forget(control: &Control, account: Uuid) -> Result<(), Failure> {
    sqlx::query!("delete from acme_registrations where account_id = $1", account)
        .execute(control.pool())
        .await?;
    Ok(())
}

async fn web(control: &Control, spec: &AcmeAccountSpec, patience: &Patience) -> Result<Web, Failure> {
    let authority = match spec.ca_certificate {
        None => None,
        Some(id) => {
            let text = sqlx::query_scalar!(
                r#"select spec ->> 'cert' as "cert!" from ca_certificates where id = $1"#,
                id.0
            );
            Some(text.fetch_one(control.pool()).await?)
        }
    };
    Web::new(authority.as_deref(), patience.clone()).map_err(|message| Failure::new(message).at_home())
}

/// What the authority knows the account by, unless the account is another one now or was sealed under another secret.
async fn known(control: &Control, account: &Stored<AcmeAccountSpec>) -> Result<Option<Known>, Failure> {
    let row = sqlx::query!(
        "select email, credentials from acme_registrations where account_id = $1 and directory = $2 and kid = $3",
        account.id.0,
        account.spec.directory,
        kid(&account.spec),
    )
    .fetch_optional(control.pool())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let opened = control.secrets().open(&label(account.id.0), &row.credentials);
    let credentials = opened.and_then(|text| serde_json::from_slice(&text).ok());
    let email = row.email;
    Ok(credentials.map(|credentials| Known { email, credentials }))
}

async fn register(control: &Control, account: &Stored<AcmeAccountSpec>, web: Box<Web>) -> Result<Account, Gone> {
    let (id, spec) = (account.id.0, &account.spec);
    let contacts = contacts(spec);
    let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
    let wanted = NewAccount {
        contact: &contacts,
        terms_of_service_agreed: spec.terms_agreed,
        only_return_existing: false,
    };
    let binding = spec.external_account.as_ref();
    let binding = binding.map(|binding| open_binding(control, id, binding)).transpose()?;
    let made = Account::builder_with_http(web).create(&wanted, spec.directory.clone(), binding.as_ref());
    let (opened, credentials) = made.await?;
    let text = serde_json::to_vec(&credentials).map_err(|error| Failure::new(error.to_string()).at_home())?;
    sqlx::query!(
        "insert into acme_registrations (account_id, directory, kid, email, credentials, registered_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (account_id) do update
         set directory = excluded.directory, kid = excluded.kid, email = excluded.email,
             credentials = excluded.credentials, registered_at = excluded.registered_at",
        id,
        spec.directory,
        kid(spec),
        spec.email.clone().unwrap_or_default(),
        control.secrets().seal(&label(id), &text),
        control.now(),
    )
    .execute(control.pool())
    .await?;
    tracing::info!(acme.account = %spec.name, acme.directory = spec.directory, "registered with a certificate authority");
    Ok(opened)
}

fn open_binding(control: &Control, id: Uuid, binding: &ExternalAccount) -> Result<ExternalAccountKey, Failure> {
    let key = binding.hmac_key.as_ref();
    let key = key.and_then(|key| control.secrets().open_key(acme_accounts::place(id), key));
    let key = key.and_then(|key| binding_key(&key)).ok_or_else(|| {
        Failure::new("the key of the account's binding was sealed under another secret: send it again").at_home()
    })?;
    Ok(ExternalAccountKey::new(binding.kid.clone(), &key))
}

fn contacts(spec: &AcmeAccountSpec) -> Vec<String> {
    spec.email.iter().map(|email| format!("mailto:{email}")).collect()
}

fn kid(spec: &AcmeAccountSpec) -> &str {
    spec.external_account
        .as_ref()
        .map_or("", |binding| binding.kid.as_str())
}

fn label(id: Uuid) -> String {
    format!("acme_registration/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_account_registers_once_at_a_time_and_waits_for_no_other() {
        let registering = Registering::default();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let first = registering.of(one);
        let held = first.lock().await;
        assert!(registering.of(one).try_lock().is_err(), "the same account");
        assert!(registering.of(other).try_lock().is_ok(), "another one");
        drop(held);
        assert!(registering.of(one).try_lock().is_ok(), "it is done");
        drop(first);
        registering.of(other);
        let kept = registering.0.lock().expect("a map").len();
        assert_eq!(kept, 1, "what nobody holds is forgotten");
    }
}
