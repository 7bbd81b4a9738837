//! Throttling: how often something may be tried, by account and by address, counted in the database for all nodes.
//!
//! An attempt is counted before it is looked at, under a lock on its subject, so that parallel guesses count too.

use std::net::IpAddr;
use std::time::Duration;

use crate::Control;
use crate::error::{Error, Result};

use super::{AccountKind, Client};

/// Failed sign-ins of one account before it has to wait.
const PER_ACCOUNT: i64 = 10;
/// Failed sign-ins from one address.
const PER_ADDRESS: i64 = 50;
/// Sign-ups, and mails that were asked for, from one address.
const MAILS_PER_ADDRESS: i64 = 20;
/// Mails that were asked for to one recipient.
const MAILS_PER_RECIPIENT: i64 = 5;
const SIGN_IN_WINDOW: time::Duration = time::Duration::minutes(15);
const MAIL_WINDOW: time::Duration = time::Duration::hours(1);

/// So many attempts on one subject in a window of time.
#[derive(Debug)]
pub(crate) struct Limit {
    subject: String,
    most: i64,
    window: time::Duration,
}

impl Limit {
    /// Sign-ins to one account, whether it exists or not.
    pub(crate) fn account(kind: AccountKind, email: &str) -> Self {
        Self {
            subject: format!("sign-in:{}:{email}", kind.as_str()),
            most: PER_ACCOUNT,
            window: SIGN_IN_WINDOW,
        }
    }

    /// Sign-ins from one address.
    pub(crate) fn address(client: &Client<'_>) -> Self {
        let subject = format!("sign-in:{}", network(client.address));
        Self {
            subject,
            most: PER_ADDRESS,
            window: SIGN_IN_WINDOW,
        }
    }

    /// Mails that one address asks for.
    pub(crate) fn mails_from(client: &Client<'_>) -> Self {
        let subject = format!("mail-from:{}", network(client.address));
        Self {
            subject,
            most: MAILS_PER_ADDRESS,
            window: MAIL_WINDOW,
        }
    }

    /// Mails to one recipient.
    pub(crate) fn mails_to(email: &str) -> Self {
        Self {
            subject: format!("mail-to:{email}"),
            most: MAILS_PER_RECIPIENT,
            window: MAIL_WINDOW,
        }
    }
}

/// Counts one attempt, or says when to try again; what is refused is not counted, so that waiting always ends.
pub(crate) async fn spend(control: &Control, limit: &Limit) -> Result<()> {
    let now = control.now();
    let mut transaction = control.pool().begin().await?;
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", limit.subject)
        .execute(&mut *transaction)
        .await?;
    let spent = sqlx::query!(
        r#"select count(*) as "count!", min(at) as oldest from
             (select at from attempts where subject = $1 and at > $2 order by at desc limit $3) as recent"#,
        limit.subject,
        now - limit.window,
        limit.most,
    )
    .fetch_one(&mut *transaction)
    .await?;
    if let (true, Some(oldest)) = (spent.count >= limit.most, spent.oldest) {
        let wait = Duration::try_from(oldest + limit.window - now).unwrap_or_default();
        return Err(Error::Throttled {
            retry_after: wait.max(Duration::from_secs(1)),
        });
    }
    sqlx::query!("insert into attempts (subject, at) values ($1, $2)", limit.subject, now)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Takes back one attempt: it succeeded, and people behind one address may be many.
pub(crate) async fn refund(control: &Control, limit: &Limit) -> Result<()> {
    sqlx::query!(
        "delete from attempts where ctid = (select ctid from attempts where subject = $1 order by at desc limit 1)",
        limit.subject,
    )
    .execute(control.pool())
    .await?;
    Ok(())
}

/// Forgets the attempts on a subject: it has shown the right password.
pub(crate) async fn forget(control: &Control, limit: &Limit) -> Result<()> {
    sqlx::query!("delete from attempts where subject = $1", limit.subject)
        .execute(control.pool())
        .await?;
    Ok(())
}

/// Who an address stands for: one IPv4 address, or the /64 that a site gets in IPv6.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_site_count_together() {
        let of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
