//! Where a service is: at a URL, or at the targets of an upstream.

use url::{Host, Url};

use super::{ServiceDraft, ServiceProtocol};
use crate::id::UpstreamId;
use crate::validation::{Code, Errors, unknown_word};

/// Where a service is: the part of it that is either a URL or an upstream.
#[derive(Default)]
pub(super) struct Place {
    pub(super) url: Option<Url>,
    pub(super) upstream: Option<UpstreamId>,
    pub(super) protocol: Option<ServiceProtocol>,
    pub(super) path: Option<String>,
    pub(super) host: Option<String>,
}

impl Place {
    pub(super) fn validate(draft: &ServiceDraft, errors: &mut Errors) -> Option<Self> {
        let given = |text: &Option<String>| {
            text.clone()
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        match (given(&draft.url), given(&draft.upstream)) {
            (None, None) => {
                errors.add(
                    "url",
                    Code::Required,
                    "is required, unless `upstream` names the targets",
                );
                None
            }
            (Some(_), Some(_)) => {
                errors.add(
                    "upstream",
                    Code::Conflict,
                    "cannot be given together with `url`; keep one of them",
                );
                None
            }
            (Some(url), None) => {
                let with_url = [
                    ("protocol", &draft.protocol),
                    ("path", &draft.path),
                    ("host", &draft.host),
                ];
                for (path, _) in with_url.into_iter().filter(|(_, value)| given(value).is_some()) {
                    errors.add(path, Code::Conflict, "is part of `url`; give it only with `upstream`");
                }
                let url = validate_url(&url)
                    .map_err(|message| errors.add("url", Code::Invalid, message))
                    .ok()?;
                Some(Self {
                    url: Some(url),
                    ..Self::default()
                })
            }
            (None, Some(upstream)) => {
                let upstream = upstream
                    .parse()
                    .map_err(|_| errors.add("upstream", Code::Invalid, "must be an id"))
                    .ok();
                let protocol = validate_protocol(given(&draft.protocol).as_deref(), errors);
                let path = given(&draft.path).and_then(|path| validate_base_path(path, errors));
                let host = given(&draft.host).and_then(|host| validate_host(host, errors));
                Some(Self {
                    url: None,
                    upstream: Some(upstream?),
                    protocol: Some(protocol?),
                    path,
                    host,
                })
            }
        }
    }
}

fn validate_protocol(text: Option<&str>, errors: &mut Errors) -> Option<ServiceProtocol> {
    let word = text.unwrap_or("http");
    let protocol = ServiceProtocol::parse(word);
    if protocol.is_none() {
        let message = unknown_word("protocol", word, &ServiceProtocol::WORDS);
        errors.add("protocol", Code::Invalid, message);
    }
    protocol
}

fn validate_base_path(path: String, errors: &mut Errors) -> Option<String> {
    if !path.starts_with('/') || path.contains(['?', '#', ' ']) || path.chars().any(char::is_control) {
        errors.add(
            "path",
            Code::Invalid,
            "must begin with `/` and have no query, fragment or space",
        );
        return None;
    }
    Some(path)
}

fn validate_host(host: String, errors: &mut Errors) -> Option<String> {
    if Host::parse(&host).is_err() {
        errors.add(
            "host",
            Code::Invalid,
            "must be a host name or an IP address, without port and path",
        );
        return None;
    }
    Some(host)
}

fn validate_url(text: &str) -> Result<Url, String> {
    if !text.contains("://") {
        return Err(format!("has no scheme; write `http://{text}` or `https://{text}`"));
    }
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    if ServiceProtocol::parse(url.scheme()).is_none() {
        return Err(format!(
            "must begin with `http://`, `https://`, `grpc://` or `grpcs://`, not `{}://`",
            url.scheme()
        ));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("has no host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not carry a user name or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment".to_owned());
    }
    if url.port() == Some(0) {
        return Err("must not use port 0".to_owned());
    }
    Ok(url)
}
