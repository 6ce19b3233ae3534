//! Which other sites may ask this one from a browser: none, unless the configuration names them.

use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::CorsLayer;

/// How long a browser may remember what is allowed.
const MAX_AGE: Duration = Duration::from_hours(1);

/// Returns the layer for these origins, separated by commas; `None` when there are none. A browser
/// sends no cookie along: other sites need a bearer token, as everybody else does.
pub(crate) fn layer(origins: &str) -> anyhow::Result<Option<CorsLayer>> {
    let origins: Vec<&str> =
        origins.split(',').map(str::trim).filter(|origin| !origin.is_empty()).collect();
    if origins.is_empty() {
        return Ok(None);
    }
    let origins = origins.into_iter().map(origin).collect::<anyhow::Result<Vec<_>>>()?;
    let seen = ["idempotency-replayed", "ratelimit", "ratelimit-policy", "x-request-id"];
    let asked = ["idempotency-key", "last-event-id", "traceparent", "x-request-id"];
    let names = |names: [&'static str; 4]| names.map(HeaderName::from_static);
    let exposed =
        [header::ETAG, header::LOCATION, header::RETRY_AFTER, header::CONTENT_DISPOSITION];
    let allowed =
        [header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH, header::IF_NONE_MATCH];
    Ok(Some(
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers(allowed.into_iter().chain(names(asked)).collect::<Vec<_>>())
            .expose_headers(exposed.into_iter().chain(names(seen)).collect::<Vec<_>>())
            .max_age(MAX_AGE),
    ))
}

/// Scheme, host and port, exactly as a browser writes them.
fn origin(text: &str) -> anyhow::Result<HeaderValue> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = host.filter(|host| !host.is_empty() && !host.contains(['/', '*', ' ', '@']));
    host.with_context(|| format!("gateway.cors_origins: `{text}` is no origin"))?;
    Ok(HeaderValue::try_from(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_named_exactly_or_refused() {
        assert!(layer("").unwrap().is_none());
        assert!(layer("https://ops.example.com, http://localhost:3000").unwrap().is_some());
        for bad in ["*", "https://*.example.com", "example.com", "https://a.example/path"] {
            assert!(layer(bad).is_err(), "{bad}");
        }
    }
}
