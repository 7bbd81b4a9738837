//! Tells control that this gateway runs, on which revision, and what it knows of targets.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use model::id::UpstreamId;
use model::upstream::TargetState;
use sqlx::PgPool;

use crate::config::Instance;
use crate::runtime::Problem;

/// The most problems that are told; the log has all.
const MAX_PROBLEMS: usize = 5;
/// The most targets of one upstream that are told.
const MAX_TARGETS: usize = 1_000;
/// How often figures are told that change all the time.
const FIGURES: Duration = Duration::from_secs(10);

/// What was told of each upstream, and when.
#[derive(Debug, Default)]
pub(super) struct Told {
    upstreams: HashMap<UpstreamId, (Vec<TargetState>, Instant)>,
    /// Whether what an earlier run told of upstreams that are gone was forgotten.
    swept: bool,
}

impl Told {
    /// What has to be told: what changed, and figures from time to time.
    fn news(
        &self,
        states: BTreeMap<UpstreamId, Vec<TargetState>>,
        now: Instant,
    ) -> Vec<(UpstreamId, Vec<TargetState>)> {
        let is_news = |(id, targets): &(UpstreamId, Vec<TargetState>)| match self.upstreams.get(id) {
            None => true,
            Some((before, _)) if !same(before, targets) => true,
            Some((before, at)) => before != targets && now.saturating_duration_since(*at) >= FIGURES,
        };
        states.into_iter().filter(is_news).collect()
    }
}

/// Whether two reports differ in nothing but figures. Times are told to the moment of the question, so they may be a
/// hair apart.
fn same(before: &[TargetState], now: &[TargetState]) -> bool {
    let key = |state: &TargetState| {
        let last = state.events.last().map(|event| (event.change, event.reason.clone()));
        (
            state.target.clone(),
            state.address.clone(),
            state.health,
            state.breaker,
            state.ejections,
            last,
        )
    };
    before.len() == now.len() && before.iter().zip(now).all(|(before, now)| key(before) == key(now))
}

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

    /// It knows this of targets. Upstreams that are gone are forgotten.
    pub(super) async fn targets(
        &self,
        pool: &PgPool,
        told: &mut Told,
        states: BTreeMap<UpstreamId, Vec<TargetState>>,
    ) -> sqlx::Result<()> {
        let now = Instant::now();
        let known: Vec<uuid::Uuid> = states.keys().map(|id| id.0).collect();
        if !told.swept || told.upstreams.keys().any(|id| !states.contains_key(id)) {
            sqlx::query("delete from gateway_upstreams where gateway_id = $1 and upstream_id <> all($2)")
                .bind(self.instance.id)
                .bind(&known)
                .execute(pool)
                .await?;
            told.swept = true;
            told.upstreams.retain(|id, _| states.contains_key(id));
        }
        let news = told.news(states, now);
        if news.is_empty() {
            return Ok(());
        }
        let ids: Vec<uuid::Uuid> = news.iter().map(|(id, _)| id.0).collect();
        let bodies = news
            .iter()
            .map(|(_, targets)| serde_json::json!(&targets[..targets.len().min(MAX_TARGETS)]));
        let bodies: Vec<serde_json::Value> = bodies.collect();
        sqlx::query(
            "insert into gateway_upstreams (gateway_id, upstream_id, told_at, targets)
             select $1, id, now(), targets from unnest($2::uuid[], $3::jsonb[]) as told (id, targets)
             on conflict (gateway_id, upstream_id) do update set told_at = now(), targets = excluded.targets",
        )
        .bind(self.instance.id)
        .bind(&ids)
        .bind(&bodies)
        .execute(pool)
        .await?;
        told.upstreams
            .extend(news.into_iter().map(|(id, targets)| (id, (targets, now))));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::upstream::{BreakerState, TargetHealth};
    use time::OffsetDateTime;

    fn state(health: TargetHealth, in_flight: u32) -> TargetState {
        TargetState {
            target: "a:80".into(),
            address: Some("10.0.0.1:80".into()),
            health,
            breaker: BreakerState::Closed,
            in_flight,
            latency_us: None,
            last_error: None,
            since: OffsetDateTime::UNIX_EPOCH,
            ejections: 0,
            events: Vec::new(),
        }
    }

    #[test]
    fn changes_are_told_at_once_and_figures_now_and_then() {
        let (id, now) = (UpstreamId::generate(), Instant::now());
        let mut told = Told::default();
        let news =
            |told: &Told, state: TargetState, at: Instant| told.news(BTreeMap::from([(id, vec![state])]), at).len();
        assert_eq!(news(&told, state(TargetHealth::Healthy, 0), now), 1);
        told.upstreams.insert(id, (vec![state(TargetHealth::Healthy, 0)], now));
        assert_eq!(news(&told, state(TargetHealth::Healthy, 0), now + 2 * FIGURES), 0);
        assert_eq!(news(&told, state(TargetHealth::Healthy, 7), now), 0);
        assert_eq!(news(&told, state(TargetHealth::Healthy, 7), now + FIGURES), 1);
        assert_eq!(news(&told, state(TargetHealth::Ejected, 0), now), 1);
    }
}
