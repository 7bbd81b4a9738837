//! Which of several services gets a request.
//!
//! A caller that has something to stick to goes where weighted rendezvous hashing sends it (Thaler and Ravishankar,
//! 1998): when weights change, only as many callers move as the shares of services do.

use model::id::ServiceId;
use model::route::split::{Override, Split as Spec, StickyOn};
use model::upstream::HashOn;

use super::balance::Hashing;
use super::choice::Choice;
use super::random::{Random, unit};

/// The split of one route.
#[derive(Debug, Clone)]
pub struct Split {
    spec: Spec,
    hashing: Hashing,
}

impl Split {
    /// The split of a route's settings. All gateways with the same secret send the same caller to the same service.
    pub fn new(spec: &Spec, secret: &[u8; 32]) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&super::sticky::digest(secret, b"gatehouse split")[..16]);
        Self {
            spec: spec.clone(),
            hashing: Hashing(key),
        }
    }

    /// The service of a request; none when no service has a weight.
    pub fn choose(&self, choice: &Choice<'_>, random: &Random) -> Option<ServiceId> {
        let chosen = |list: &[Override], fits: &dyn Fn(&Override) -> bool| {
            list.iter()
                .find(|candidate| fits(candidate))
                .map(|candidate| candidate.service)
        };
        let by_header = chosen(&self.spec.by_header, &|candidate| {
            choice.header(&candidate.name).as_deref() == Some(candidate.value.as_bytes())
        });
        let overridden = by_header.or_else(|| {
            chosen(&self.spec.by_cookie, &|candidate| {
                choice.cookie(&candidate.name) == Some(candidate.value.as_str())
            })
        });
        overridden.or_else(|| self.draw(choice, random))
    }

    fn draw(&self, choice: &Choice<'_>, random: &Random) -> Option<ServiceId> {
        let on = match self.spec.sticky {
            StickyOn::None => None,
            StickyOn::Consumer => Some(HashOn::Consumer),
            StickyOn::Ip => Some(HashOn::Ip),
            StickyOn::Header => Some(HashOn::Header),
            StickyOn::Cookie => Some(HashOn::Cookie),
        };
        let value = on.and_then(|on| choice.hashed(on, self.spec.sticky_name.as_deref()));
        let number = |service: ServiceId| match &value {
            Some(value) => self.hashing.hash(&[service.0.as_bytes(), value]),
            None => random.next(),
        };
        let shares = self.spec.services.iter().filter(|share| share.weight > 0);
        let scored = shares.map(|share| {
            // Of exponential variables the smallest is each one's in proportion to its rate.
            let number = 1.0 - unit(number(share.service));
            (-number.ln() / f64::from(share.weight), share.service)
        });
        scored
            .min_by(|one, other| one.0.total_cmp(&other.0))
            .map(|(_, service)| service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use http::header::COOKIE;
    use model::route::split::Share;
    use proptest::prelude::*;

    fn services(count: usize) -> Vec<ServiceId> {
        (0..count)
            .map(|number| uuid::Uuid::from_u128(number as u128 + 1).into())
            .collect()
    }

    fn split(weights: &[u16], sticky: StickyOn) -> Split {
        let shares = services(weights.len()).into_iter().zip(weights);
        let spec = Spec {
            services: shares
                .map(|(service, weight)| Share {
                    service,
                    weight: *weight,
                })
                .collect(),
            sticky,
            sticky_name: Some("session".into()),
            by_header: Vec::new(),
            by_cookie: Vec::new(),
        };
        Split::new(&spec, &[1; 32])
    }

    fn choice<'a>(headers: &'a HeaderMap, consumer: Option<&'a str>) -> Choice<'a> {
        Choice {
            consumer,
            ip: std::net::IpAddr::from([10, 0, 0, 1]),
            path: "/",
            query: None,
            headers,
            secure: false,
            tried: &[],
        }
    }

    #[test]
    fn headers_and_then_cookies_choose_whatever_the_weights_say() {
        let mut split = split(&[100, 0], StickyOn::None);
        let (one, two) = (services(2)[0], services(2)[1]);
        let choose = |name: &str, service| Override {
            name: name.into(),
            value: "yes".into(),
            service,
        };
        split.spec.by_header = vec![choose("x-canary", two)];
        split.spec.by_cookie = vec![choose("canary", one), choose("beta", two)];
        let mut headers = HeaderMap::new();
        let random = Random::seeded(1);
        assert_eq!(split.choose(&choice(&headers, None), &random), Some(one));
        headers.insert(COOKIE, "beta=yes".parse().expect("a value"));
        assert_eq!(split.choose(&choice(&headers, None), &random), Some(two));
        headers.insert(COOKIE, "beta=yes; canary=yes".parse().expect("a value"));
        assert_eq!(split.choose(&choice(&headers, None), &random), Some(one));
        headers.insert("x-canary", "yes".parse().expect("a value"));
        assert_eq!(split.choose(&choice(&headers, None), &random), Some(two));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn each_service_gets_about_its_share(weights in prop::collection::vec(0_u16..100, 1..5), sticky in any::<bool>()) {
            let total: u32 = weights.iter().map(|weight| u32::from(*weight)).sum();
            let split = split(&weights, if sticky { StickyOn::Consumer } else { StickyOn::None });
            let (headers, random) = (HeaderMap::new(), Random::seeded(9));
            let mut counts = vec![0_u32; weights.len()];
            for number in 0..4_000 {
                let consumer = number.to_string();
                let Some(chosen) = split.choose(&choice(&headers, Some(&consumer)), &random) else {
                    prop_assert_eq!(total, 0);
                    continue;
                };
                counts[services(weights.len()).iter().position(|service| *service == chosen).expect("one of them")] += 1;
            }
            for (count, weight) in counts.iter().zip(&weights) {
                let expected = 4_000.0 * f64::from(*weight) / f64::from(total.max(1));
                prop_assert!((f64::from(*count) - expected).abs() < 200.0, "{counts:?} for {weights:?}");
                prop_assert!(*weight > 0 || *count == 0);
            }
        }

        #[test]
        fn a_caller_moves_only_to_the_service_whose_share_grew(before in 1_u16..99, grown in 1_u16..99) {
            let (before, after) = (before.min(grown), before.max(grown));
            let (old, new) = (split(&[100, before], StickyOn::Consumer), split(&[100, after], StickyOn::Consumer));
            let (headers, random) = (HeaderMap::new(), Random::seeded(9));
            let canary = services(2)[1];
            for number in 0..500 {
                let consumer = number.to_string();
                let choice = choice(&headers, Some(&consumer));
                let (was, is) = (old.choose(&choice, &random), new.choose(&choice, &random));
                prop_assert!(was == is || is == Some(canary));
            }
        }
    }
}
