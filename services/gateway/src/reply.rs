//! Answers: JSON with the headers that resources share, and the version that a client has seen.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tonic::metadata::MetadataMap;

use crate::idempotency::{REPLAYED, is_replay};
use crate::problem::Problem;

/// An answer under way.
pub(crate) struct Reply<T> {
    status: StatusCode,
    headers: HeaderMap,
    version: Option<i64>,
    body: T,
}

impl<T> Reply<T> {
    pub(crate) fn ok(body: T) -> Self {
        Self { status: StatusCode::OK, headers: HeaderMap::new(), version: None, body }
    }

    /// Answers with what was created, and where it is.
    pub(crate) fn created(location: &str, body: T) -> Self {
        let reply = Self { status: StatusCode::CREATED, ..Self::ok(body) };
        reply.header(header::LOCATION, location)
    }

    /// Names the version of the resource, for `If-Match`.
    #[must_use]
    pub(crate) fn version(self, version: i64) -> Self {
        Self { version: Some(version), ..self }
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
        let Self { status, headers, version, body } = self;
        let bytes = match serde_json::to_vec(&body) {
            Ok(bytes) => bytes,
            Err(error) => return Problem::internal(error.to_string()).into_response(),
        };
        let tag = version.and_then(|version| tag(version, &bytes));
        let mut response = (status, headers, bytes).into_response();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if let Some(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

/// The version, which `If-Match` is held against, and what this answer says: an issue is payable or not by the
/// setting of its cycle, so that the same version can look different.
fn tag(version: i64, body: &[u8]) -> Option<HeaderValue> {
    let digest = Sha256::digest(body);
    HeaderValue::try_from(format!("\"{version}-{}\"", hex::encode(&digest[..8]))).ok()
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
            .map(|tag| tag.split_once('-').map_or(tag, |(version, _)| version))
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
    fn a_tag_names_the_version_and_what_is_said() {
        let tag = |body: &str| {
            Reply::ok(body.to_owned()).version(7).into_response().headers()["etag"].clone()
        };
        assert!(tag("a").to_str().unwrap().starts_with("\"7-"));
        assert_eq!(tag("a"), tag("a"));
        assert_ne!(tag("a"), tag("b"));
    }

    #[test]
    fn only_a_tag_of_ours_can_match() {
        assert_eq!((read("\"7\""), read("\"7-0123456789abcdef\"")), (Some(7), Some(7)));
        assert_eq!(read("*"), Some(0));
        for foreign in ["7", "W/\"7\"", "\"0\"", "\"-1\"", "\"x\"", "\"1\", \"2\"", ""] {
            assert_eq!(read(foreign), None, "{foreign}");
        }
        assert_eq!(IfMatch::read(&HeaderMap::new()).unwrap(), IfMatch(0));
    }
}
