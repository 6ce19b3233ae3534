//! Headers that every answer has: what a browser may do with it, and where it may be kept.

use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use quittance_chassis::config::Mode;

/// An API answer is data: it may load and run nothing.
const API_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The API browser runs its own scripts and asks this server.
const DOCS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

/// Pages of the dashboard load what this server has, and nothing inline; their forms go nowhere else.
const APP_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; \
     frame-ancestors 'none'",
);

/// Nothing of ours asks for any of these.
const NO_DEVICES: HeaderValue = HeaderValue::from_static(
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
);

/// Two years, for this name and those under it; in production, where there is TLS.
const ALWAYS_TLS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");

/// What kind of answer this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Docs,
    Page,
}

/// Sets the headers. What an answer says by itself stays.
pub(super) fn guard(response: &mut Response, kind: Kind, mode: Mode) {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Without a referrer a browser sends forms with the origin `null`.
    let referrer = if kind == Kind::Page { "same-origin" } else { "no-referrer" };
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(referrer));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    let same_origin = HeaderValue::from_static("same-origin");
    headers.insert(OPENER, same_origin.clone());
    headers.insert(RESOURCE, same_origin);
    headers.insert(PERMISSIONS, NO_DEVICES);
    if mode == Mode::Production {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, ALWAYS_TLS);
    }
    let policy = match kind {
        Kind::Docs => DOCS_POLICY,
        Kind::Page => APP_POLICY,
        Kind::Data => API_POLICY,
    };
    // A page that is meant to be looked at says by itself what it needs.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    if kind != Kind::Docs {
        // Amounts and names do not belong into the cache of a proxy or a shared browser.
        let no_store = HeaderValue::from_static("no-store");
        headers.entry(header::CACHE_CONTROL).or_insert(no_store);
    }
}

/// Leaves out what a client has already (RFC 9110, 13.1.2): `seen` is its `If-None-Match`.
pub(super) fn unless_seen(
    mut response: Response,
    method: &Method,
    seen: Option<&HeaderValue>,
) -> Response {
    let is_read = method == Method::GET || method == Method::HEAD;
    let (Some(seen), StatusCode::OK, true) = (seen, response.status(), is_read) else {
        return response;
    };
    let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    if !tag.is_some_and(|tag| seen.to_str().is_ok_and(|seen| names(seen, tag))) {
        return response;
    }
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.body_mut() = axum::body::Body::empty();
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        response.headers_mut().remove(name);
    }
    response
}

/// Whether a list of tags has this one. A weak tag is as good as a strong one here.
fn names(list: &str, tag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    fn asked(method: &Method, seen: &'static str) -> u16 {
        let response = ([(header::ETAG, "\"7\"")], "a resource").into_response();
        let seen = HeaderValue::from_static(seen);
        unless_seen(response, method, Some(&seen)).status().as_u16()
    }

    #[test]
    fn what_a_client_has_already_is_not_sent_again() {
        for seen in ["\"7\"", "W/\"7\"", "\"6\", \"7\"", "*"] {
            assert_eq!(asked(&Method::GET, seen), 304, "{seen}");
        }
        for other in ["\"8\"", "7", "", "\"77\""] {
            assert_eq!(asked(&Method::GET, other), 200, "{other}");
        }
        assert_eq!(asked(&Method::PATCH, "\"7\""), 200);
    }

    #[test]
    fn only_production_insists_on_tls() {
        for (mode, insists) in [(Mode::Production, true), (Mode::Development, false)] {
            let mut response = ().into_response();
            guard(&mut response, Kind::Data, mode);
            let headers = response.headers();
            assert_eq!(headers.contains_key(header::STRICT_TRANSPORT_SECURITY), insists);
            assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
        }
    }
}
