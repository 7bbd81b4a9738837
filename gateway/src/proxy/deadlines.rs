//! How long things may take on the way to a service and back.

use std::time::Duration;

use tokio::time::Instant;

use crate::runtime::{Route, Service};
use crate::upstream::client::{Failure, Fault};

/// How long things may take: as the route says, else as the service does.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    /// Making a connection.
    pub(super) connect: Duration,
    /// From the whole request to the head of the response.
    pub(super) response: Duration,
    /// Between two movements.
    pub(super) idle: Duration,
    /// By when all attempts have to be over.
    pub(super) until: Option<Instant>,
    /// Whether the caller itself gave no more time.
    pub(super) by_caller: bool,
}

impl Times {
    /// `wanted` is what the caller itself says.
    pub(super) fn of(route: &Route, service: &Service, wanted: Option<Duration>, began: std::time::Instant) -> Self {
        let route = route.timeouts;
        let ours = route.total.or(service.timeout);
        let total = wanted.into_iter().chain(ours).min();
        Self {
            connect: route.connect.unwrap_or(service.connect_timeout),
            response: route.response.unwrap_or(service.response_timeout),
            idle: route.idle.unwrap_or(service.idle_timeout),
            until: total.map(|total| Instant::from_std(began) + total),
            by_caller: wanted.is_some_and(|wanted| ours.is_none_or(|ours| wanted < ours)),
        }
    }
}

/// The times that hold for one attempt.
#[derive(Debug)]
pub(super) struct Deadlines {
    /// By when the response has to begin; set when the request is whole.
    answer: Option<Instant>,
    /// Whether the request is whole.
    asked: bool,
    /// Whether the response has begun.
    answered: bool,
    /// Between two movements.
    idle: Duration,
    moved: Instant,
    /// By when everything has to be over.
    total: Option<Instant>,
}

impl Deadlines {
    pub(super) fn new(idle: Duration, total: Option<Instant>, now: Instant) -> Self {
        Self {
            answer: None,
            asked: false,
            answered: false,
            idle,
            moved: now,
            total,
        }
    }

    /// The request is whole: now the service has to answer, if it has not begun to.
    pub(super) fn asked(&mut self, within: Duration, now: Instant) {
        self.asked = true;
        if !self.answered {
            self.answer = Some(now + within);
            self.moved = now;
        }
    }

    /// Whether the request is whole.
    pub(super) const fn is_asked(&self) -> bool {
        self.asked
    }

    /// The response has begun.
    pub(super) fn answered(&mut self, now: Instant) {
        self.answered = true;
        self.answer = None;
        self.moved = now;
    }

    /// Something moved.
    pub(super) fn moved(&mut self, now: Instant) {
        self.moved = now;
    }

    /// When to look next.
    pub(super) fn next(&self) -> Instant {
        let turn = self.answer.unwrap_or(self.moved + self.idle);
        self.total.map_or(turn, |total| turn.min(total))
    }

    /// What is over by now.
    pub(super) fn missed(&self, now: Instant) -> Option<Fault> {
        if self.total.is_some_and(|total| total <= now) {
            return Some(over());
        }
        match self.answer {
            Some(answer) if answer <= now => Some(Fault::new(Failure::Timeout, "no response in time")),
            None if self.moved + self.idle <= now => Some(Fault::new(Failure::Timeout, "nothing moved for too long")),
            _ => None,
        }
    }
}

/// The time for everything is over.
pub(super) fn over() -> Fault {
    Fault {
        total: true,
        ..Fault::new(Failure::Timeout, "the time for the whole request is over")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_response_has_its_own_time_that_no_movement_extends() {
        let now = Instant::now();
        let mut deadlines = Deadlines::new(60 * SECOND, None, now);
        assert_eq!(deadlines.next(), now + 60 * SECOND);
        deadlines.asked(15 * SECOND, now);
        deadlines.moved(now + 10 * SECOND);
        assert_eq!(deadlines.next(), now + 15 * SECOND);
        assert!(deadlines.missed(now + 14 * SECOND).is_none());
        assert!(deadlines.missed(now + 15 * SECOND).is_some());
    }

    #[test]
    fn silence_and_the_whole_time_end_a_response_that_has_begun() {
        let now = Instant::now();
        let mut deadlines = Deadlines::new(5 * SECOND, Some(now + 8 * SECOND), now);
        deadlines.asked(SECOND, now);
        deadlines.answered(now + SECOND);
        assert!(deadlines.missed(now + 5 * SECOND).is_none());
        assert!(deadlines.missed(now + 6 * SECOND).is_some());
        deadlines.moved(now + 6 * SECOND);
        assert_eq!(deadlines.next(), now + 8 * SECOND);
        assert!(deadlines.missed(now + 8 * SECOND).is_some());
    }
}
