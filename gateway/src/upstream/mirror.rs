//! Which requests are copied to another service.

use model::id::ServiceId;

use super::random::Random;

/// A share of requests that another service gets a copy of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mirror {
    /// The service that gets the copies.
    pub service: ServiceId,
    share: f64,
}

impl Mirror {
    /// The mirror of a service's settings.
    pub fn new(mirror: &model::service::Mirror) -> Self {
        Self {
            service: mirror.service,
            share: mirror.percent / 100.0,
        }
    }

    /// Whether a request is one of those that are copied.
    pub fn sampled(&self, random: &Random) -> bool {
        random.unit() < self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_as_many_requests_are_copied_as_the_setting_says() {
        for (percent, expected) in [(0.0, 0..1), (100.0, 10_000..10_001), (5.0, 420..580), (0.1, 1..30)] {
            let service = ServiceId::generate();
            let mirror = Mirror::new(&model::service::Mirror { service, percent });
            let random = Random::seeded(1);
            let copied = (0..10_000).filter(|_| mirror.sampled(&random)).count();
            assert!(expected.contains(&copied), "{copied} at {percent} %");
        }
    }
}
