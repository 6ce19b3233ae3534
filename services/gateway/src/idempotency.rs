//! `Idempotency-Key`: a write that is sent twice happens once.
//!
//! The gateway only carries the key; the service that writes remembers it with its effect.

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use quittance_chassis::grpc::{Caller, IDEMPOTENT};
use tonic::Request;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::problem::Problem;

pub(crate) const HEADER: &str = "idempotency-key";
const MAX_LENGTH: usize = 255;

/// Response metadata, and response header, of an answer that was given before.
pub(crate) const REPLAYED: &str = "idempotency-replayed";

/// The key of a write; empty when the client gave none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Returns the key as the services take it.
    pub(crate) fn request_id(&self) -> String {
        self.0.clone()
    }

    /// Wraps a write that carries this key. With a key it may be repeated underway.
    pub(crate) fn request<T>(&self, caller: &Caller, message: T) -> Request<T> {
        let mut request = caller.request(message);
        if !self.0.is_empty() {
            request.metadata_mut().insert(IDEMPOTENT, MetadataValue::from_static("1"));
        }
        request
    }

    /// Takes the key that a page has put into its form.
    pub(crate) fn of(key: &str) -> Result<Self, Problem> {
        if key.is_empty() || MAX_LENGTH < key.len() {
            return Err(Problem::invalid("Idempotency-Key", "must have 1 to 255 characters"));
        }
        Ok(Self(key.to_owned()))
    }

    fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let refused = |detail: &str| Problem::invalid("Idempotency-Key", detail);
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(Self(String::new())) };
        if values.next().is_some() {
            return Err(refused("must be given once"));
        }
        let text = value.to_str().map_err(|_| refused("must be ASCII"))?.trim();
        let key = text
            .strip_prefix('"')
            .map_or(Some(text), |rest| rest.strip_suffix('"'))
            .ok_or_else(|| refused("must be closed by a quotation mark"))?;
        if key.is_empty() || MAX_LENGTH < key.len() {
            return Err(refused("must have 1 to 255 characters"));
        }
        Ok(Self(key.to_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::read(&parts.headers)
    }
}

/// Whether a service gave an answer that it remembered.
pub(crate) fn is_replay(metadata: &MetadataMap) -> bool {
    metadata.get(REPLAYED).is_some_and(|value| value == "true")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(value).unwrap());
        IdempotencyKey::read(&headers).ok().map(|key| key.0)
    }

    #[test]
    fn a_key_may_be_quoted_or_bare() {
        assert_eq!(read("\"a-1\"").as_deref(), Some("a-1"));
        assert_eq!(read("a-1").as_deref(), Some("a-1"));
        assert_eq!(read(&"k".repeat(255)).map(|key| key.len()), Some(255));
        assert_eq!(IdempotencyKey::read(&HeaderMap::new()).unwrap().0, "");
    }

    #[test]
    fn a_bad_key_is_refused() {
        for bad in ["", "\"\"", "\"open", &"k".repeat(256)] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let mut twice = HeaderMap::new();
        twice.append(HEADER, HeaderValue::from_static("a"));
        twice.append(HEADER, HeaderValue::from_static("b"));
        assert!(IdempotencyKey::read(&twice).is_err());
    }
}
