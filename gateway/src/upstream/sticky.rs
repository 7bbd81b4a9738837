//! The cookie that keeps a client with its target.

use hmac::{Hmac, Mac as _};
use model::upstream::StickyCookie;
use sha2::Sha256;

/// The key under which targets are named in cookies, so that their values say nothing about addresses.
#[derive(Clone, Copy)]
pub(super) struct CookieKey(pub(super) [u8; 32]);

impl std::fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieKey")
    }
}

impl CookieKey {
    /// What a cookie calls a target: the same at every gateway of a deployment.
    pub(super) fn value(self, target: &str) -> String {
        let digest = digest(&self.0, target.as_bytes());
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A keyed digest.
pub(super) fn digest(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// The value of `Set-Cookie`.
pub(super) fn set_cookie(cookie: &StickyCookie, value: &str, secure: bool) -> String {
    let mut line = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax", cookie.name);
    if cookie.ttl_seconds > 0 {
        line.push_str("; Max-Age=");
        line.push_str(&cookie.ttl_seconds.to_string());
    }
    if secure {
        line.push_str("; Secure");
    }
    line
}
