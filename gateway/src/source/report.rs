//! Tells control that this gateway runs, and on which revision.

use sqlx::PgPool;

use crate::config::Instance;
use crate::runtime::Problem;

/// The most problems that are told; the log has all.
const MAX_PROBLEMS: usize = 5;

/// Reports one gateway.
pub(super) struct Reporter<'a> {
    instance: &'a Instance,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(instance: &'a Instance) -> Self {
        Self { instance }
    }

    /// It runs on this revision.
    pub(super) async fn running(&self, pool: &PgPool, revision: i64, problems: &[Problem]) -> sqlx::Result<()> {
        let error = (!problems.is_empty()).then(|| {
            let lines: Vec<String> = problems.iter().take(MAX_PROBLEMS).map(ToString::to_string).collect();
            let more = problems.len().saturating_sub(MAX_PROBLEMS);
            if more == 0 {
                lines.join("\n")
            } else {
                format!("{}\nand {more} more", lines.join("\n"))
            }
        });
        sqlx::query(
            "insert into gateways (id, name, version, started_at, seen_at, applied_revision, applied_at, error, stopped_at)
             values ($1, $2, $3, $4, now(), $5, now(), $6, null)
             on conflict (id) do update set
                name = excluded.name, version = excluded.version, started_at = excluded.started_at, seen_at = now(),
                applied_at = case when gateways.applied_revision = excluded.applied_revision
                             then gateways.applied_at else now() end,
                applied_revision = excluded.applied_revision, error = excluded.error, stopped_at = null",
        )
        .bind(self.instance.id)
        .bind(&self.instance.name)
        .bind(env!("CARGO_PKG_VERSION"))
        .bind(self.instance.started_at)
        .bind(revision)
        .bind(error)
        .execute(pool)
        .await?;
        Ok(())
    }

    /// It stopped on purpose.
    pub(super) async fn stopped(&self, pool: &PgPool) -> sqlx::Result<()> {
        sqlx::query("update gateways set stopped_at = now(), seen_at = now() where id = $1")
            .bind(self.instance.id)
            .execute(pool)
            .await?;
        Ok(())
    }
}
