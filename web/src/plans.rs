//! How pages speak of plans.

use model::plan::PlanLimit;

use crate::text;

/// The limits of a plan in words: `60 per minute, 5,000 per day`.
pub fn limits(limits: &[PlanLimit]) -> String {
    let per = |seconds: u32| match seconds {
        1 => "second".to_owned(),
        60 => "minute".to_owned(),
        3_600 => "hour".to_owned(),
        86_400 => "day".to_owned(),
        other => format!("{other} s"),
    };
    let limit = |limit: &PlanLimit| format!("{} per {}", text::count(limit.requests), per(limit.window_seconds));
    if limits.is_empty() {
        "No limits".to_owned()
    } else {
        limits.iter().map(limit).collect::<Vec<_>>().join(", ")
    }
}
