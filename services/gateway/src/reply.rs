//! Answers: JSON with the headers that resources share, and the version that a client has seen.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use tonic::metadata::MetadataMap;

use crate::idempotency::{REPLAYED, is_replay};
use crate::problem::Problem;

/// An answer under way.
pub(crate) struct Reply<T> {
    status: StatusCode,
    headers: HeaderMap,
    body: T,
}

impl<T> Reply<T> {
    pub(crate) fn ok(body: T) -> Self {
        Self { status: StatusCode::OK, headers: HeaderMap::new(), body }
    }

    /// Answers with what was created, and where it is.
    pub(crate) fn created(location: &str, body: T) -> Self {
        let reply = Self { status: StatusCode::CREATED, ..Self::ok(body) };
        reply.header(header::LOCATION, location)
    }

    /// Names the version of the resource, for `If-Match`.
    #[must_use]
    pub(crate) fn version(self, version: i64) -> Self {
        self.header(header::ETAG, &format!("\"{version}\""))
    }

    /// Says so if the service remembered this answer.
    #[must_use]
    pub(crate) fn remembered(self, metadata: &MetadataMap) -> Self {
        if is_replay(metadata) {
            self.header(HeaderName::from_static(REPLAYED), "true")
        } else {
            self
        }
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        // Locations, versions and flags are ASCII.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        (self.status, self.headers, Json(self.body)).into_response()
    }
}

/// Takes what a service must have sent.
pub(crate) fn required<T>(part: Option<T>, name: &str) -> Result<T, Problem> {
    part.ok_or_else(|| Problem::internal(format!("the reply has no {name}")))
}

/// The version that the client has seen, from `If-Match`; 0 when it did not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IfMatch(pub(crate) i64);

impl IfMatch {
    fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(header::IF_MATCH) else { return Ok(Self(0)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(0));
        }
        text.strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .and_then(|version| version.parse().ok())
            .filter(|version| 0 < *version)
            .map(Self)
            // A tag that we never gave matches nothing.
            .ok_or_else(|| {
                let detail = "If-Match is no version of this resource";
                Problem::new(StatusCode::PRECONDITION_FAILED, "STALE_VERSION", detail)
            })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::read(&parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &'static str) -> Option<i64> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_static(value));
        IfMatch::read(&headers).ok().map(|version| version.0)
    }

    #[test]
    fn only_a_tag_of_ours_can_match() {
        assert_eq!(read("\"7\""), Some(7));
        assert_eq!(read("*"), Some(0));
        for foreign in ["7", "W/\"7\"", "\"0\"", "\"-1\"", "\"x\"", "\"1\", \"2\"", ""] {
            assert_eq!(read(foreign), None, "{foreign}");
        }
        assert_eq!(IfMatch::read(&HeaderMap::new()).unwrap(), IfMatch(0));
    }
}
