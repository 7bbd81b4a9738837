//! The component kit: one page with every part, to look at and to check.
//!
//! The test leaves it in `target/kit`; `node kit.mjs` in `web/` serves and photographs it.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures that somebody made up"
)]

use askama::Template;
use model::actor::Role;
use model::validation::{Code, Errors};
use plugins::REGISTRY;
use serde_json::json;
use time::macros::datetime;

use crate::charts::{Chart, Color};
use crate::diff::Diff;
use crate::fields::{Choice, Fields};
use crate::navigation::{Area, NodeLine, Person, PortalArea};
use crate::page::{AuthPage, ConsolePage, Flash, PortalPage};
use crate::query::Pager;
use crate::schema_form::SchemaForm;
use crate::spark::{Spark, spark};
use crate::times::{Time, time};

#[derive(Template)]
#[template(path = "kit/console.html")]
struct ConsoleKit {
    page: ConsolePage,
    traffic: Chart,
    latency: Chart,
    sparks: Vec<Spark>,
    diff: Diff,
    fields: Fields,
    forms: Vec<(&'static str, SchemaForm)>,
    pager: Pager,
    when: Time,
    choices: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "kit/portal.html")]
struct PortalKit {
    page: PortalPage,
}

#[derive(Template)]
#[template(path = "kit/sign_in.html")]
struct AuthKit {
    page: AuthPage,
    fields: Fields,
}

fn traffic() -> (Chart, Chart) {
    let start = datetime!(2026-11-22 00:00 UTC);
    let times: Vec<_> = (0..48).map(|step| start + time::Duration::minutes(30 * step)).collect();
    let wave = |at: usize, low: f64, high: f64| {
        low + (high - low) * (1.0 - (std::f64::consts::TAU * (at as f64 - 4.0) / 48.0).cos()) / 2.0
    };
    let good: Vec<u64> = (0..48).map(|at| wave(at, 210_000.0, 540_000.0) as u64).collect();
    let refused: Vec<u64> = (0..48).map(|at| wave(at, 12_000.0, 21_000.0) as u64).collect();
    let failed: Vec<u64> = (0..48)
        .map(|at| if (37..41).contains(&at) { 33_000 } else { 900 })
        .collect();
    let bars = Chart::bars("Traffic by status in the last 24 hours", times.clone())
        .counts("2xx", Color::Mute, &good)
        .counts("4xx", Color::Warn, &refused)
        .counts("5xx", Color::Bad, &failed);
    let line = |low: f64, high: f64| (0..48).map(|at| Some(wave(at, low, high))).collect::<Vec<_>>();
    let lines = Chart::lines("Latency in the last 24 hours", times)
        .unit("ms")
        .series("p50", Color::Faint, line(24.0, 34.0))
        .series("p95", Color::Accent, line(98.0, 136.0))
        .area()
        .series("p99", Color::Plum, line(190.0, 260.0))
        .dashed();
    (bars, lines)
}

fn console_page() -> ConsolePage {
    ConsolePage {
        title: "Component kit".into(),
        theme: None,
        csrf: "token".into(),
        flash: Some(Flash::ok("Route disabled and live on all 3 nodes")),
        area: Area::Routes,
        crumbs: vec![("Routes".into(), "/console/routes".into())],
        person: Person {
            name: "Mara Okafor".into(),
            email: "mara@example.com".into(),
            initials: "MO".into(),
            role: "Owner".into(),
        },
        nodes: NodeLine {
            tone: "ok",
            text: "3 of 3 nodes on revision 418".into(),
        },
        rights: Role::Owner.rights(),
    }
}

fn route_fields() -> Fields {
    let stored = json!({
        "name": "create-charge", "hosts": ["api.example.com", "api example"], "methods": ["GET", "POST"],
        "tags": ["team:payments", "eu"], "headers": {"x-version": ["1", "2"]}, "port": "80a", "protocol": "https",
        "enabled": "true", "note": "",
    });
    let mut errors = Errors::one("hosts.1", Code::Invalid, "must be a host name without spaces");
    errors.add("port", Code::WrongType, "must be a whole number");
    Fields::of(&stored).with_errors(&errors)
}

fn plugin_forms() -> Vec<(&'static str, SchemaForm)> {
    let rate_limit = json!({ "config": { "limits": [{ "requests": 600, "window_seconds": 60, "by": "consumer" }] } });
    let forms = REGISTRY.iter().map(|plugin| {
        let is_set = plugin.name == "rate-limit";
        let fields = if is_set {
            Fields::of(&rate_limit)
        } else {
            Fields::empty()
        };
        let schema = (plugin.schema)();
        (plugin.title, SchemaForm::new(schema.as_value(), "config", &fields))
    });
    forms.collect()
}

fn limit_diff() -> Diff {
    let of = |requests: u32| json!({ "name": "rate", "config": { "limits": [{ "requests": requests, "window_seconds": 60 }] }, "tags": ["eu"] });
    Diff::of(Some(&of(400)), Some(&of(600)))
}

fn console_kit() -> ConsoleKit {
    let (traffic, latency) = traffic();
    let wave: Vec<f64> = (0..30).map(|at| 20.0 + 12.0 * (f64::from(at) / 5.0).sin()).collect();
    let peak = (0..30).map(|at| if at == 22 { 30.0 } else { 1.0 }).collect();
    let falling = wave.iter().rev().copied().collect();
    ConsoleKit {
        page: console_page(),
        traffic,
        latency,
        sparks: vec![spark(wave), spark(peak).bad(), spark(falling), spark(vec![0.0; 30])],
        diff: limit_diff(),
        fields: route_fields(),
        forms: plugin_forms(),
        pager: Pager {
            text: "1–50 of 1,204".into(),
            first: None,
            next: Some("?cursor=x".into()),
        },
        when: time(datetime!(2026-11-22 11:48 UTC), datetime!(2026-11-22 12:00 UTC)),
        choices: vec![Choice::new("https", "https"), Choice::new("http", "http")],
    }
}

fn method_choices() -> Vec<Choice> {
    ["GET", "POST", "PUT", "PATCH", "DELETE"]
        .into_iter()
        .map(|method| Choice::new(method, method))
        .collect()
}

fn pages() -> Vec<(&'static str, String)> {
    let person = Person {
        name: "Jo Lund".into(),
        email: "jo@example.com".into(),
        initials: "JL".into(),
        role: String::new(),
    };
    let page = PortalPage {
        title: "Checkout app".into(),
        theme: None,
        csrf: "token".into(),
        flash: None,
        area: PortalArea::Applications,
        person: Some(person),
        address: "/".into(),
    };
    let auth = AuthPage {
        title: "Sign in".into(),
        theme: None,
        csrf: "token".into(),
        flash: None,
    };
    let wrong = Errors::one("password", Code::Required, "is required");
    let fields = Fields::of(&json!({ "email": "mara@example.com" })).with_errors(&wrong);
    vec![
        ("console", console_kit().render().expect("renders")),
        ("portal", PortalKit { page }.render().expect("renders")),
        ("auth", AuthKit { page: auth, fields }.render().expect("renders")),
        ("error", String::from_utf8(error_page()).expect("text")),
    ]
}

fn error_page() -> Vec<u8> {
    use actix_web::ResponseError as _;
    use actix_web::body::MessageBody as _;
    let error = crate::PageError::Control(control::Error::InUse {
        kind: model::Kind::Service,
        name: "orders".into(),
        dependants: vec![control::Dependant {
            kind: model::Kind::Route,
            id: uuid::Uuid::nil(),
            name: "list-orders".into(),
        }],
    });
    error
        .error_response()
        .into_body()
        .try_into_bytes()
        .expect("complete")
        .to_vec()
}

#[test]
fn every_part_is_printed_without_inline_script_or_style() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/kit");
    std::fs::create_dir_all(directory).expect("writable");
    for (name, html) in pages() {
        for forbidden in [
            " style=",
            "<style",
            " onclick=",
            " onload=",
            "javascript:",
            "hx-on",
            "js:",
        ] {
            assert!(!html.contains(forbidden), "{name} has {forbidden}");
        }
        let scripts: Vec<&str> = html
            .split("<script")
            .skip(1)
            .filter_map(|rest| rest.split('>').next())
            .collect();
        assert!(
            scripts
                .iter()
                .all(|tag| tag.contains("src=") || tag.contains("application/json")),
            "{name}: {scripts:?}"
        );
        std::fs::write(format!("{directory}/{name}.html"), html).expect("written");
    }
}

#[test]
fn no_id_comes_twice() {
    for (name, html) in pages() {
        let mut ids: Vec<&str> = html
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        ids.retain(|id| !id.is_empty());
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{name} has an id twice");
    }
}
