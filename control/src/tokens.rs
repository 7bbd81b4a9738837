//! API tokens: how automation signs in. The secret leaves once, a hash of it stays.

use model::actor::{Action, Actor, Identity, Resource, Rights};
use model::clock::Timestamp;
use model::id::TokenId;
use model::token::{ApiToken, TokenDraft, TokenSecret, TokenSpec};
use model::{Code, Kind, Submission};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::audit::{self, Event};
use crate::error::{Error, Result};
use crate::list::{ListQuery, Page};
use crate::secrets::{random_base62, token_hash};
use crate::{Control, authorize};

/// How old the note of the last use may get before it is written again.
const USED_PRECISION: time::Duration = time::Duration::minutes(1);

/// A token with its secret, as it is shown once.
#[derive(Debug, Clone, PartialEq)]
pub struct IssuedToken {
    /// What stays visible.
    pub token: ApiToken,
    /// What does not.
    pub secret: TokenSecret,
}

/// A row of the table without the hash.
struct Row {
    id: Uuid,
    name: String,
    prefix: String,
    scopes: Vec<String>,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    created_at: Timestamp,
    created_by: String,
    revoked_at: Option<Timestamp>,
}

impl From<Row> for ApiToken {
    fn from(row: Row) -> Self {
        Self {
            id: TokenId(row.id),
            name: row.name,
            prefix: row.prefix,
            scopes: row.scopes,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            created_at: row.created_at,
            created_by: row.created_by,
            revoked_at: row.revoked_at,
        }
    }
}

/// Makes a token; nobody hands out more rights than they have.
pub async fn create(control: &Control, actor: &Actor, submission: Submission<TokenDraft>) -> Result<IssuedToken> {
    authorize(actor, Resource::ApiTokens, Action::Write)?;
    let (Submission { draft, mut errors }, now) = (submission, control.now());
    let spec = TokenSpec::validate(&draft, now, &mut errors);
    for (index, scope) in draft.scopes.iter().enumerate() {
        let more = Rights::from_scopes(std::slice::from_ref(scope)).is_ok_and(|rights| !actor.rights.include(&rights));
        if more {
            errors.add(
                format!("scopes.{index}"),
                Code::Invalid,
                "grants more than you may do yourself",
            );
        }
    }
    let spec = errors.into_result(spec).map_err(Error::Invalid)?;
    let secret = TokenSecret::assemble(&control.settings().key_brand, &random_base62());
    let mut transaction = control.pool().begin().await?;
    let id = insert(&mut transaction, (actor, now), &spec, &secret).await?;
    let token = find(&mut transaction, id).await?;
    note(&mut transaction, actor, now, ("api_token.created", &token)).await?;
    transaction.commit().await?;
    Ok(IssuedToken { token, secret })
}

async fn insert(
    connection: &mut PgConnection,
    (actor, now): (&Actor, Timestamp),
    spec: &TokenSpec,
    secret: &TokenSecret,
) -> Result<TokenId> {
    let id = TokenId::generate();
    let added = sqlx::query!(
        "insert into api_tokens (id, name, prefix, token_hash, scopes, expires_at, created_at, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (name) do nothing",
        id.0,
        spec.name.as_str(),
        secret.prefix(),
        token_hash(secret.expose()),
        &spec.scopes,
        spec.expires_at,
        now,
        actor.name,
    )
    .execute(connection)
    .await?;
    if added.rows_affected() == 0 {
        return Err(Error::field(
            "name",
            Code::Taken,
            "is taken: there is or was a token with it",
        ));
    }
    Ok(id)
}

/// Tokens, newest first; filter: `status` (`active`, `expired`, `revoked`).
pub async fn list(control: &Control, actor: &Actor, query: &ListQuery) -> Result<Page<ApiToken>> {
    authorize(actor, Resource::ApiTokens, Action::Read)?;
    let (pattern, cursor, now) = (query.pattern(), query.cursor_id(control)?, control.now());
    let rows = sqlx::query_as!(
        Row,
        "select id, name, prefix, scopes, expires_at, last_used_at, created_at, created_by, revoked_at from api_tokens
         where ($1::text is null or $1 = case when revoked_at is not null then 'revoked'
                                              when expires_at <= $2 then 'expired' else 'active' end)
           and ($3::text is null or name ilike $3 or prefix ilike $3) and ($4::uuid is null or id < $4)
         order by id desc limit $5",
        query.filter("status"),
        now,
        pattern,
        cursor,
        query.limit + 1,
    )
    .fetch_all(control.pool())
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!" from api_tokens
           where ($1::text is null or $1 = case when revoked_at is not null then 'revoked'
                                                when expires_at <= $2 then 'expired' else 'active' end)
             and ($3::text is null or name ilike $3 or prefix ilike $3)"#,
        query.filter("status"),
        now,
        pattern,
    )
    .fetch_one(control.pool())
    .await?;
    Ok(query.page_by_id(control, rows, total, |row| row.id).map(ApiToken::from))
}

/// One token.
pub async fn get(control: &Control, actor: &Actor, id: TokenId) -> Result<ApiToken> {
    authorize(actor, Resource::ApiTokens, Action::Read)?;
    let mut connection = control.pool().acquire().await?;
    find(&mut connection, id).await
}

async fn find(connection: &mut PgConnection, id: TokenId) -> Result<ApiToken> {
    sqlx::query_as!(
        Row,
        "select id, name, prefix, scopes, expires_at, last_used_at, created_at, created_by, revoked_at
         from api_tokens where id = $1",
        id.0,
    )
    .fetch_optional(connection)
    .await?
    .map(ApiToken::from)
    .ok_or_else(|| Error::not_found(Kind::ApiToken, id))
}

/// Ends a token for good; doing it twice is no error.
pub async fn revoke(control: &Control, actor: &Actor, id: TokenId) -> Result<ApiToken> {
    authorize(actor, Resource::ApiTokens, Action::Write)?;
    let now = control.now();
    let mut transaction = control.pool().begin().await?;
    sqlx::query!("select id from api_tokens where id = $1 for update", id.0)
        .fetch_optional(&mut *transaction)
        .await?;
    let before = find(&mut transaction, id).await?;
    if before.revoked_at.is_some() {
        return Ok(before);
    }
    sqlx::query!("update api_tokens set revoked_at = $2 where id = $1", id.0, now)
        .execute(&mut *transaction)
        .await?;
    let token = find(&mut transaction, id).await?;
    note(&mut transaction, actor, now, ("api_token.revoked", &token)).await?;
    transaction.commit().await?;
    Ok(token)
}

/// Who this token is; `None` when it never was, has ended or was revoked. What no token can look like costs nothing.
pub async fn resolve(control: &Control, presented: &str) -> Result<Option<Actor>> {
    let Some(secret) = TokenSecret::presented(&control.settings().key_brand, presented) else {
        return Ok(None);
    };
    let now = control.now();
    let row = sqlx::query!(
        "select id, name, scopes, last_used_at from api_tokens
         where token_hash = $1 and revoked_at is null and (expires_at is null or expires_at > $2)",
        token_hash(secret.expose()),
        now,
    )
    .fetch_optional(control.pool())
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.last_used_at.is_none_or(|used| used + USED_PRECISION <= now) {
        sqlx::query!("update api_tokens set last_used_at = $2 where id = $1", row.id, now)
            .execute(control.pool())
            .await?;
    }
    // Scopes were checked when the token was made; one that is not known any more grants nothing.
    let rights = Rights::from_scopes(&row.scopes).unwrap_or_default();
    Ok(Some(Actor {
        identity: Identity::Token(TokenId(row.id)),
        name: row.name,
        rights,
    }))
}

async fn note(
    connection: &mut PgConnection,
    actor: &Actor,
    now: Timestamp,
    (action, token): (&str, &ApiToken),
) -> Result<()> {
    let object = Some((Kind::ApiToken, token.id.0, token.name.as_str()));
    audit::record(
        connection,
        actor,
        now,
        Event {
            action,
            object,
            detail: Some(json!({"scopes": token.scopes})),
        },
    )
    .await
}
