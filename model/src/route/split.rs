//! Which of several services a route leads to, request by request.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::ServiceId;
use crate::upstream::validate_cookie_name;
use crate::validation::{Code, Errors};

/// The most services, and the most overrides of each kind.
const MAX_LIST: usize = 20;
/// The greatest weight.
const MAX_WEIGHT: u16 = 1000;

/// What keeps a caller with the service that it once got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StickyOn {
    /// Nothing: each request is drawn for itself.
    #[default]
    None,
    /// The consumer.
    Consumer,
    /// The client's address.
    Ip,
    /// The header `sticky_name`.
    Header,
    /// The cookie `sticky_name`.
    Cookie,
}

macro_rules! splits {
    ($service:ty, $(#[$share_doc:meta])* $share:ident, $(#[$choice_doc:meta])* $choice:ident, $(#[$doc:meta])* $split:ident) => {
        $(#[$share_doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $share {
            /// The service; in a body its id or name.
            pub service: $service,
            /// Its share relative to the others, 0 to 1000.
            pub weight: u16,
        }

        $(#[$choice_doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $choice {
            /// The name of the header or cookie.
            pub name: String,
            /// Its value, compared exactly.
            pub value: String,
            /// The service; in a body its id or name.
            pub service: $service,
        }

        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $split {
            /// The services and their shares.
            pub services: Vec<$share>,
            /// What keeps a caller with its service; default `none`.
            #[serde(default)]
            pub sticky: StickyOn,
            /// The name of the header or cookie that `sticky` looks at.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub sticky_name: Option<String>,
            /// Headers that choose a service, the first that fits.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub by_header: Vec<$choice>,
            /// Cookies that choose a service, the first that fits; headers come before them.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub by_cookie: Vec<$choice>,
        }
    };
}

splits! {
    String,
    /// One share of a split, as it is sent.
    ShareDraft,
    /// Requests that go to one service whatever the weights say, as they are sent.
    OverrideDraft,
    /// A split as it is sent.
    SplitDraft
}

splits! {
    ServiceId,
    /// One share of a split.
    Share,
    /// Requests that go to one service whatever the weights say.
    Override,
    /// How requests are split over services.
    Split
}

impl SplitDraft {
    /// Every service that it names, with the path of the member that does.
    pub fn services_mut(&mut self) -> impl Iterator<Item = (String, &mut String)> {
        let shares = self.services.iter_mut().enumerate();
        let shares = shares.map(|(index, share)| (place("services", index), &mut share.service));
        let by_header = self.by_header.iter_mut().enumerate();
        let by_header = by_header.map(|(index, choice)| (place("by_header", index), &mut choice.service));
        let by_cookie = self.by_cookie.iter_mut().enumerate();
        let by_cookie = by_cookie.map(|(index, choice)| (place("by_cookie", index), &mut choice.service));
        shares.chain(by_header).chain(by_cookie)
    }
}

impl Split {
    /// Every service that it names, with the path of the member that does.
    pub fn services_named(&self) -> impl Iterator<Item = (String, ServiceId)> {
        let shares = self.services.iter().enumerate();
        let shares = shares.map(|(index, share)| (place("services", index), share.service));
        let by_header = self.by_header.iter().enumerate();
        let by_header = by_header.map(|(index, choice)| (place("by_header", index), choice.service));
        let by_cookie = self.by_cookie.iter().enumerate();
        let by_cookie = by_cookie.map(|(index, choice)| (place("by_cookie", index), choice.service));
        shares.chain(by_header).chain(by_cookie)
    }
}

fn place(list: &str, index: usize) -> String {
    format!("split.{list}.{index}.service")
}

/// Checks a split whose services were already resolved to ids.
pub(super) fn validate(draft: Option<&SplitDraft>, errors: &mut Errors) -> Option<Split> {
    let draft = draft?;
    validate_sticky(draft, errors);
    let total: u32 = draft.services.iter().map(|share| u32::from(share.weight)).sum();
    if total == 0 {
        errors.add(
            "split.services",
            Code::Required,
            "needs at least one service with a weight above 0",
        );
    }
    let counts = [
        ("split.services", draft.services.len()),
        ("split.by_header", draft.by_header.len()),
        ("split.by_cookie", draft.by_cookie.len()),
    ];
    for (path, _) in counts.into_iter().filter(|(_, count)| *count > MAX_LIST) {
        errors.add(path, Code::OutOfRange, format!("has more than {MAX_LIST} entries"));
    }
    for (index, share) in draft.services.iter().enumerate() {
        if share.weight > MAX_WEIGHT {
            let path = format!("split.services.{index}.weight");
            errors.add(path, Code::OutOfRange, format!("must be 0 to {MAX_WEIGHT}"));
        }
        if draft.services[..index]
            .iter()
            .any(|other| other.service == share.service)
        {
            errors.add(
                place("services", index),
                Code::Conflict,
                "is there already; give each service once",
            );
        }
    }
    for (list, overrides) in [("by_header", &draft.by_header), ("by_cookie", &draft.by_cookie)] {
        for (index, choice) in overrides.iter().enumerate() {
            validate_cookie_name(&format!("split.{list}.{index}.name"), &choice.name, errors);
        }
    }
    parse(draft, errors)
}

fn validate_sticky(draft: &SplitDraft, errors: &mut Errors) {
    let named = matches!(draft.sticky, StickyOn::Header | StickyOn::Cookie);
    match &draft.sticky_name {
        None if named => errors.add(
            "split.sticky_name",
            Code::Required,
            "is required: which header or cookie",
        ),
        Some(name) if named => validate_cookie_name("split.sticky_name", name, errors),
        _ => {}
    }
}

fn parse(draft: &SplitDraft, errors: &mut Errors) -> Option<Split> {
    let mut id = |list: &str, index: usize, text: &str| -> Option<ServiceId> {
        let message = "does not exist: give the id or name of a service";
        text.parse()
            .map_err(|_| errors.add(place(list, index), Code::Invalid, message))
            .ok()
    };
    let mut overrides = |list: &str, all: &[OverrideDraft]| -> Vec<Option<Override>> {
        let read = all.iter().enumerate().map(|(index, choice)| {
            Some(Override {
                name: choice.name.clone(),
                value: choice.value.clone(),
                service: id(list, index, &choice.service)?,
            })
        });
        read.collect()
    };
    let by_header = overrides("by_header", &draft.by_header);
    let by_cookie = overrides("by_cookie", &draft.by_cookie);
    let shares = draft.services.iter().enumerate().map(|(index, share)| {
        Some(Share {
            service: id("services", index, &share.service)?,
            weight: share.weight,
        })
    });
    let services: Vec<Option<Share>> = shares.collect();
    Some(Split {
        services: services.into_iter().collect::<Option<_>>()?,
        sticky: draft.sticky,
        sticky_name: draft.sticky_name.clone(),
        by_header: by_header.into_iter().collect::<Option<_>>()?,
        by_cookie: by_cookie.into_iter().collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn errors_of(body: Value) -> Errors {
        let mut errors = Errors::new();
        validate(Some(&serde_json::from_value(body).expect("a draft")), &mut errors);
        errors
    }

    #[test]
    fn a_split_needs_ids_weights_and_names() {
        let (one, two) = (ServiceId::generate(), ServiceId::generate());
        let good = json!({"services": [{"service": one, "weight": 90}, {"service": two, "weight": 10}],
                          "sticky": "cookie", "sticky_name": "session",
                          "by_header": [{"name": "x-canary", "value": "yes", "service": two}]});
        assert!(errors_of(good).is_empty());
        let table = [
            (json!({"services": []}), "split.services"),
            (json!({"services": [{"service": one, "weight": 0}]}), "split.services"),
            (
                json!({"services": [{"service": one, "weight": 1001}]}),
                "split.services.0.weight",
            ),
            (
                json!({"services": [{"service": "no id", "weight": 1}]}),
                "split.services.0.service",
            ),
            (
                json!({"services": [{"service": one, "weight": 1}, {"service": one, "weight": 1}]}),
                "split.services.1.service",
            ),
            (
                json!({"services": [{"service": one, "weight": 1}], "sticky": "header"}),
                "split.sticky_name",
            ),
            (
                json!({"services": [{"service": one, "weight": 1}], "by_cookie": [{"name": "a b", "value": "", "service": two}]}),
                "split.by_cookie.0.name",
            ),
        ];
        for (body, path) in table {
            let errors = errors_of(body);
            assert!(errors.at(path).is_some(), "{path} is not in `{errors}`");
        }
    }
}
