//! The parts of the document that operations share: words, parameters, headers and refusals.

use serde_json::{Map, Value, json};

use crate::auth::CSRF_HEADER;

/// What the document begins with.
pub(super) const INTRODUCTION: &str = "\
Everything that Gatehouse can do, for automation.

**Signing in.** Send an API token: `Authorization: Bearer …`. Tokens have scopes such as `routes:write`; each operation names the right it needs.

**Lists** come page by page: send `next_cursor` of one page as `cursor` for the next. Parameters that are not known are refused.

**Writes.** Every write of configuration makes one revision, whose number is in `X-Config-Revision`. `dry_run=true` says what would \
happen and stores nothing. `Prefer: wait=2` (or `?wait=all&timeout=2s`) holds the answer until the gateways run the change; if they \
do not in time, the answer is 202 and names them. `Idempotency-Key` makes a POST safe to repeat for 24 hours.

**Conditions.** Answers with one object have an `ETag`; send it as `If-Match` to change only what you have seen.

**Problems** are `application/problem+json` (RFC 9457). All mistakes are listed at once in `errors`, each at the path of its member.";

/// What a group of operations is about.
pub(super) fn about(tag: &str) -> &'static str {
    match tag {
        "Services" => "APIs behind the gateway.",
        "Routes" => "Match rules that lead to services.",
        "Upstreams" => "Named pools of targets, and their targets.",
        "Certificates" => {
            "TLS of the gateway: certificates, the names that they answer (SNI), and the authorities of clients."
        }
        "Consumers" => "Identities that the data plane sees.",
        "Consumer groups" => "Consumers that share plugins; every plan is one.",
        "Credentials" => "Proofs of consumers. Secrets are shown once.",
        "Plugins" => "What happens to requests besides forwarding, and where.",
        "APIs" => "Entries of the portal's catalogue.",
        "Products" => "APIs that are offered together.",
        "Plans" => "Limits and terms of products.",
        "Developers" => "Accounts of the portal.",
        "Applications" => "Developers' programs, with their keys.",
        "Subscriptions" => "Applications' use of plans.",
        "Usage" => "What the gateways counted.",
        "Gateways" => "Running gateways and the revisions they run.",
        "Revisions" => "The history of configuration.",
        "Audit" => "Who did what, when.",
        "API tokens" => "How automation signs in.",
        "Administrators" => "People who run Gatehouse.",
        "Mails" => "The outbox.",
        _ => "",
    }
}

pub(super) fn security_schemes() -> Value {
    json!({
        "token": {"type": "http", "scheme": "bearer", "description": "An API token."},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-gatehouse_console",
            "description": format!("The console's session. Writes also need its token in `{CSRF_HEADER}`."),
        },
    })
}

/// A reference to one of [`parameters`].
pub(super) fn parameter_reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

/// A reference to one of [`responses`].
pub(super) fn response_reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/responses/{name}")})
}

pub(super) fn parameters() -> Value {
    let header = |name: &str, about: &str, example: &str| json!({"name": name, "in": "header", "description": about, "schema": {"type": "string"}, "example": example});
    json!({
        "Id": {
            "name": "id", "in": "path", "required": true,
            "description": "The id; where the object has a unique name, the name does as well.",
            "schema": {"type": "string"},
        },
        "IfMatch": header("If-Match", "Only if the object still has this `ETag`.", "\"3\""),
        "IfNoneMatch": header("If-None-Match", "`*`: only if there is no such object.", "*"),
        "Known": header("If-None-Match", "The `ETag` that is known; then the answer is 304 without a body.", "\"3\""),
        "Prefer": header("Prefer", "`wait=N` holds the answer until all gateways run the change, N seconds at most.", "wait=2"),
        "IdempotencyKey": header("Idempotency-Key", "Makes a repeated request give the first answer again, for 24 hours.", "7b1d0f3e"),
    })
}

/// A header of answers.
pub(super) fn header(name: &str) -> Value {
    let (about, example) = match name {
        "ETag" => ("The version of the object, for `If-Match`.", json!("\"1\"")),
        "Location" => (
            "Where the object is.",
            json!("/api/v1/services/0198c1d2-6f2a-7c3e-9b1d-2f6a1c0e9d11"),
        ),
        _ => (
            "The revision that this write made, or the newest when nothing changed.",
            json!("42"),
        ),
    };
    json!({"description": about, "schema": {"type": "string"}, "example": example})
}

pub(super) fn responses(problem: &Value, example: &Value) -> Map<String, Value> {
    let refusals = [
        (
            "BadRequest",
            "The request cannot be understood: a query parameter, a header or the JSON is wrong.",
        ),
        (
            "Unauthorized",
            "There is no valid token or session; see `WWW-Authenticate`.",
        ),
        (
            "Forbidden",
            "The right is missing, or the session's token against forged requests.",
        ),
        ("NotFound", "There is no such object."),
        ("NotAcceptable", "The client does not take JSON."),
        ("BodyTooSlow", "The body did not arrive in time."),
        (
            "Conflict",
            "The state of things forbids it; `dependants` names the objects that are in the way.",
        ),
        ("Changed", "Somebody changed the object; `current` is what it is now."),
        ("BodyTooLarge", "The body is larger than 1 MiB."),
        ("UnsupportedMediaType", "The body is not JSON."),
        ("Invalid", "The input is wrong; `errors` lists every mistake by path."),
        ("Unavailable", "It cannot be done right now; see `Retry-After`."),
    ];
    let mut all: Map<String, Value> = refusals
        .into_iter()
        .map(|(name, about)| {
            let mut content = json!({"schema": problem});
            if name == "Invalid" {
                content["example"] = example.clone();
            }
            (
                name.to_owned(),
                json!({"description": about, "content": {"application/problem+json": content}}),
            )
        })
        .collect();
    let pending = "The change is done, but not all gateways run it yet.";
    let schema = crate::shape::reference("Pending");
    all.insert(
        "Pending".to_owned(),
        json!({"description": pending, "content": {"application/json": {"schema": schema}}}),
    );
    all.insert("NotModified".to_owned(), json!({"description": "It is what you have."}));
    all
}
