//! Where in the console an object is seen, whatever kind it is.

use model::Kind;
use serde_json::Value;

use crate::urls;

/// The page of an object, if the console has one; what is part of another object is seen on that one's page.
pub(super) fn page_of(kind: Kind, id: impl std::fmt::Display, state: Option<&Value>) -> Option<String> {
    let owner = |member: &str, kind: Kind| {
        let id = state?.get(member)?.as_str()?;
        Some(urls::console::object(kind, id))
    };
    match kind {
        Kind::Service
        | Kind::Route
        | Kind::Upstream
        | Kind::Certificate
        | Kind::CaCertificate
        | Kind::AcmeAccount
        | Kind::Consumer
        | Kind::Plugin
        | Kind::Api
        | Kind::Product
        | Kind::Plan => Some(urls::console::object(kind, id)),
        Kind::Target => owner("upstream", Kind::Upstream),
        Kind::Sni | Kind::AcmeChallenge => owner("certificate", Kind::Certificate),
        Kind::Credential => owner("consumer", Kind::Consumer),
        Kind::Subscription | Kind::Application | Kind::Developer => Some(urls::console::list(kind)),
        Kind::Admin => Some(urls::console::ADMINS.to_owned()),
        Kind::ApiToken => Some(urls::console::TOKENS.to_owned()),
        Kind::Mail => Some(urls::console::setting(urls::console::MAILS, id, "")),
        _ => None,
    }
}

/// The icon of a kind.
pub(super) fn icon_of(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Service) => "server",
        Some(Kind::Route) => "git-fork",
        Some(Kind::Upstream | Kind::Target) => "network",
        Some(Kind::Certificate | Kind::Sni | Kind::CaCertificate) => "lock",
        Some(Kind::AcmeAccount | Kind::AcmeChallenge) => "refresh-cw",
        Some(Kind::Consumer | Kind::ConsumerGroup) => "users",
        Some(Kind::Credential | Kind::ApiToken) => "key-round",
        Some(Kind::Plugin) => "plug",
        Some(Kind::Api) => "book-open",
        Some(Kind::Product) => "package",
        Some(Kind::Plan | Kind::Subscription) => "layers",
        Some(Kind::Application) => "box",
        Some(Kind::Admin | Kind::Developer | Kind::Session) => "user-round",
        Some(Kind::Mail) => "mail",
        None => "activity",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_part_of_another_object_is_seen_there() {
        let target = json!({"upstream": "u-1", "address": "10.0.0.1:80"});
        assert_eq!(
            page_of(Kind::Target, "t-1", Some(&target)).as_deref(),
            Some("/console/upstreams/u-1")
        );
        assert_eq!(page_of(Kind::Target, "t-1", None), None);
        assert_eq!(
            page_of(Kind::Plugin, "p-1", None).as_deref(),
            Some("/console/plugins/p-1")
        );
        assert_eq!(
            page_of(Kind::Route, "r-1", None).as_deref(),
            Some("/console/routes/r-1")
        );
    }

    #[test]
    fn every_kind_has_an_icon() {
        for kind in Kind::ALL {
            assert!(crate::assets::has_icon(icon_of(Some(*kind))), "{kind}");
        }
    }
}
