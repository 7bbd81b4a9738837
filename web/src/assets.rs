//! Styles, scripts, fonts and icons: embedded in the program, served under names that change with their content.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::filters::HtmlSafe;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_embed::{Embed, EmbeddedFile};
use serde::Deserialize;

/// Where assets live; both the console and the portal serve them.
pub const PREFIX: &str = "/assets";

#[derive(Embed)]
#[folder = "dist"]
struct Dist;

/// What the build wrote, and under which names.
#[derive(Debug, Default, Deserialize)]
struct Manifest {
    files: HashMap<String, String>,
    fonts: Vec<String>,
    icons: Vec<String>,
}

static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    let read = Dist::get("manifest.json").and_then(|file| serde_json::from_slice(&file.data).ok());
    read.unwrap_or_default()
});

/// The URL of an asset: `app.css`, `shell.js`, `icons.svg`, `favicon.svg`.
pub fn url(name: &str) -> String {
    let file = MANIFEST.files.get(name);
    debug_assert!(file.is_some(), "the build has no asset {name}");
    format!("{PREFIX}/{}", file.map_or(name, String::as_str))
}

/// The URLs of the fonts that the first paint needs.
pub fn fonts() -> impl Iterator<Item = String> {
    MANIFEST
        .fonts
        .iter()
        .filter(|file| !file.contains("mono"))
        .map(|file| format!("{PREFIX}/{file}"))
}

/// An icon of the sprite.
#[derive(Debug, Clone, Copy)]
pub struct Icon<'a> {
    name: &'a str,
    class: &'a str,
}

/// The icon of this name, 16 pixels; decoration only, so a label must stand beside it.
pub fn icon(name: &str) -> Icon<'_> {
    debug_assert!(has_icon(name), "web/icons.txt has no icon {name}");
    Icon { name, class: "i" }
}

/// Whether the sprite has this icon.
pub fn has_icon(name: &str) -> bool {
    MANIFEST.icons.iter().any(|known| known == name)
}

impl<'a> Icon<'a> {
    /// With these classes, such as `i i-s ok-t`.
    pub fn class(self, class: &'a str) -> Self {
        Self { class, ..self }
    }
}

impl fmt::Display for Icon<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, class } = self;
        write!(
            f,
            r#"<svg class="{class}" aria-hidden="true"><use href="{}#{name}"/></svg>"#,
            url("icons.svg")
        )
    }
}

impl HtmlSafe for Icon<'_> {}

/// Serves the assets.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/assets/{file}", web::get().to(serve))
        .route("/assets/{file}", web::head().to(serve));
}

async fn serve(request: HttpRequest, file: web::Path<String>) -> HttpResponse {
    let known = !file.ends_with(".br") && !file.ends_with(".gz") && *file != "manifest.json";
    let Some(plain) = Dist::get(&file).filter(|_| known) else {
        return HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("There is no such file.");
    };
    let (body, encoding) = packed(&file, request.headers()).unwrap_or((plain, None));
    let tag = etag(&body);
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::VARY, "Accept-Encoding"))
        .insert_header((header::ETAG, tag.clone()));
    if request
        .headers()
        .get(header::IF_NONE_MATCH)
        .is_some_and(|seen| seen.as_bytes() == tag.as_bytes())
    {
        return response.status(actix_web::http::StatusCode::NOT_MODIFIED).finish();
    }
    if let Some(encoding) = encoding {
        response.insert_header((header::CONTENT_ENCODING, encoding));
    }
    response.content_type(mime(&file)).body(body.data.into_owned())
}

/// The smallest form that the browser takes.
fn packed(file: &str, headers: &HeaderMap) -> Option<(EmbeddedFile, Option<&'static str>)> {
    let accepted = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    [("br", ".br"), ("gzip", ".gz")]
        .into_iter()
        .filter(|(encoding, _)| accepts(accepted, encoding))
        .find_map(|(encoding, suffix)| Dist::get(&format!("{file}{suffix}")).map(|packed| (packed, Some(encoding))))
}

/// Whether `Accept-Encoding` names this encoding, and not with the weight 0.
fn accepts(header: &str, encoding: &str) -> bool {
    header.split(',').any(|part| {
        let mut parameters = part.split(';').map(str::trim);
        let named = parameters
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused = parameters.any(|parameter| {
            parameter
                .strip_prefix("q=")
                .and_then(|weight| weight.parse::<f32>().ok())
                .is_some_and(|weight| weight <= 0.0)
        });
        named && !refused
    })
}

fn etag(file: &EmbeddedFile) -> String {
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&file.metadata.sha256_hash()[..12]))
}

fn mime(file: &str) -> &'static str {
    match file.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test};

    use super::*;

    async fn get(path: &str, encoding: &str) -> (u16, HeaderMap) {
        let app = test::init_service(App::new().configure(configure)).await;
        let request = test::TestRequest::get()
            .uri(path)
            .insert_header((header::ACCEPT_ENCODING, encoding));
        let response = test::call_service(&app, request.to_request()).await;
        (response.status().as_u16(), response.headers().clone())
    }

    #[actix_web::test]
    async fn the_smallest_accepted_form_is_sent() {
        for (accepted, sent) in [
            ("gzip, br", Some("br")),
            ("gzip", Some("gzip")),
            ("br;q=0", None),
            ("", None),
        ] {
            let (status, headers) = get(&url("app.css"), accepted).await;
            assert_eq!(status, 200);
            let encoding = headers
                .get(header::CONTENT_ENCODING)
                .map(|value| value.to_str().expect("ascii"));
            assert_eq!(encoding, sent, "for {accepted}");
            assert_eq!(
                headers.get(header::CONTENT_TYPE).expect("typed"),
                "text/css; charset=utf-8"
            );
            assert!(
                headers
                    .get(header::CACHE_CONTROL)
                    .expect("cached")
                    .to_str()
                    .expect("ascii")
                    .contains("immutable")
            );
        }
    }

    #[actix_web::test]
    async fn what_is_not_an_asset_is_not_found() {
        for path in ["/assets/manifest.json", "/assets/nothing.js", "/assets/..%2Fbuild.mjs"] {
            assert_eq!(get(path, "").await.0, 404, "{path}");
        }
        assert_eq!(get(&format!("{}.br", url("app.css")), "").await.0, 404);
    }

    #[actix_web::test]
    async fn a_known_etag_saves_the_body() {
        let app = test::init_service(App::new().configure(configure)).await;
        let path = url("shell.js");
        let first = test::call_service(&app, test::TestRequest::get().uri(&path).to_request()).await;
        let tag = first.headers().get(header::ETAG).expect("tagged").clone();
        let again = test::TestRequest::get()
            .uri(&path)
            .insert_header((header::IF_NONE_MATCH, tag))
            .to_request();
        assert_eq!(test::call_service(&app, again).await.status(), 304);
    }

    #[::core::prelude::v1::test]
    fn every_plugin_has_its_icon() {
        for plugin in &plugins::REGISTRY {
            assert!(
                has_icon(plugin.icon),
                "add {} to web/icons.txt for {}",
                plugin.icon,
                plugin.name
            );
        }
    }

    /// Where the macros of `ui.html` take the name of an icon, counted from 0.
    const ICON_ARGUMENTS: [(&str, usize); 12] = [
        ("assets::icon", 0),
        ("ui::icon", 0),
        ("ui::tile", 0),
        ("ui::button", 1),
        ("ui::link_button", 2),
        ("ui::icon_button", 2),
        ("ui::ask_button", 2),
        ("ui::act", 3),
        ("ui::menu_link", 2),
        ("ui::empty", 0),
        ("ui::note", 1),
        ("ui::event", 0),
    ];

    /// The arguments of a call that begins here, behind its bracket.
    fn arguments(call: &str) -> Vec<&str> {
        let (mut found, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0, false);
        for (at, character) in call.char_indices() {
            match character {
                '"' => quoted = !quoted,
                _ if quoted => {}
                '(' | '[' => depth += 1,
                ')' | ']' if depth > 0 => depth -= 1,
                ',' | ')' if depth == 0 => {
                    found.push(call[start..at].trim());
                    start = at + 1;
                    if character == ')' {
                        return found;
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn templates(folder: &std::path::Path, found: &mut Vec<(std::path::PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                templates(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).expect("a text");
                found.push((path, text));
            }
        }
    }

    #[::core::prelude::v1::test]
    fn every_icon_of_a_template_is_in_the_sprite() {
        let mut texts = Vec::new();
        templates(std::path::Path::new("templates"), &mut texts);
        let (mut seen, mut missing) = (0, Vec::new());
        for (path, text) in &texts {
            for (name, place) in ICON_ARGUMENTS {
                for (at, _) in text.match_indices(&format!("{name}(")) {
                    let arguments = arguments(&text[at + name.len() + 1..]);
                    let icon = arguments
                        .get(place)
                        .and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
                    if let Some(icon) = icon.filter(|icon| !icon.is_empty()) {
                        seen += 1;
                        if !has_icon(icon) {
                            missing.push(format!("{icon} of {}", path.display()));
                        }
                    }
                }
            }
        }
        assert!(seen > 50, "the templates use icons; this test no longer sees them");
        assert!(missing.is_empty(), "add to web/icons.txt: {missing:?}");
    }
}
