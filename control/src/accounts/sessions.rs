//! Sessions: a random cookie, of which only the hash is stored, with a token against forged forms (CSRF).

use model::Kind;
use model::actor::{Actor, Identity, Role};
use model::clock::Timestamp;
use model::id::{AdminId, DeveloperId};
use serde::Serialize;
use sqlx::PgConnection;
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Control;
use crate::audit::{self, Event};
use crate::error::{Error, Result};
use crate::secrets::{random_token, token_hash};

use super::{AccountKind, Client, SecretText};

/// How old the note of the last request may get before it is written again.
const SEEN_PRECISION: time::Duration = time::Duration::minutes(1);
/// The longest `User-Agent` that is kept, in characters.
const USER_AGENT: usize = 200;

impl AccountKind {
    /// Without a request for so long, a session ends.
    pub(crate) const fn idle(self) -> time::Duration {
        match self {
            Self::Admin => time::Duration::hours(12),
            Self::Developer => time::Duration::days(7),
        }
    }

    /// A session never lasts longer than this.
    const fn lifetime(self) -> time::Duration {
        match self {
            Self::Admin => time::Duration::days(7),
            Self::Developer => time::Duration::days(30),
        }
    }
}

/// Somebody who is signed in.
#[derive(Clone, PartialEq)]
pub struct Session {
    /// The session's id; it opens nothing.
    pub id: Uuid,
    /// Which kind of account.
    pub kind: AccountKind,
    /// Which account.
    pub account: Uuid,
    /// Who that is, with today's rights.
    pub actor: Actor,
    /// What they sign in with.
    pub email: String,
    /// What every form of this session has to bring back.
    pub csrf: String,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("actor", &self.actor.name)
            .finish_non_exhaustive()
    }
}

/// A session that was just opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// The cookie's value; it leaves here and is not stored.
    pub cookie: SecretText,
    /// The session.
    pub session: Session,
}

/// A session as its owner sees it in a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SessionInfo {
    /// Its id.
    pub id: Uuid,
    /// What browser it was opened with.
    pub user_agent: String,
    /// From which address.
    pub address: String,
    /// When it was opened.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last used, to the minute or so.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
    /// When it ends at the latest.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// The account that a session is opened for.
pub(crate) struct Account {
    pub(crate) kind: AccountKind,
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) email: String,
    /// The role of an administrator.
    pub(crate) role: Option<Role>,
}

impl Account {
    pub(crate) fn actor(&self) -> Actor {
        match (self.kind, self.role) {
            (AccountKind::Admin, Some(role)) => {
                let identity = Identity::Admin(AdminId(self.id));
                Actor {
                    identity,
                    name: self.name.clone(),
                    rights: role.rights(),
                }
            }
            _ => Actor::developer(DeveloperId(self.id), self.name.clone()),
        }
    }
}

/// Opens a session; the one that the browser brought ends, so that nobody can plant a session on a person.
pub(crate) async fn open(
    connection: &mut PgConnection,
    now: Timestamp,
    account: &Account,
    client: &Client<'_>,
) -> Result<Opened> {
    if let Some(previous) = client.session {
        sqlx::query!("delete from sessions where token_hash = $1", token_hash(previous))
            .execute(&mut *connection)
            .await?;
    }
    let (id, token, csrf) = (Uuid::now_v7(), random_token(), random_token());
    let expires_at = now + account.kind.lifetime();
    let user_agent: String = client
        .user_agent
        .chars()
        .filter(|c| !c.is_control())
        .take(USER_AGENT)
        .collect();
    sqlx::query!(
        "insert into sessions
             (token_hash, id, account_kind, account_id, csrf_token, created_at, seen_at, expires_at, user_agent, address)
         values ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9)",
        token_hash(&token),
        id,
        account.kind.as_str(),
        account.id,
        csrf,
        now,
        expires_at,
        user_agent,
        client.address.to_canonical().to_string(),
    )
    .execute(&mut *connection)
    .await?;
    note_sign_in(connection, now, account).await?;
    let session = Session {
        id,
        kind: account.kind,
        account: account.id,
        actor: account.actor(),
        email: account.email.clone(),
        csrf,
        expires_at,
    };
    Ok(Opened {
        cookie: SecretText::new(token),
        session,
    })
}

async fn note_sign_in(connection: &mut PgConnection, now: Timestamp, account: &Account) -> Result<()> {
    match account.kind {
        AccountKind::Admin => {
            sqlx::query!("update admins set last_sign_in_at = $2 where id = $1", account.id, now)
                .execute(&mut *connection)
                .await?
        }
        AccountKind::Developer => {
            sqlx::query!(
                "update developers set last_sign_in_at = $2 where id = $1",
                account.id,
                now
            )
            .execute(&mut *connection)
            .await?
        }
    };
    let object = Some((account.kind.noun(), account.id, account.email.as_str()));
    audit::record(
        connection,
        &account.actor(),
        now,
        Event {
            action: "session.created",
            object,
            detail: None,
        },
    )
    .await
}

/// Who this cookie is; `None` when its session ended, never was, or its account may not sign in any more.
pub async fn resolve(control: &Control, kind: AccountKind, cookie: &str) -> Result<Option<Session>> {
    let now = control.now();
    let found = match kind {
        AccountKind::Admin => find_admin(control, cookie, now).await?,
        AccountKind::Developer => find_developer(control, cookie, now).await?,
    };
    let Some((session, seen_at)) = found else {
        return Ok(None);
    };
    if seen_at + SEEN_PRECISION <= now {
        sqlx::query!("update sessions set seen_at = $2 where id = $1", session.id, now)
            .execute(control.pool())
            .await?;
    }
    Ok(Some(session))
}

async fn find_admin(control: &Control, cookie: &str, now: Timestamp) -> Result<Option<(Session, Timestamp)>> {
    let row = sqlx::query!(
        "select sessions.id, csrf_token, expires_at, seen_at, admins.id as account, name, email, role
         from sessions join admins on admins.id = sessions.account_id
         where token_hash = $1 and account_kind = 'admin' and expires_at > $2 and seen_at > $3 and disabled_at is null",
        token_hash(cookie),
        now,
        now - AccountKind::Admin.idle(),
    )
    .fetch_optional(control.pool())
    .await?;
    let Some(row) = row else { return Ok(None) };
    // A role that this program does not know gives no rights.
    let Some(role) = Role::parse(&row.role) else {
        return Ok(None);
    };
    let actor = Actor {
        identity: Identity::Admin(AdminId(row.account)),
        name: row.name,
        rights: role.rights(),
    };
    let session = Session {
        id: row.id,
        kind: AccountKind::Admin,
        account: row.account,
        actor,
        email: row.email,
        csrf: row.csrf_token,
        expires_at: row.expires_at,
    };
    Ok(Some((session, row.seen_at)))
}

async fn find_developer(control: &Control, cookie: &str, now: Timestamp) -> Result<Option<(Session, Timestamp)>> {
    let row = sqlx::query!(
        "select sessions.id, csrf_token, expires_at, seen_at, developers.id as account, name, email
         from sessions join developers on developers.id = sessions.account_id
         where token_hash = $1 and account_kind = 'developer' and expires_at > $2 and seen_at > $3 and status = 'active'",
        token_hash(cookie),
        now,
        now - AccountKind::Developer.idle(),
    )
    .fetch_optional(control.pool())
    .await?;
    Ok(row.map(|row| {
        let session = Session {
            id: row.id,
            kind: AccountKind::Developer,
            account: row.account,
            actor: Actor::developer(DeveloperId(row.account), row.name),
            email: row.email,
            csrf: row.csrf_token,
            expires_at: row.expires_at,
        };
        (session, row.seen_at)
    }))
}

/// Whether a form brought back the token of its session; takes the same time for every wrong one.
pub fn same_csrf(session: &Session, presented: &str) -> bool {
    session.csrf.as_bytes().ct_eq(presented.as_bytes()).into()
}

/// Signs out.
pub async fn end(control: &Control, session: &Session) -> Result<()> {
    sqlx::query!("delete from sessions where id = $1", session.id)
        .execute(control.pool())
        .await?;
    Ok(())
}

/// One's own sessions, the last used first.
pub async fn list(control: &Control, session: &Session) -> Result<Vec<SessionInfo>> {
    let now = control.now();
    let rows = sqlx::query_as!(
        SessionInfo,
        r#"select id, user_agent, address, created_at, seen_at, expires_at, id = $5 as "current!"
           from sessions where account_kind = $1 and account_id = $2 and expires_at > $3 and seen_at > $4
           order by seen_at desc, id limit 100"#,
        session.kind.as_str(),
        session.account,
        now,
        now - session.kind.idle(),
        session.id,
    )
    .fetch_all(control.pool())
    .await?;
    Ok(rows)
}

/// Ends one of one's own sessions.
pub async fn revoke(control: &Control, session: &Session, id: Uuid) -> Result<()> {
    let ended = sqlx::query!(
        "delete from sessions where id = $1 and account_kind = $2 and account_id = $3",
        id,
        session.kind.as_str(),
        session.account,
    )
    .execute(control.pool())
    .await?;
    if ended.rows_affected() == 0 {
        Err(Error::not_found(Kind::Session, id))
    } else {
        Ok(())
    }
}

/// Ends all of one's own sessions but this one; says how many there were.
pub async fn revoke_others(control: &Control, session: &Session) -> Result<u64> {
    let mut connection = control.pool().acquire().await?;
    end_all(&mut connection, session.kind, session.account, Some(session.id)).await
}

/// Ends the sessions of an account.
pub(crate) async fn end_all(
    connection: &mut PgConnection,
    kind: AccountKind,
    account: Uuid,
    except: Option<Uuid>,
) -> Result<u64> {
    let ended = sqlx::query!(
        "delete from sessions where account_kind = $1 and account_id = $2 and ($3::uuid is null or id <> $3)",
        kind.as_str(),
        account,
        except,
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected())
}
