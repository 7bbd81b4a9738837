//! What needs somebody: only what is true now, the worst first.

#[cfg(test)]
mod tests;

use control::gateways::Gateway;
use control::overview::{Conditions, FailingTargets};
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

/// What there is to look at.
pub(super) struct State<'a> {
    pub(super) gateways: &'a [Gateway],
    pub(super) newest: Option<&'a Revision>,
    pub(super) conditions: &'a Conditions,
    pub(super) failing: &'a [FailingTargets],
}

/// Everything that needs somebody.
pub(super) fn find(state: &State<'_>, now: Timestamp) -> Vec<Attention> {
    let conditions = state.conditions;
    let mut found = of_gateways(state.gateways, state.newest, now);
    found.extend(of_upstreams(conditions));
    found.extend(state.failing.iter().map(of_targets));
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

fn of_targets(found: &FailingTargets) -> Attention {
    let mut parts = Vec::new();
    if found.failing > 0 {
        let are = if found.failing == 1 { "is" } else { "are" };
        let targets = text::plural(found.failing, "target", "targets");
        parts.push(format!("{targets} {are} unhealthy or ejected"));
    }
    if found.open > 0 {
        let breakers = text::plural(found.open, "breaker is open", "breakers are open");
        parts.push(breakers);
    }
    let title = format!("Targets of {} fail", found.upstream);
    let item = Attention::new("warn", title, text::sentence(&parts.join(", ")));
    item.at(urls::console::object(Kind::Upstream, &found.upstream), "Inspect")
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
    let failing = failing_certificates(conditions);
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
    failing.into_iter().chain(attention).collect()
}

fn failing_certificates(conditions: &Conditions) -> Option<Attention> {
    let names = &conditions.failing_certificates;
    let item = match names.as_slice() {
        [] => return None,
        [name] => {
            let reason = conditions.failing_reason.as_deref().map(advice);
            let title = format!("Certificate {name} cannot be got");
            Attention::new("bad", title, reason.unwrap_or_default())
                .at(urls::console::object(Kind::Certificate, name), "Inspect")
        }
        several => Attention::new(
            "bad",
            format!("{} certificates cannot be got", several.len()),
            several.join(", "),
        )
        .at(urls::console::list(Kind::Certificate), "Review"),
    };
    Some(item)
}

/// What to look after; the authority's own words are on the certificate's page.
fn advice(reason: &str) -> String {
    let (advice, _) = reason.split_once("; the authority says: ").unwrap_or((reason, ""));
    text::sentence(&advice.replace('`', "\""))
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
