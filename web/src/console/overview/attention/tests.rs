use time::macros::datetime;
use uuid::Uuid;

use super::*;

const NOW: Timestamp = datetime!(2026-11-23 12:00 UTC);

fn calm() -> Conditions {
    Conditions {
        pending_subscriptions: 0,
        oldest_pending: None,
        failed_mails: 0,
        kept_mails: 0,
        disabled_services: Vec::new(),
        disabled_routes: Vec::new(),
        empty_upstreams: Vec::new(),
        thinned_upstreams: Vec::new(),
        expired_certificates: Vec::new(),
        ending_certificates: Vec::new(),
        aging_certificates: Vec::new(),
        failing_certificates: Vec::new(),
        failing_reason: None,
        ending_tokens: Vec::new(),
    }
}

fn gateway(name: &str) -> Gateway {
    Gateway {
        id: Uuid::nil(),
        name: name.to_owned(),
        version: "0".to_owned(),
        live: true,
        applied_revision: 9,
        lag: 0,
        error: None,
        started_at: NOW,
        seen_at: NOW,
        stopped_at: None,
    }
}

fn revision(at: Timestamp) -> Revision {
    Revision {
        number: 9,
        actor_kind: "admin".to_owned(),
        actor_id: None,
        actor_name: "Olga".to_owned(),
        summary: "route a created".to_owned(),
        created_at: at,
    }
}

fn state<'a>(gateways: &'a [Gateway], newest: &'a Revision, conditions: &'a Conditions) -> State<'a> {
    State {
        gateways,
        newest: Some(newest),
        conditions,
        failing: &[],
    }
}

fn titles(gateways: &[Gateway], conditions: &Conditions) -> Vec<String> {
    let newest = revision(NOW - Duration::minutes(1));
    let found = find(&state(gateways, &newest, conditions), NOW);
    found.into_iter().map(|item| item.title).collect()
}

#[test]
fn where_all_is_well_nothing_needs_anybody() {
    assert_eq!(titles(&[gateway("edge")], &calm()), Vec::<String>::new());
}

#[test]
fn gateways_that_are_missing_late_or_in_trouble_are_named() {
    assert_eq!(titles(&[], &calm()), ["No gateway is running"]);
    let late = Gateway {
        lag: 2,
        ..gateway("late")
    };
    let broken = Gateway {
        error: Some("route a".to_owned()),
        ..gateway("broken")
    };
    let silent = Gateway {
        live: false,
        ..gateway("silent")
    };
    let stopped = Gateway {
        live: false,
        stopped_at: Some(NOW),
        ..gateway("stopped")
    };
    assert_eq!(
        titles(&[late.clone(), broken, silent, stopped], &calm()),
        [
            "broken could not apply everything",
            "late is behind",
            "silent went silent"
        ]
    );
    let fresh = revision(NOW);
    assert_eq!(
        find(&state(&[late], &fresh, &calm()), NOW),
        [],
        "a change needs a moment to arrive"
    );
}

#[test]
fn targets_that_fail_are_counted_by_upstream() {
    let item = |failing, open| {
        let upstream = "eu".to_owned();
        of_targets(&FailingTargets {
            upstream,
            failing,
            open,
        })
    };
    assert_eq!(item(1, 0).text, "1 target is unhealthy or ejected.");
    assert_eq!(
        item(2, 1).text,
        "2 targets are unhealthy or ejected, 1 breaker is open."
    );
    let href = "/console/upstreams/eu";
    assert_eq!(
        (item(0, 2).text.as_str(), item(0, 2).href.as_str()),
        ("2 breakers are open.", href)
    );
}

#[test]
fn certificates_are_spoken_of_before_they_end() {
    let conditions = Conditions {
        expired_certificates: vec!["old".to_owned()],
        ending_certificates: vec!["a".to_owned(), "b".to_owned()],
        aging_certificates: vec!["soon".to_owned()],
        ..calm()
    };
    let titles = titles(&[gateway("edge")], &conditions);
    assert_eq!(
        titles,
        [
            "Certificate old has expired",
            "2 certificates end within 7 days",
            "Certificate soon ends within 30 days"
        ]
    );
}

#[test]
fn a_certificate_that_cannot_be_got_is_spoken_of_with_the_reason() {
    let conditions = Conditions {
        failing_certificates: vec!["shop".to_owned()],
        failing_reason: Some("the authority says: no address for shop.example (dns)".to_owned()),
        ..calm()
    };
    let gateways = [gateway("edge")];
    let found = find(
        &State {
            gateways: &gateways,
            newest: None,
            conditions: &conditions,
            failing: &[],
        },
        NOW,
    );
    let [item] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (item.tone, item.title.as_str()),
        ("bad", "Certificate shop cannot be got")
    );
    assert_eq!(item.text, "The authority says: no address for shop.example (dns).");
    assert_eq!(item.href, "/console/certificates/shop");
    assert_eq!(
        advice("`a.example` cannot be reached: look; the authority says: Get \"http://a.example/\" (connection)"),
        "\"a.example\" cannot be reached: look."
    );
    let conditions = Conditions {
        failing_certificates: vec!["a".to_owned(), "b".to_owned()],
        ..calm()
    };
    assert_eq!(titles(&gateways, &conditions), ["2 certificates cannot be got"]);
}

#[test]
fn the_worst_comes_first() {
    let conditions = Conditions {
        disabled_routes: vec!["a".to_owned(), "b".to_owned()],
        failed_mails: 2,
        empty_upstreams: vec!["pool".to_owned()],
        ..calm()
    };
    assert_eq!(
        titles(&[gateway("edge")], &conditions),
        [
            "Upstream pool takes no requests",
            "2 mails could not be sent",
            "2 routes are off"
        ]
    );
}
