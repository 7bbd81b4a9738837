//! What needs somebody: only what is true now, the worst first.

use control::gateways::Gateway;
use control::overview::Conditions;
use control::revisions::Revision;
use model::Kind;
use model::clock::Timestamp;
use time::Duration;

use crate::{text, urls};

/// A change needs a moment to arrive; only after that a gateway is late.
const ARRIVAL: Duration = Duration::seconds(5);

/// One thing that needs somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attention {
    /// `bad`, `warn` or `info`.
    pub(super) tone: &'static str,
    pub(super) title: String,
    pub(super) text: String,
    /// Where it is mended, and the word for that.
    pub(super) href: String,
    pub(super) button: &'static str,
}

impl Attention {
    fn new(tone: &'static str, title: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            tone,
            title: title.into(),
            text: text.into(),
            href: String::new(),
            button: "",
        }
    }

    fn at(mut self, href: impl Into<String>, button: &'static str) -> Self {
        self.href = href.into();
        self.button = button;
        self
    }
}

/// Everything that needs somebody.
pub(super) fn find(
    gateways: &[Gateway],
    newest: Option<&Revision>,
    conditions: &Conditions,
    now: Timestamp,
) -> Vec<Attention> {
    let mut found = of_gateways(gateways, newest, now);
    found.extend(of_upstreams(conditions));
    found.extend(of_certificates(conditions));
    found.extend(of_mails(conditions));
    found.extend(of_access(conditions, now));
    found.extend(switched_off(
        "service",
        "services",
        Kind::Service,
        &conditions.disabled_services,
    ));
    found.extend(switched_off(
        "route",
        "routes",
        Kind::Route,
        &conditions.disabled_routes,
    ));
    let worst_first = |item: &Attention| ["bad", "warn"].iter().position(|tone| item.tone == *tone).unwrap_or(2);
    found.sort_by_key(worst_first);
    found
}

fn of_gateways(gateways: &[Gateway], newest: Option<&Revision>, now: Timestamp) -> Vec<Attention> {
    let mut found = Vec::new();
    let inspect = |item: Attention| item.at(urls::console::GATEWAYS, "Inspect");
    if !gateways.iter().any(|gateway| gateway.live) {
        let text = "Changes are kept, but no traffic is served until one starts.";
        found.push(inspect(Attention::new("bad", "No gateway is running", text)));
    }
    let arrived = newest.is_none_or(|newest| newest.created_at + ARRIVAL <= now);
    for gateway in gateways {
        let name = &gateway.name;
        match &gateway.error {
            Some(error) if gateway.live => {
                let title = format!("{name} could not apply everything");
                found.push(inspect(Attention::new("bad", title, text::sentence(error))));
            }
            None if gateway.live && gateway.lag > 0 && arrived => {
                let behind = text::plural(gateway.lag, "revision", "revisions");
                let text = format!("It runs revision {}, {behind} behind.", gateway.applied_revision);
                found.push(inspect(Attention::new("warn", format!("{name} is behind"), text)));
            }
            _ if gateway.silent() => {
                let text = format!(
                    "Last heard of {}. It did not say that it would stop.",
                    text::relative(gateway.seen_at, now)
                );
                found.push(inspect(Attention::new("warn", format!("{name} went silent"), text)));
            }
            _ => {}
        }
    }
    found
}

fn of_upstreams(conditions: &Conditions) -> Vec<Attention> {
    let open = |item: Attention, name: &str| item.at(urls::console::object(Kind::Upstream, name), "Inspect");
    let empty = conditions.empty_upstreams.iter().map(|name| {
        let title = format!("Upstream {name} takes no requests");
        let text = "It is off, or no target of it is on with a weight. Services that use it answer 503.";
        open(Attention::new("bad", title, text), name)
    });
    let thinned = conditions.thinned_upstreams.iter().map(|name| {
        let title = format!("Upstream {name} has targets that are off");
        open(Attention::new("info", title, "The others take their share."), name)
    });
    empty.chain(thinned).collect()
}

fn of_certificates(conditions: &Conditions) -> Vec<Attention> {
    let classes = [
        (
            "bad",
            "has expired",
            "have expired",
            "Clients refuse the names that it serves.",
            &conditions.expired_certificates,
        ),
        (
            "bad",
            "ends within 7 days",
            "end within 7 days",
            "Then clients refuse the names that it serves.",
            &conditions.ending_certificates,
        ),
        (
            "warn",
            "ends within 30 days",
            "end within 30 days",
            "There is time to have a new one signed.",
            &conditions.aging_certificates,
        ),
    ];
    let attention = classes.into_iter().filter_map(|(tone, one, many, text, names)| {
        let item = match names.as_slice() {
            [] => return None,
            [name] => Attention::new(tone, format!("Certificate {name} {one}"), text)
                .at(urls::console::object(Kind::Certificate, name), "Replace"),
            several => {
                let title = format!("{} certificates {many}", several.len());
                Attention::new(tone, title, several.join(", ")).at(urls::console::list(Kind::Certificate), "Review")
            }
        };
        Some(item)
    });
    attention.collect()
}

fn of_mails(conditions: &Conditions) -> Vec<Attention> {
    let mut found = Vec::new();
    let list = |state| urls::with_query(urls::console::MAILS, &[("state", state)]);
    if conditions.failed_mails > 0 {
        let mails = text::plural(conditions.failed_mails, "mail", "mails");
        let text = "The mail server did not take them. People wait for their links.";
        found.push(Attention::new("warn", format!("{mails} could not be sent"), text).at(list("failed"), "Review"));
    }
    if conditions.kept_mails > 0 {
        let mails = text::plural(conditions.kept_mails, "mail", "mails");
        let text = "There is no mail server; read them here.";
        found.push(Attention::new("info", format!("{mails} kept in the outbox"), text).at(list("kept"), "Read"));
    }
    found
}

fn of_access(conditions: &Conditions, now: Timestamp) -> Vec<Attention> {
    let mut found = Vec::new();
    if conditions.pending_subscriptions > 0 {
        let many = text::plural(conditions.pending_subscriptions, "subscription", "subscriptions");
        let since = conditions
            .oldest_pending
            .map(|at| text::relative(at, now))
            .unwrap_or_default();
        let item = Attention::new(
            "info",
            format!("{many} to approve"),
            format!("The oldest was asked for {since}."),
        );
        found.push(item.at(urls::console::list(Kind::Subscription), "Review"));
    }
    if let [first, others @ ..] = conditions.ending_tokens.as_slice() {
        let title = if others.is_empty() {
            format!("API token {first} ends soon")
        } else {
            format!("{} API tokens end soon", others.len() + 1)
        };
        let item = Attention::new("warn", title, "Within seven days; what uses it is refused then.");
        found.push(item.at(urls::console::TOKENS, "Review"));
    }
    found
}

fn switched_off(one: &str, many: &str, kind: Kind, names: &[String]) -> Option<Attention> {
    let (title, href) = match names {
        [] => return None,
        [name] => (
            format!("{} {name} is off", text::capital(one)),
            urls::console::object(kind, name),
        ),
        several => (format!("{} {many} are off", several.len()), urls::console::list(kind)),
    };
    let text = if names.len() == 1 {
        "It takes no traffic until it is switched on.".to_owned()
    } else {
        names.join(", ")
    };
    Some(Attention::new("info", title, text).at(href, "Inspect"))
}

#[cfg(test)]
mod tests {
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

    fn titles(gateways: &[Gateway], conditions: &Conditions) -> Vec<String> {
        let newest = revision(NOW - Duration::minutes(1));
        let found = find(gateways, Some(&newest), conditions, NOW);
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
            find(&[late], Some(&fresh), &calm(), NOW),
            [],
            "a change needs a moment to arrive"
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
}
