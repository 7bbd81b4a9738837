//! Whole pools, over simulated time.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::COOKIE;
use model::id::{ServiceId, UpstreamId};
use model::service::Retry;
use model::upstream::{
    ActiveHealth, Algorithm, Balance, Breaker, BreakerState, HashOn, PassiveHealth, StickyCookie, TargetChange,
    TargetHealth,
};
use proptest::prelude::*;
use time::OffsetDateTime;

use crate::telemetry::metrics::Breaker as Gate;

use super::{Choice, Failure, Found, GroupKey, Picked, Place, Pool, Settings, Target, TargetKey, Upstreams, Wanted};

const SECOND: Duration = Duration::from_secs(1);

struct World {
    upstreams: Upstreams,
    settings: Settings,
    targets: Vec<Target>,
    now: Instant,
}

fn target(address: &str, weight: u16) -> Target {
    Target {
        address: address.to_owned(),
        place: Place::of(address).expect("a place"),
        weight,
        drains: false,
    }
}

impl World {
    fn of(weights: &[u16], algorithm: Algorithm) -> Self {
        let targets = weights.iter().enumerate();
        Self {
            upstreams: Upstreams::new(&[3; 32]),
            settings: Settings {
                name: "orders".into(),
                balance: Balance {
                    algorithm,
                    ..Balance::default()
                },
                panic_threshold: 50,
                ..Settings::default()
            },
            targets: targets
                .map(|(at, weight)| target(&format!("10.0.{}.{}:80", at / 250, at % 250), *weight))
                .collect(),
            now: Instant::now(),
        }
    }

    fn pools(&self, count: u128) -> Vec<Arc<Pool>> {
        let key = GroupKey::Upstream(UpstreamId(uuid::Uuid::nil()));
        let service = |number| ServiceId(uuid::Uuid::from_u128(number));
        let wanted = (0..count).map(|number| Wanted {
            service: service(number),
            name: format!("s{number}"),
            retry: Retry::default(),
            group: key.clone(),
        });
        let groups = HashMap::from([(key.clone(), (self.settings.clone(), self.targets.clone()))]);
        let mut pools = self.upstreams.configure(groups, wanted.collect(), self.now);
        (0..count)
            .map(|number| pools.remove(&service(number)).expect("a pool"))
            .collect()
    }

    fn pool(&self) -> Arc<Pool> {
        self.pools(1).remove(0)
    }
}

fn choice<'a>(headers: &'a HeaderMap, tried: &'a [TargetKey]) -> Choice<'a> {
    Choice {
        consumer: None,
        ip: IpAddr::from([192, 0, 2, 1]),
        path: "/",
        query: None,
        headers,
        secure: true,
        tried,
    }
}

fn pick(pool: &Arc<Pool>, now: Instant) -> Option<Picked> {
    pool.pick(&choice(&HeaderMap::new(), &[]), now)
}

/// Sends so many requests that all succeed at once; counts where they went.
fn spread(pool: &Arc<Pool>, count: usize, now: Instant) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..count {
        let mut picked = pick(pool, now).expect("a target");
        picked.answered(200, Duration::from_millis(5), now);
        *counts.entry(picked.endpoint.address.clone()).or_default() += 1;
    }
    counts
}

fn fail(pool: &Arc<Pool>, address: &str, kind: Failure, count: usize, now: Instant) {
    let mut left = count;
    for _ in 0..10_000 {
        if left == 0 {
            return;
        }
        let Some(mut picked) = pick(pool, now) else { break };
        if picked.endpoint.address == address {
            picked.failed(kind, now);
            left -= 1;
        } else {
            picked.answered(200, Duration::from_millis(5), now);
        }
    }
    panic!("{address} was not picked often enough");
}

#[test]
fn every_algorithm_uses_every_target_and_counts_what_is_in_flight() {
    for algorithm in [
        Algorithm::RoundRobin,
        Algorithm::LeastConnections,
        Algorithm::PeakEwma,
        Algorithm::StickyCookie,
    ] {
        let world = World::of(&[100; 4], algorithm);
        let pool = world.pool();
        let held: Vec<Picked> = (0..40).map(|_| pick(&pool, world.now).expect("a target")).collect();
        let in_flight: Vec<u32> = pool.endpoints().iter().map(|endpoint| endpoint.in_flight()).collect();
        assert_eq!(in_flight.iter().sum::<u32>(), 40, "{algorithm:?}");
        assert!(
            in_flight.iter().all(|count| (7..=13).contains(count)),
            "{algorithm:?} {in_flight:?}"
        );
        drop(held);
        assert!(pool.endpoints().iter().all(|endpoint| endpoint.in_flight() == 0));
    }
}

#[test]
fn requests_that_stay_in_flight_are_shared_out_by_weight() {
    let world = World::of(&[100, 300], Algorithm::LeastConnections);
    let pool = world.pool();
    let _held: Vec<Picked> = (0..40).map(|_| pick(&pool, world.now).expect("a target")).collect();
    let in_flight: Vec<u32> = pool.endpoints().iter().map(|endpoint| endpoint.in_flight()).collect();
    assert_eq!(in_flight, [10, 30]);
}

#[test]
fn a_slow_target_gets_little_by_peak_ewma() {
    let world = World::of(&[100; 4], Algorithm::PeakEwma);
    let pool = world.pool();
    let mut counts = BTreeMap::<String, usize>::new();
    let mut now = world.now;
    for _ in 0..1_000 {
        let mut picked = pick(&pool, now).expect("a target");
        let slow = picked.endpoint.address == "10.0.0.0:80";
        picked.answered(200, Duration::from_millis(if slow { 500 } else { 5 }), now);
        *counts.entry(picked.endpoint.address.clone()).or_default() += 1;
        now += Duration::from_millis(1);
    }
    let slow = counts.get("10.0.0.0:80").copied().unwrap_or_default();
    assert!(slow < 20, "{counts:?}");
    assert!(counts["10.0.0.1:80"] > 200, "{counts:?}");
}

#[test]
fn the_same_value_goes_to_the_same_target_and_to_another_while_that_is_away() {
    let mut world = World::of(&[100; 5], Algorithm::ConsistentHash);
    world.settings.balance.hash_on = Some(HashOn::Header);
    world.settings.balance.hash_name = Some("x-user".into());
    let pool = world.pool();
    let to = |user: u32, now| {
        let headers = HeaderMap::from_iter([(http::HeaderName::from_static("x-user"), http::HeaderValue::from(user))]);
        pool.pick(&choice(&headers, &[]), now).expect("a target")
    };
    let owners: Vec<String> = (0..100)
        .map(|user| to(user, world.now).endpoint.address.clone())
        .collect();
    assert!(owners.iter().collect::<std::collections::BTreeSet<_>>().len() == 5);
    let gone = owners[0].clone();
    for _ in 0..3 {
        to(0, world.now).failed(Failure::Connect, world.now);
    }
    for (user, owner) in (0..100).zip(&owners) {
        let now = to(user, world.now).endpoint.address.clone();
        assert!(now != gone && (owner == &gone || owner == &now), "{user}");
    }
    let later = world.now + 10 * SECOND;
    assert_eq!(to(0, later).endpoint.address, gone, "it comes back to its owner");
}

#[test]
fn a_cookie_keeps_a_client_with_its_target_until_that_is_away() {
    let mut world = World::of(&[100; 4], Algorithm::StickyCookie);
    world.settings.balance.sticky_cookie = Some(StickyCookie {
        name: "stay".into(),
        ttl_seconds: 60,
    });
    let pool = world.pool();
    let first = pick(&pool, world.now).expect("a target");
    let line = first.set_cookie().expect("a cookie");
    let (pair, attributes) = line.split_once("; ").expect("attributes");
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
    assert!(!pair.contains("10.0") && pair.len() == "stay=".len() + 32, "{pair}");
    let headers = HeaderMap::from_iter([(COOKIE, pair.parse().expect("a value"))]);
    for _ in 0..20 {
        let mut again = pool.pick(&choice(&headers, &[]), world.now).expect("a target");
        assert_eq!((again.endpoint.key, again.set_cookie()), (first.endpoint.key, None));
        again.answered(200, SECOND, world.now);
    }
    for _ in 0..3 {
        let mut again = pool.pick(&choice(&headers, &[]), world.now).expect("a target");
        again.failed(Failure::Connect, world.now);
    }
    let other = pool.pick(&choice(&headers, &[]), world.now).expect("a target");
    assert!(other.endpoint.key != first.endpoint.key && other.set_cookie().is_some());
    let forged = HeaderMap::from_iter([(COOKIE, "stay=10.0.0.1:80".parse().expect("a value"))]);
    assert!(
        pool.pick(&choice(&forged, &[]), world.now)
            .expect("a target")
            .set_cookie()
            .is_some()
    );
}

#[test]
fn a_tried_target_is_not_tried_again_while_there_is_another() {
    let world = World::of(&[100; 2], Algorithm::RoundRobin);
    let pool = world.pool();
    let headers = HeaderMap::new();
    let first = pick(&pool, world.now).expect("a target").endpoint.key;
    for _ in 0..10 {
        let second = pool.pick(&choice(&headers, &[first]), world.now).expect("a target");
        assert_ne!(second.endpoint.key, first);
        assert!(
            pool.pick(&choice(&headers, &[first, second.endpoint.key]), world.now)
                .is_some()
        );
    }
    assert!(pick(&World::of(&[], Algorithm::RoundRobin).pool(), world.now).is_none());
    assert!(pick(&World::of(&[0], Algorithm::RoundRobin).pool(), world.now).is_none());
}

#[test]
fn a_target_that_drains_gets_nothing_new_and_keeps_what_it_has() {
    let mut world = World::of(&[100; 2], Algorithm::RoundRobin);
    let pool = world.pool();
    let held = [pick(&pool, world.now), pick(&pool, world.now)];
    world.targets[0].drains = true;
    let pool = world.pool();
    assert_eq!(
        spread(&pool, 10, world.now),
        BTreeMap::from([("10.0.0.1:80".to_owned(), 10)])
    );
    let states = pool.states(world.now, OffsetDateTime::UNIX_EPOCH);
    assert_eq!((states[0].health, states[0].in_flight), (TargetHealth::Draining, 1));
    drop(held);
    world.targets[1].drains = true;
    assert!(pick(&world.pool(), world.now).is_none(), "not even the last one");
}

#[test]
fn a_failing_target_is_ejected_and_recovers_by_itself() {
    let world = World::of(&[100; 4], Algorithm::RoundRobin);
    let pool = world.pool();
    let bad = "10.0.0.0:80";
    fail(&pool, bad, Failure::Reset, 3, world.now);
    assert_eq!(spread(&pool, 30, world.now).get(bad), None);
    let state = |now| pool.states(now, OffsetDateTime::UNIX_EPOCH).remove(0);
    let ejected = state(world.now);
    assert_eq!((ejected.health, ejected.ejections), (TargetHealth::Ejected, 1));
    assert_eq!(ejected.last_error.as_deref(), Some("reset"));
    assert_eq!(ejected.events[0].change, TargetChange::Ejected);
    let later = world.now + 10 * SECOND;
    assert_eq!(spread(&pool, 40, later)[bad], 10);
    assert_eq!(state(later).health, TargetHealth::Healthy);
    assert_eq!(state(later).events[1].change, TargetChange::Recovered);
    assert_eq!(
        world.upstreams.changes()[..3],
        [
            (TargetChange::Ejected, 1),
            (TargetChange::Unhealthy, 0),
            (TargetChange::Recovered, 1)
        ]
    );
}

#[test]
fn the_last_healthy_target_is_never_ejected() {
    let mut world = World::of(&[100; 3], Algorithm::RoundRobin);
    world.settings.panic_threshold = 0;
    world.settings.breaker = Breaker {
        enabled: false,
        ..Breaker::default()
    };
    let pool = world.pool();
    for _ in 0..1_000 {
        pick(&pool, world.now)
            .expect("a target")
            .failed(Failure::Connect, world.now);
    }
    let states = pool.states(world.now, OffsetDateTime::UNIX_EPOCH);
    let ejected = states
        .iter()
        .filter(|state| state.health == TargetHealth::Ejected)
        .count();
    assert_eq!(ejected, 2);
}

#[test]
fn below_the_panic_threshold_every_target_is_used() {
    let world = World::of(&[100; 4], Algorithm::RoundRobin);
    let pool = world.pool();
    fail(&pool, "10.0.0.0:80", Failure::Reset, 3, world.now);
    fail(&pool, "10.0.0.1:80", Failure::Reset, 3, world.now);
    assert_eq!(spread(&pool, 40, world.now).len(), 2, "half of them still carry");
    fail(&pool, "10.0.0.2:80", Failure::Reset, 3, world.now);
    let held: Vec<Picked> = (0..4).map(|_| pick(&pool, world.now).expect("a target")).collect();
    let used: std::collections::HashSet<_> = held.iter().map(|picked| picked.endpoint.key).collect();
    assert_eq!(used.len(), 4);
    drop(held);
    spread(&pool, 40, world.now);
    assert!(
        pool.endpoints()[0].health.is_plain(),
        "who serves although it was ejected is trusted again"
    );
}

#[test]
fn failed_checks_alone_do_not_leave_a_service_without_targets() {
    let mut world = World::of(&[100; 4], Algorithm::RoundRobin);
    let active = ActiveHealth::default();
    world.settings.health.active = Some(active.clone());
    let pool = world.pool();
    let check = |index: usize, good| {
        let endpoint = &pool.endpoints()[index];
        if let Some(change) = endpoint.health.checked(good, world.now, &active) {
            pool.group.announce(endpoint, change, "a check".into(), world.now);
        }
    };
    check(0, false);
    assert_eq!(spread(&pool, 30, world.now).len(), 3);
    for index in (1..4).cycle().take(9) {
        check(index, false);
    }
    assert_eq!(spread(&pool, 40, world.now).len(), 4);
    world.settings.health.active = None;
    let pool = world.pool();
    assert!(
        pool.endpoints().iter().all(|endpoint| endpoint.health.is_plain()),
        "without checks none is unhealthy"
    );
}

#[test]
fn a_breaker_belongs_to_one_service_and_health_to_all() {
    let mut world = World::of(&[100; 2], Algorithm::RoundRobin);
    world.settings.health.passive = PassiveHealth {
        status_failures: 0,
        ..PassiveHealth::default()
    };
    let pools = world.pools(2);
    let bad = "10.0.0.0:80";
    for _ in 0..14 {
        let mut picked = pick(&pools[0], world.now).expect("a target");
        let status = if picked.endpoint.address == bad { 503 } else { 200 };
        picked.answered(status, SECOND, world.now);
    }
    assert_eq!(spread(&pools[0], 10, world.now).get(bad), None);
    assert_eq!(spread(&pools[1], 10, world.now)[bad], 5);
    let all = world.upstreams.states(world.now, OffsetDateTime::UNIX_EPOCH);
    assert_eq!(all.values().next().expect("one")[0].breaker, BreakerState::Open);
    let later = world.now + 2 * SECOND;
    let probes: Vec<Picked> = (0..10).map(|_| pick(&pools[0], later).expect("a target")).collect();
    assert_eq!(
        probes.iter().filter(|picked| picked.endpoint.address == bad).count(),
        1,
        "one probe"
    );
    for mut picked in probes {
        picked.answered(200, SECOND, later);
    }
    assert_eq!(spread(&pools[0], 10, later)[bad], 5);
}

#[test]
fn metrics_show_each_target_of_each_service_with_the_connections_to_its_address() {
    let mut world = World::of(&[100; 2], Algorithm::RoundRobin);
    // As many as open a breaker.
    world.settings.health.passive.resets = 7;
    let pools = world.pools(2);
    fail(&pools[0], "10.0.0.1:80", Failure::Reset, 7, world.now);
    let held = pick(&pools[1], world.now).expect("a target");
    let idle = HashMap::from([
        (held.endpoint.socket, 3),
        ("10.9.9.9:80".parse().expect("an address"), 5),
    ]);
    let mut shown: Vec<_> = world.upstreams.gauges(world.now, idle).collect();
    shown.sort_by(|one, other| (&one.service, &one.target).cmp(&(&other.service, &other.target)));
    let seen = shown
        .iter()
        .map(|gauge| (gauge.service.as_str(), gauge.target.as_str(), gauge.idle, gauge.active));
    assert_eq!(
        seen.collect::<Vec<_>>(),
        [
            ("s0", "10.0.0.0:80", 3, 1),
            ("s0", "10.0.0.1:80", 0, 0),
            ("s1", "10.0.0.0:80", 3, 1),
            ("s1", "10.0.0.1:80", 0, 0)
        ]
    );
    let trusted = shown.iter().map(|gauge| (gauge.healthy, gauge.breaker == Gate::Closed));
    let trusted: Vec<_> = trusted.collect();
    assert_eq!(trusted, [(true, true), (false, false), (true, true), (false, true)]);
    let mut counts = world.upstreams.counts(world.now);
    counts.sort_by_key(|(_, health, _)| health.as_str());
    let name = || "orders".to_owned();
    assert_eq!(
        counts,
        [(name(), TargetHealth::Ejected, 1), (name(), TargetHealth::Healthy, 1)]
    );
}

#[test]
fn with_every_breaker_open_there_is_no_target_until_a_probe_is_due() {
    let world = World::of(&[100], Algorithm::RoundRobin);
    let pool = world.pool();
    for _ in 0..7 {
        pick(&pool, world.now)
            .expect("a target")
            .failed(Failure::Timeout, world.now);
    }
    assert!(pick(&pool, world.now).is_none());
    let later = world.now + 2 * SECOND;
    drop(pick(&pool, later).expect("a probe that is given up"));
    pick(&pool, later).expect("the next probe").answered(200, SECOND, later);
    assert_eq!(spread(&pool, 3, later).len(), 1);
}

#[test]
fn a_target_that_is_new_or_recovered_gets_its_share_little_by_little() {
    let mut world = World::of(&[100; 3], Algorithm::RoundRobin);
    world.settings.balance.slow_start_ms = 10_000;
    let pool = world.pool();
    assert_eq!(
        spread(&pool, 300, world.now)["10.0.0.0:80"],
        100,
        "at the start all are equal"
    );
    world.targets.push(target("10.0.9.9:80", 100));
    let pool = world.pool();
    let share = |after: u64| {
        spread(&pool, 1_000, world.now + Duration::from_secs(after))
            .get("10.0.9.9:80")
            .copied()
            .unwrap_or(0)
    };
    assert!((1..50).contains(&share(0)), "{}", share(0));
    assert!((100..200).contains(&share(5)), "{}", share(5));
    assert_eq!(share(10), 250);
}

#[test]
fn what_is_known_survives_a_change_of_the_configuration() {
    let mut world = World::of(&[100; 3], Algorithm::RoundRobin);
    let pool = world.pool();
    let bad = "10.0.0.0:80";
    fail(&pool, bad, Failure::Connect, 3, world.now);
    let held = pick(&pool, world.now).expect("a target");
    let before = pool.endpoints();
    world.targets.remove(2);
    world.targets[1].weight = 7;
    world.targets.push(target("10.0.9.9:80", 100));
    world.settings.balance.algorithm = Algorithm::LeastConnections;
    let after = world.pool();
    assert!(Arc::ptr_eq(&pool, &after));
    assert_eq!(
        after.endpoints()[..2].iter().map(|e| e.key).collect::<Vec<_>>(),
        [before[0].key, before[1].key]
    );
    assert_eq!(spread(&after, 50, world.now).get(bad), None, "it is still ejected");
    assert_eq!(after.states(world.now, OffsetDateTime::UNIX_EPOCH)[0].ejections, 1);
    drop(held);
    assert!(before.iter().all(|endpoint| endpoint.in_flight() == 0));
}

#[test]
fn the_addresses_of_a_name_share_its_weight_and_an_empty_answer_changes_nothing() {
    let mut world = World::of(&[100], Algorithm::RoundRobin);
    world.targets.push(target("api.internal:80", 100));
    let pool = world.pool();
    let group = &pool.group;
    let place = Place::Host("api.internal".into(), 80);
    let found = |last: u8| Found {
        socket: ([10, 1, 0, last], 80).into(),
        weight: 1,
    };
    assert_eq!(pool.states(world.now, OffsetDateTime::UNIX_EPOCH)[1].address, None);
    group.found(&place, &[found(1), found(2)], world.now);
    let by_socket = || {
        let mut counts = BTreeMap::<String, usize>::new();
        for _ in 0..40 {
            *counts
                .entry(pick(&pool, world.now).expect("a target").endpoint.socket.to_string())
                .or_default() += 1;
        }
        counts.into_values().collect::<Vec<_>>()
    };
    assert_eq!(by_socket(), [20, 10, 10]);
    let key = pool.endpoints()[1].key;
    group.found(&place, &[], world.now);
    assert_eq!(by_socket(), [20, 10, 10]);
    group.found(&place, &[found(1)], world.now);
    assert_eq!((by_socket(), pool.endpoints()[1].key), (vec![20, 20], key));
}

#[tokio::test]
async fn the_first_request_waits_for_the_first_look_up_and_no_other_does() {
    let mut world = World::of(&[], Algorithm::RoundRobin);
    world.targets.push(target("api.internal:80", 100));
    let pool = world.pool();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.ready(60 * SECOND).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    pool.group
        .found(&Place::Host("api.internal".into(), 80), &[], world.now);
    waiting.await.expect("the look-up is over, although nothing was found");
    pool.ready(60 * SECOND).await;
    assert!(pick(&pool, world.now).is_none());
}

proptest! {
    #[test]
    fn over_a_whole_round_each_gets_exactly_its_share(weights in prop::collection::vec(0_u16..20, 1..6)) {
        let world = World::of(&weights, Algorithm::RoundRobin);
        let pool = world.pool();
        let round: usize = weights.iter().map(|weight| usize::from(*weight)).sum();
        let counts = spread(&pool, round, world.now);
        for (at, weight) in weights.iter().enumerate() {
            let got = counts.get(&format!("10.0.0.{at}:80")).copied().unwrap_or(0);
            prop_assert_eq!(got, usize::from(*weight));
        }
    }

    #[test]
    fn whatever_happens_a_pick_is_eligible_and_in_flight_ends_at_zero(
        steps in prop::collection::vec((0_u8..5, 0_u64..4), 1..200),
        algorithm in prop::sample::select(vec![Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::PeakEwma]),
    ) {
        let world = World::of(&[1, 100, 0, 7], algorithm);
        let pool = world.pool();
        let mut now = world.now;
        let mut held = Vec::new();
        for (what, seconds) in steps {
            now += Duration::from_secs(seconds);
            let Some(mut picked) = pick(&pool, now) else { continue };
            prop_assert_ne!(&picked.endpoint.address, "10.0.0.2:80");
            match what {
                0 => picked.answered(200, SECOND, now),
                1 => picked.answered(503, SECOND, now),
                2 => picked.failed(Failure::Connect, now),
                3 => held.push(picked),
                _ => {}
            }
        }
        held.clear();
        prop_assert!(pool.endpoints().iter().all(|endpoint| endpoint.in_flight() == 0));
        let late = now + Duration::from_secs(3_600);
        prop_assert!(pick(&pool, late).is_some(), "after an hour every target gets another chance");
    }
}
