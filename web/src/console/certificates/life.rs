//! The life of a certificate, as a chip and a bar.

use model::certificate::{CertificateSpec, Details, IssuanceState, Validity};
use model::clock::Timestamp;
use time::Duration;

use crate::text;

/// The last days are urgent.
const URGENT: Duration = Duration::days(7);

/// Where in its life a certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) tone: &'static str,
    /// `Valid`, `Ends in 12 days`, …
    pub(super) chip: String,
    /// The day it begins, as people write it.
    pub(super) begins: String,
    /// The day it ends, as people write it.
    pub(super) ends: String,
    /// How much of it is over, of a hundred.
    pub(super) over: i64,
}

impl Life {
    /// The life of a certificate: of two the one that ends first, and whether it is renewed by itself.
    pub(super) fn of_certificate(certificate: &CertificateSpec, now: Timestamp) -> Self {
        let state = certificate.issuance.as_ref().map(|issuance| issuance.state);
        let Some(details) = certificate.details().min_by_key(|details| details.not_after) else {
            let failing = state == Some(IssuanceState::Failing);
            let (tone, chip) = if failing {
                ("bad", "Cannot be got")
            } else {
                ("warn", "Being got")
            };
            return Self::not_begun(tone, chip);
        };
        let life = Self::of(details, now);
        let told = match (state, details.validity(now)) {
            (_, Validity::Expired) | (None, _) => return life,
            (Some(IssuanceState::Failing), Validity::Expiring) => (life.tone, "Renewal fails"),
            (Some(IssuanceState::Failing), _) => ("warn", "Renewal fails"),
            (Some(IssuanceState::Pending), _) => ("warn", "Being replaced"),
            (Some(IssuanceState::Issued), Validity::Expiring) => ("ok", "Valid"),
            (Some(IssuanceState::Issued), _) => return life,
        };
        Self {
            tone: told.0,
            chip: told.1.to_owned(),
            ..life
        }
    }

    fn not_begun(tone: &'static str, chip: &str) -> Self {
        Self {
            tone,
            chip: chip.to_owned(),
            begins: String::new(),
            ends: String::new(),
            over: 0,
        }
    }

    /// The life of this certificate.
    pub(super) fn of(details: &Details, now: Timestamp) -> Self {
        let left = details.not_after - now;
        let whole = (details.not_after - details.not_before).whole_seconds().max(1);
        let over = (now - details.not_before).whole_seconds().clamp(0, whole) * 100 / whole;
        let days = |length: Duration| text::plural(length.whole_days(), "day", "days");
        let (tone, chip) = match details.validity(now) {
            Validity::Valid => ("ok", "Valid".to_owned()),
            Validity::Expiring if left < Duration::days(1) => ("bad", "Ends today".to_owned()),
            Validity::Expiring if left <= URGENT => ("bad", format!("Ends in {}", days(left))),
            Validity::Expiring => ("warn", format!("Ends in {}", days(left))),
            Validity::Expired => ("bad", "Expired".to_owned()),
            Validity::NotYetValid => ("warn", "Not valid yet".to_owned()),
        };
        Self {
            tone,
            chip,
            begins: text::date(details.not_before),
            ends: text::date(details.not_after),
            over,
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_life_is_told_by_what_is_left_of_it() {
        let details = Details {
            subject: String::new(),
            names: Vec::new(),
            issuer: String::new(),
            not_before: datetime!(2026-01-01 00:00 UTC),
            not_after: datetime!(2026-04-11 00:00 UTC),
            key_type: String::new(),
            fingerprint: String::new(),
            serial: String::new(),
            authority: false,
        };
        for (now, tone, chip, over) in [
            (datetime!(2025-12-31 00:00 UTC), "warn", "Not valid yet", 0),
            (datetime!(2026-02-20 00:00 UTC), "ok", "Valid", 50),
            (datetime!(2026-04-01 00:00 UTC), "warn", "Ends in 10 days", 90),
            (datetime!(2026-04-09 12:00 UTC), "bad", "Ends in 1 day", 98),
            (datetime!(2026-04-10 12:00 UTC), "bad", "Ends today", 99),
            (datetime!(2026-05-01 00:00 UTC), "bad", "Expired", 100),
        ] {
            let life = Life::of(&details, now);
            assert_eq!((life.tone, life.chip.as_str(), life.over), (tone, chip, over), "{now}");
        }
    }
}
