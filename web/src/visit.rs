//! Who asks for a page: found once per request, handed to handlers by extractors, and how they answer.

use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::cookie::Cookie;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control::accounts::sessions::{self, Opened, Session};
use control::accounts::{AccountKind, Client};
use control::secrets::random_token;
use control::{Control, Error, Settings, Written, gateways};
use model::actor::Actor;
use model::{Code, Errors, forwarded};

use crate::error::{PageError, PageResult};
use crate::page::{AuthPage, Flash};
use crate::session::{Cookies, same_token, visit_token};
use crate::{text, urls};

/// What to say when two people change one object at once. The form then carries the new version.
const STALE: &str = "somebody else changed this while the form was open. What you typed is still here: look at what it \
                     is now, then save again to replace it";

/// How long a save waits for the gateways before the page says that they are still at it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// A request for a page, signed in or not.
#[derive(Debug, Clone)]
pub struct Visit(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    control: Control,
    cookies: Cookies,
    home: &'static str,
    session: Option<Session>,
    secret: Option<String>,
    visit: String,
    visit_is_new: bool,
    theme: Option<&'static str>,
    flash: Option<Flash>,
    wish: Option<String>,
    address: String,
    peer: IpAddr,
    user_agent: String,
}

/// Middleware around the pages for one kind of account: finds out who asks.
pub async fn identify<B: MessageBody + 'static>(
    kind: AccountKind,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let visit = match Visit::find(kind, request.request()).await {
        Ok(visit) => visit,
        Err(error) => {
            let (request, _) = request.into_parts();
            return Ok(ServiceResponse::new(request, error.error_response()).map_into_right_body());
        }
    };
    request.extensions_mut().insert(visit.clone());
    let is_htmx = request.headers().contains_key("hx-request");
    let response = next.call(request).await?;
    let failed = response
        .response()
        .error()
        .and_then(|error| error.as_error::<PageError>());
    let mut response = match failed.map(|error| error.dressed(visit.theme(), visit.0.home)) {
        Some(dressed) => response.into_response(dressed).map_into_right_body(),
        None => response.map_into_left_body(),
    };
    if is_htmx {
        leave_whole(response.response_mut());
    }
    Ok(response)
}

/// htmx follows redirects by itself and would put the whole page where a part belongs: tell it to leave instead.
fn leave_whole<B>(response: &mut HttpResponse<B>) {
    if !response.status().is_redirection() {
        return;
    }
    if let Some(location) = response.headers_mut().remove(header::LOCATION).next() {
        *response.status_mut() = StatusCode::OK;
        response
            .headers_mut()
            .insert(header::HeaderName::from_static("hx-redirect"), location);
    }
}

/// Where somebody is, behind proxies that are trusted.
fn peer(request: &HttpRequest, settings: &Settings) -> IpAddr {
    let peer = request.peer_addr();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.ip());
    let values = request.headers().get_all("x-forwarded-for");
    let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    forwarded::client(peer, &values, &settings.trusted_proxies)
}

impl Visit {
    async fn find(kind: AccountKind, request: &HttpRequest) -> Result<Self, PageError> {
        let control = request
            .app_data::<web::Data<Control>>()
            .ok_or(PageError::NotFound)?
            .get_ref()
            .clone();
        let settings = control.settings();
        let (url, home) = match kind {
            AccountKind::Admin => (&settings.console_url, urls::console::HOME),
            AccountKind::Developer => (&settings.portal_url, urls::portal::HOME),
        };
        let cookies = Cookies::new(kind, url);
        let secret = cookies.session(request);
        let session = match &secret {
            Some(secret) => sessions::resolve(&control, kind, secret).await?,
            None => None,
        };
        let visit = cookies.read(request, "visit");
        let header = |name: &str| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let inner = Inner {
            cookies,
            home,
            session,
            secret,
            visit_is_new: visit.is_none(),
            visit: visit.unwrap_or_else(random_token),
            theme: theme(request),
            flash: cookies.read(request, "flash").and_then(|text| Flash::decode(&text)),
            wish: cookies.read(request, "wish").and_then(|text| decode(&text)),
            address: way_here(request, home),
            peer: peer(request, settings),
            user_agent: header("user-agent").chars().take(200).collect(),
            control,
        };
        Ok(Self(Rc::new(inner)))
    }

    /// The visit that [`identify`] found.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, PageError> {
        request.extensions().get::<Self>().cloned().ok_or(PageError::NotFound)
    }

    /// The way to every operation.
    pub fn control(&self) -> &Control {
        &self.0.control
    }

    /// Who is signed in.
    pub fn session(&self) -> Option<&Session> {
        self.0.session.as_ref()
    }

    /// The browser, for throttling and the list of sessions.
    pub fn client(&self) -> Client<'_> {
        Client {
            address: self.0.peer,
            user_agent: &self.0.user_agent,
            session: self.0.secret.as_deref(),
        }
    }

    /// The chosen theme; without one the system's counts.
    pub fn theme(&self) -> Option<&'static str> {
        self.0.theme
    }

    /// Path and query of this request.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// The token that forms of this page carry.
    pub fn form_token(&self) -> String {
        self.session()
            .map_or_else(|| visit_token(&self.0.visit), |session| session.csrf.clone())
    }

    pub(crate) fn accepts(&self, token: &str) -> bool {
        (self.session().is_some() || !self.0.visit_is_new) && same_token(&self.form_token(), token)
    }

    pub(crate) fn flash(&self) -> Option<Flash> {
        self.0.flash.clone()
    }

    /// Where somebody wanted to go before an account had to be made.
    pub(crate) fn wish(&self) -> Option<&str> {
        self.0.wish.as_deref()
    }

    /// Keeps in this browser where somebody wants to go once there is an account.
    pub(crate) fn keep_wish(&self, response: &mut HttpResponse, place: &str) {
        if let Some(place) = local(place) {
            let cookie = self.0.cookies.make("wish", URL_SAFE_NO_PAD.encode(place));
            // A cookie that cannot be added costs a click, no more.
            let _ = response.add_cookie(&cookie);
        }
    }

    /// What a page without navigation shows around its card.
    pub fn auth_page(&self, title: &str) -> AuthPage {
        AuthPage {
            title: title.to_owned(),
            theme: self.theme(),
            csrf: self.form_token(),
            flash: self.flash(),
        }
    }

    /// The page.
    pub fn html(&self, page: &impl Template) -> PageResult {
        self.render(StatusCode::OK, page)
    }

    /// The page again, because what was typed is not valid.
    pub fn invalid(&self, page: &impl Template) -> PageResult {
        self.render(StatusCode::UNPROCESSABLE_ENTITY, page)
    }

    /// The page with another status.
    pub fn render(&self, status: StatusCode, page: &impl Template) -> PageResult {
        let mut response = HttpResponse::build(status);
        response
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .content_type("text/html; charset=utf-8");
        if self.0.visit_is_new && self.session().is_none() {
            response.cookie(self.0.cookies.make("visit", self.0.visit.clone()));
        }
        if self.0.flash.is_some() {
            response.cookie(self.0.cookies.removal("flash"));
        }
        Ok(response.body(page.render()?))
    }

    /// Goes on to another page.
    pub fn redirect(&self, location: impl Into<String>) -> PageResult {
        Ok(leave(&location.into(), &[]))
    }

    /// Goes on to another page, which shows a toast.
    pub fn redirect_with(&self, location: impl Into<String>, flash: &Flash) -> PageResult {
        Ok(leave(&location.into(), &[self.0.cookies.make("flash", flash.encode())]))
    }

    /// Begins a session in this browser and goes on, to a place of ours only.
    pub fn sign_in(&self, opened: &Opened, location: &str) -> PageResult {
        let stay = opened.session.expires_at - self.control().now();
        Ok(leave(
            self.way_back(location),
            &[
                self.0.cookies.start(&opened.cookie, stay),
                self.0.cookies.removal("visit"),
                self.0.cookies.removal("wish"),
            ],
        ))
    }

    /// Where somebody wanted to go, if that is a place of ours; else the start.
    pub(crate) fn way_back<'a>(&self, location: &'a str) -> &'a str {
        local(location).unwrap_or(self.0.home)
    }

    /// Ends the session, here and in this browser, and goes on.
    pub async fn sign_out(&self, location: &str) -> PageResult {
        if let Some(session) = self.session() {
            sessions::end(self.control(), session).await?;
        }
        Ok(leave(location, &[self.0.cookies.end()]))
    }

    pub(crate) fn sign_in_first(&self, page: &str) -> PageError {
        PageError::SignIn(urls::with_query(page, &[("next", self.address())]))
    }

    /// Says that a change is saved and which gateways run it, on the page that follows.
    pub async fn saved<T>(&self, written: &Written<T>, words: &str, location: impl Into<String>) -> PageResult {
        let flash = match written.revision {
            None => Flash::ok("Nothing changed"),
            Some(revision) => Flash::ok(format!("{words} {}", self.liveness(revision).await?)),
        };
        self.redirect_with(location, &flash)
    }

    /// Says that something is done, once the gateways know it, on the page that follows; for people who need not know
    /// what a gateway is.
    pub async fn done<T>(&self, written: &Written<T>, words: &str, location: impl Into<String>) -> PageResult {
        let behind = match written.revision {
            Some(revision) => gateways::wait(self.control(), revision, gateways::WaitFor::All, PATIENCE)
                .await?
                .len(),
            None => 0,
        };
        let flash = match behind {
            0 => Flash::ok(words),
            _ => Flash::warn(format!("{words}; it takes effect in a moment")),
        };
        self.redirect_with(location, &flash)
    }

    async fn liveness(&self, revision: i64) -> Result<String, PageError> {
        let behind = gateways::wait(self.control(), revision, gateways::WaitFor::All, PATIENCE)
            .await?
            .len();
        let all = gateways::list(self.control(), &Actor::system()).await?;
        let live = all.iter().filter(|gateway| gateway.live).count();
        Ok(match live {
            0 => format!("as revision {revision}; no gateway is running"),
            _ if behind == 0 => format!(
                "on {live} of {}",
                text::plural(gateways_of(live), "gateway", "gateways")
            ),
            _ => format!(
                "as revision {revision}, on {} of {live} gateways so far",
                live.saturating_sub(behind)
            ),
        })
    }
}

fn gateways_of(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn leave(location: &str, cookies: &[Cookie<'static>]) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((header::LOCATION, location));
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    for cookie in cookies {
        response.cookie(cookie.clone());
    }
    response.finish()
}

fn theme(request: &HttpRequest) -> Option<&'static str> {
    match request.cookie("theme")?.value() {
        "dark" => Some("dark"),
        "light" => Some("light"),
        _ => None,
    }
}

impl FromRequest for Visit {
    type Error = PageError;
    type Future = Ready<Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// Where to come back to after signing in: only pages that are looked at, not forms that are sent.
fn way_here(request: &HttpRequest, home: &str) -> String {
    if request.method().is_safe() {
        request.uri().to_string()
    } else {
        home.to_owned()
    }
}

/// A way back that leads nowhere but to ourselves.
fn local(location: &str) -> Option<&str> {
    let foreign = !location.starts_with('/')
        || location.starts_with("//")
        || location.contains(|letter: char| letter == '\\' || letter.is_control());
    (!foreign).then_some(location)
}

/// What a form can show beside its fields or above them; every other error is a page of its own.
pub fn form_errors(error: Error) -> Result<Errors, PageError> {
    match error {
        Error::Invalid(errors) => Ok(errors),
        Error::Conflict(message) => Ok(Errors::one("", Code::Conflict, message)),
        Error::Stale { .. } => Ok(Errors::one("", Code::Conflict, STALE)),
        other => Err(other.into()),
    }
}

fn decode(cookie: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(cookie).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_stays_here() {
        assert_eq!(local("/console/routes?q=a"), Some("/console/routes?q=a"));
        for foreign in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "",
        ] {
            assert_eq!(local(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn people_behind_a_trusted_proxy_have_addresses_of_their_own() {
        let url = String::new;
        let mut settings = Settings {
            key_brand: "gh".to_owned(),
            console_url: url(),
            portal_url: url(),
            proxy_url: url(),
            trusted_proxies: Vec::new(),
        };
        let request = actix_web::test::TestRequest::default()
            .peer_addr(([10, 0, 0, 1], 5000).into())
            .insert_header(("x-forwarded-for", "192.0.2.9, 192.0.2.1"))
            .to_http_request();
        assert_eq!(peer(&request, &settings).to_string(), "10.0.0.1");
        settings.trusted_proxies = vec!["10.0.0.0/8".parse().expect("a network")];
        assert_eq!(peer(&request, &settings).to_string(), "192.0.2.1");
    }
}
