//! A change of configuration: proof that what is written has an author, a history and readers.
//!
//! Only [`Control::begin`] makes one, every function that writes configuration takes it, and `finish` writes, in
//! the same transaction, the audit entry, one revision with before and after, and the rows that gateways follow.
//! The head row is locked last, so that revisions are dense and become visible in their order.

use std::collections::HashMap;

use model::actor::{Action, Actor, Resource};
use model::clock::Timestamp;
use model::{Kind, Warning};
use serde::Serialize;
use serde_json::Value;
use sqlx::{PgConnection, Postgres, Transaction};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::Result;
use crate::idempotency::{self, Answer, Claim};
use crate::secrets::{hexadecimal, token_hash};
use crate::{Control, audit, authorize};

/// Where sealed keys stand: in certificates, and in the bindings of ACME accounts.
const SEALED: [(Kind, &str); 3] = [
    (Kind::Certificate, "/key"),
    (Kind::Certificate, "/key_alt"),
    (Kind::AcmeAccount, "/external_account/hmac_key"),
];

/// Whether a change is stored or only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Store it.
    Commit,
    /// Say what would happen, store nothing.
    DryRun,
}

/// An open change; dropping it rolls back.
pub struct Change {
    control: Control,
    transaction: Transaction<'static, Postgres>,
    actor: Actor,
    now: Timestamp,
    records: Vec<ChangeRecord>,
    entries: HashMap<(Kind, Uuid), Option<Value>>,
    warnings: Vec<Warning>,
}

/// What a change did to one object.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ChangeRecord {
    /// What kind of object.
    pub kind: Kind,
    /// Which one.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// Its state before; absent when it was made.
    pub before: Option<Value>,
    /// Its state after; absent when it was deleted.
    pub after: Option<Value>,
}

impl ChangeRecord {
    /// What was done, as a past participle: `created`, `updated` or `deleted`.
    pub fn verb(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "created",
            (_, None) => "deleted",
            _ => "updated",
        }
    }
}

/// The result of a finished change.
#[derive(Debug, Clone, PartialEq)]
pub struct Written<T> {
    /// What the operation returned.
    pub value: T,
    /// The new revision; absent after a dry run or when nothing changed.
    pub revision: Option<i64>,
    /// What happened, or would have.
    pub changes: Vec<ChangeRecord>,
    /// What is odd about what was written.
    pub warnings: Vec<Warning>,
}

impl Change {
    pub(crate) async fn begin(control: Control, actor: Actor) -> Result<Self> {
        let transaction = control.pool().begin().await?;
        let now = control.now();
        Ok(Self {
            control,
            transaction,
            actor,
            now,
            records: Vec::new(),
            entries: HashMap::new(),
            warnings: Vec::new(),
        })
    }

    /// Who makes the change.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The time of the change: one for everything in it.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Refuses what the actor has no right to.
    pub(crate) fn authorize(&self, resource: Resource, action: Action) -> Result<()> {
        authorize(&self.actor, resource, action)
    }

    /// Notes what happened to one object, for history, diff and undo. Secrets belong in here sealed only.
    pub(crate) fn record(&mut self, record: ChangeRecord) {
        self.records.push(record);
    }

    /// Tells the author what is odd about what is written, which is valid all the same.
    pub(crate) fn warn(&mut self, warnings: Vec<Warning>) {
        self.warnings.extend(warnings);
    }

    /// Sets what gateways see of one object; `None` when it is gone. The last call for an object counts.
    pub(crate) fn publish(&mut self, kind: Kind, id: Uuid, body: Option<Value>) {
        self.entries.insert((kind, id), body);
    }

    /// Stores everything, or in a dry run nothing.
    pub async fn finish<T>(self, mode: Mode, value: T) -> Result<Written<T>> {
        self.finish_and_keep(mode, value, None::<(&Claim, fn(&Written<T>) -> Answer)>)
            .await
    }

    /// Stores everything, and with it the answer for a repeated request.
    pub(crate) async fn finish_and_keep<T>(
        mut self,
        mode: Mode,
        value: T,
        keep: Option<(&Claim, impl FnOnce(&Written<T>) -> Answer)>,
    ) -> Result<Written<T>> {
        let stores = mode == Mode::Commit && !self.records.is_empty();
        let revision = if stores { Some(self.write().await?) } else { None };
        let written = Written {
            value,
            revision,
            changes: masked(std::mem::take(&mut self.records)),
            warnings: std::mem::take(&mut self.warnings),
        };
        if mode == Mode::DryRun {
            return Ok(written);
        }
        if let Some((claim, answer)) = keep {
            let answer = answer(&written);
            idempotency::keep(&mut self.transaction, self.control.secrets(), claim, &answer).await?;
        }
        self.transaction.commit().await?;
        if let Some(revision) = revision {
            let changes = written.changes.len();
            tracing::info!(revision, actor = %self.actor.name, changes, "configuration changed");
        }
        Ok(written)
    }

    /// Writes what the records and entries say, under the next revision.
    async fn write(&mut self) -> Result<i64> {
        let revision = sqlx::query_scalar!("update config_head set revision = revision + 1 returning revision")
            .fetch_one(&mut *self.transaction)
            .await?;
        self.write_revision(revision).await?;
        self.write_entries(revision).await?;
        audit::record_change(&mut self.transaction, &self.actor, self.now, revision, &self.records).await?;
        sqlx::query!("select pg_notify('gatehouse_config', $1::text)", revision.to_string())
            .execute(&mut *self.transaction)
            .await?;
        Ok(revision)
    }

    async fn write_revision(&mut self, revision: i64) -> Result<()> {
        let identity = self.actor.identity;
        sqlx::query!(
            "insert into revisions (number, actor_kind, actor_id, actor_name, summary, created_at)
             values ($1, $2, $3, $4, $5, $6)",
            revision,
            identity.as_str(),
            identity.id(),
            self.actor.name,
            summary(&self.records),
            self.now,
        )
        .execute(&mut *self.transaction)
        .await?;
        let records = &self.records;
        let kinds: Vec<String> = records.iter().map(|record| record.kind.as_str().to_owned()).collect();
        let ids: Vec<Uuid> = records.iter().map(|record| record.id).collect();
        let names: Vec<String> = records.iter().map(|record| record.name.clone()).collect();
        let before: Vec<Option<Value>> = records.iter().map(|record| record.before.clone()).collect();
        let after: Vec<Option<Value>> = records.iter().map(|record| record.after.clone()).collect();
        sqlx::query!(
            "insert into revision_changes (revision, ordinal, kind, object_id, object_name, before, after)
             select $1, ordinal - 1, kind, id, name, before, after
             from unnest($2::text[], $3::uuid[], $4::text[], $5::jsonb[], $6::jsonb[])
                  with ordinality as record (kind, id, name, before, after, ordinal)",
            revision,
            &kinds,
            &ids,
            &names,
            &before as &[Option<Value>],
            &after as &[Option<Value>],
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    async fn write_entries(&mut self, revision: i64) -> Result<()> {
        let entries = &self.entries;
        let kinds: Vec<String> = entries.keys().map(|(kind, _)| kind.as_str().to_owned()).collect();
        let ids: Vec<Uuid> = entries.keys().map(|(_, id)| *id).collect();
        let bodies: Vec<Option<Value>> = entries.values().cloned().collect();
        sqlx::query!(
            "insert into config_entries (kind, id, revision, body)
             select kind, id, $1, body from unnest($2::text[], $3::uuid[], $4::jsonb[]) as entry (kind, id, body)
             on conflict (kind, id) do update set revision = excluded.revision, body = excluded.body",
            revision,
            &kinds,
            &ids,
            &bodies as &[Option<Value>],
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

/// The same records without sealed keys: a mark that differs when the key does stands in their place.
pub(crate) fn masked(mut records: Vec<ChangeRecord>) -> Vec<ChangeRecord> {
    for record in &mut records {
        let kind = record.kind;
        for state in [&mut record.before, &mut record.after].into_iter().flatten() {
            for (_, member) in SEALED.iter().filter(|(known, _)| *known == kind) {
                if let Some(Value::String(key)) = state.pointer_mut(member) {
                    let hash = token_hash(key);
                    *key = format!("sealed ({})", hexadecimal(&hash[..4]));
                }
            }
        }
    }
    records
}

/// The object that was asked for: others come after it, but go before it when they are deleted with it.
pub(crate) fn subject(records: &[ChangeRecord]) -> Option<&ChangeRecord> {
    let last = records.last()?;
    if last.after.is_none() {
        Some(last)
    } else {
        records.first()
    }
}

/// A revision in a few words: `Created route list-orders and 2 more`.
fn summary(records: &[ChangeRecord]) -> String {
    let Some(first) = subject(records) else {
        return "Nothing".to_owned();
    };
    let mut verb = first.verb().to_owned();
    verb.get_mut(..1).map(str::make_ascii_uppercase);
    let more = if records.len() > 1 {
        format!(" and {} more", records.len() - 1)
    } else {
        String::new()
    };
    format!("{verb} {} {}{more}", first.kind, first.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_with_an_object_is_not_what_was_deleted() {
        let gone = |kind, name: &str| ChangeRecord {
            kind,
            id: Uuid::from_u128(name.len() as u128),
            name: name.into(),
            before: Some(Value::Null),
            after: None,
        };
        let records = [
            gone(Kind::Plugin, "cors"),
            gone(Kind::Route, "shop"),
            gone(Kind::Service, "orders"),
        ];
        assert_eq!(summary(&records), "Deleted service orders and 2 more");
    }

    #[test]
    fn a_summary_names_the_first_object() {
        let record = |name: &str| ChangeRecord {
            kind: Kind::ApiToken,
            id: Uuid::nil(),
            name: name.into(),
            before: None,
            after: Some(Value::Null),
        };
        assert_eq!(summary(&[record("a")]), "Created API token a");
        assert_eq!(summary(&[record("a"), record("b")]), "Created API token a and 1 more");
    }
}
