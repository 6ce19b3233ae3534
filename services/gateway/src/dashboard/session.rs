//! Who is signed in: a cookie with a session token of ours, and the tokens that its forms carry.
//!
//! The cookie is for the pages alone (`Path=/app`): REST takes bearer tokens, so that no other site can
//! ask it anything in the name of somebody who is signed in here.

use std::fmt::Write as _;
use std::time::Duration;

use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use quittance_chassis::config::Mode;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The token of whoever is signed in, or of the member that they view as.
const SESSION: &str = "quittance";
/// The token of an admin who views as somebody else, to return to.
const OWN: &str = "quittance-own";
/// What a sign-in at the identity provider must fit to.
const BEGUN: &str = "quittance-sign-in";
/// A secret of visitors who are not signed in, for the forms that they may send.
const VISIT: &str = "quittance-visit";

/// What the cookies of a request say.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub(super) token: Option<String>,
    pub(super) own: Option<String>,
    pub(super) begun: Option<String>,
    visit: Option<String>,
}

impl Session {
    pub(super) fn read(headers: &HeaderMap, mode: Mode) -> Self {
        let mut session = Self::default();
        for line in headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok()) {
            for (name, value) in line.split(';').filter_map(|pair| pair.trim().split_once('=')) {
                let place = if name == named(SESSION, mode) {
                    &mut session.token
                } else if name == named(OWN, mode) {
                    &mut session.own
                } else if name == named(BEGUN, mode) {
                    &mut session.begun
                } else if name == named(VISIT, mode) {
                    &mut session.visit
                } else {
                    continue;
                };
                *place = Some(value.to_owned()).filter(|value| !value.is_empty());
            }
        }
        session
    }

    /// Makes sure that there is a secret which forms can be bound to, and says whether it is new.
    pub(super) fn visiting(&mut self) -> bool {
        let is_new = self.token.is_none() && self.visit.is_none();
        if is_new {
            self.visit = Some(format!("{}{}", Uuid::now_v7().simple(), Uuid::now_v7().simple()));
        }
        is_new
    }

    /// What every form of this session carries. Nobody can know it who does not know the cookie.
    pub(super) fn form_token(&self) -> String {
        let secret = self.token.as_ref().or(self.visit.as_ref());
        let mut digest = Sha256::new();
        digest.update(b"quittance form\0");
        digest.update(secret.map(String::as_bytes).unwrap_or_default());
        hex::encode(digest.finalize())
    }

    /// Whether a form comes from a page of this session.
    pub(super) fn owns(&self, form_token: &str) -> bool {
        if self.token.is_none() && self.visit.is_none() {
            return false;
        }
        let expected = self.form_token();
        let same = |(a, b): (u8, u8)| u32::from(a ^ b);
        // All bytes are looked at, so that time says nothing.
        expected.len() == form_token.len()
            && expected.bytes().zip(form_token.bytes()).map(same).sum::<u32>() == 0
    }

    pub(super) fn visit_secret(&self) -> Option<&str> {
        self.visit.as_deref()
    }
}

/// Browsers take a name with this prefix over TLS only.
fn named(name: &str, mode: Mode) -> String {
    match mode {
        Mode::Production => format!("__Secure-{name}"),
        Mode::Development => name.to_owned(),
    }
}

/// Changes to the cookies, on an answer.
pub(super) struct Cookies<'a> {
    pub(super) response: &'a mut Response,
    pub(super) mode: Mode,
}

impl Cookies<'_> {
    pub(super) fn sign_in(&mut self, token: &str, lifetime: Duration) {
        self.set(SESSION, token, lifetime);
    }

    pub(super) fn keep_own(&mut self, token: &str, lifetime: Duration) {
        self.set(OWN, token, lifetime);
    }

    pub(super) fn visit(&mut self, secret: &str, lifetime: Duration) {
        self.set(VISIT, secret, lifetime);
    }

    /// Keeps what a sign-in at the identity provider must fit to.
    pub(super) fn begin(&mut self, kept: &str, lifetime: Duration) {
        self.set(BEGUN, kept, lifetime);
    }

    pub(super) fn forget_own(&mut self) {
        self.set(OWN, "", Duration::ZERO);
    }

    pub(super) fn forget(&mut self) {
        self.set(SESSION, "", Duration::ZERO);
        self.forget_own();
    }

    fn set(&mut self, name: &str, value: &str, lifetime: Duration) {
        let mut cookie = named(name, self.mode);
        let _ = write!(
            cookie,
            "={value}; Path=/app; HttpOnly; SameSite=Lax; Max-Age={}",
            lifetime.as_secs()
        );
        if self.mode == Mode::Production {
            cookie.push_str("; Secure");
        }
        // Tokens are ASCII.
        if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
            cookie.set_sensitive(true);
            self.response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    fn session(cookie: &'static str) -> Session {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static(cookie));
        Session::read(&headers, Mode::Development)
    }

    #[test]
    fn a_form_belongs_to_the_session_whose_page_it_was_on() {
        let dana = session("theme=dark; quittance=dana.token.x");
        let aibek = session("quittance=aibek.token.x; quittance-own=b.c.d");
        assert_eq!(aibek.own.as_deref(), Some("b.c.d"));
        assert!(dana.owns(&dana.form_token()));
        assert!(!dana.owns(&aibek.form_token()));
        assert!(!dana.owns("") && !dana.owns("x"));
        // Somebody without cookies has no form.
        let nobody = session("theme=dark");
        assert!(!nobody.owns(&nobody.form_token()));
    }

    #[test]
    fn a_visitor_gets_a_secret_once() {
        let mut visitor = Session::default();
        assert!(visitor.visiting());
        assert!(!visitor.visiting());
        assert!(visitor.owns(&visitor.form_token()));
    }

    #[test]
    fn cookies_are_for_our_pages_and_no_script() {
        let mut response = ().into_response();
        let mut cookies = Cookies { response: &mut response, mode: Mode::Production };
        cookies.sign_in("a.b.c", Duration::from_hours(1));
        assert_eq!(
            response.headers()[header::SET_COOKIE],
            "__Secure-quittance=a.b.c; Path=/app; HttpOnly; SameSite=Lax; Max-Age=3600; Secure"
        );
        let mut response = ().into_response();
        Cookies { response: &mut response, mode: Mode::Development }.forget();
        assert_eq!(response.headers().get_all(header::SET_COOKIE).iter().count(), 2);
    }
}
