//! Pending challenges: published like configuration, so that every gateway answers them.

use model::Kind;
use model::acme_challenge::ChallengeSpec;
use model::actor::Actor;
use serde_json::{Value, json};
use uuid::Uuid;

use super::orders::{self, Begun};
use crate::Control;
use crate::change::{Change, ChangeRecord, Mode, Written};
use crate::error::Result;
use crate::store::to_json;

/// Has gateways answer these challenges, in place of those that an earlier attempt left. Tells whether they are wanted still.
pub(super) async fn publish(control: &Control, begun: &Begun, specs: &[ChallengeSpec]) -> Result<Written<bool>> {
    let author = Actor::system();
    let published = control.write(&author, Mode::Commit, async |change| {
        if !orders::hold(change, begun).await? {
            return Ok(false);
        }
        let certificate = begun.certificate;
        withdraw(change, certificate, Trace::Recorded).await?;
        for spec in specs {
            let id = Uuid::now_v7();
            sqlx::query!(
                "insert into acme_challenges (id, certificate_id, name) values ($1, $2, $3)",
                id,
                certificate,
                spec.name,
            )
            .execute(change.connection())
            .await?;
            change.record(record(id, &spec.name, None, Some(state(&spec.name, certificate))));
            change.publish(Kind::AcmeChallenge, id, Some(to_json(spec)?));
        }
        Ok(true)
    });
    published.await
}

/// Whether what is withdrawn stands in the history by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trace {
    /// It does.
    Recorded,
    /// It goes with the certificate, whose record says enough.
    WithCertificate,
}

/// Has gateways forget the challenges of a certificate.
pub(crate) async fn withdraw(change: &mut Change, certificate: Uuid, trace: Trace) -> Result<()> {
    let gone = sqlx::query!(
        "delete from acme_challenges where certificate_id = $1 returning id, name",
        certificate
    )
    .fetch_all(change.connection())
    .await?;
    for row in gone {
        if trace == Trace::Recorded {
            change.record(record(row.id, &row.name, Some(state(&row.name, certificate)), None));
        }
        change.publish(Kind::AcmeChallenge, row.id, None);
    }
    Ok(())
}

fn record(id: Uuid, name: &str, before: Option<Value>, after: Option<Value>) -> ChangeRecord {
    ChangeRecord {
        kind: Kind::AcmeChallenge,
        id,
        name: name.to_owned(),
        before,
        after,
    }
}

/// What the history says of one.
fn state(name: &str, certificate: Uuid) -> Value {
    json!({"name": name, "certificate": certificate})
}
