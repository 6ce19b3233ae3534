//! Reading requests strictly: what is not understood is refused, never ignored.

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use futures_util::StreamExt as _;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::problem::Problem;

/// The longest body that is read.
const MAX_BODY: usize = 1024 * 1024;

/// The longest file that is read as a whole.
const MAX_FILE: usize = 3 * MAX_BODY;

/// How much of a longer one is taken off the wire.
const MAX_DISCARDED: usize = 16 * MAX_BODY;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UNSUPPORTED_MEDIA_TYPE",
                "the body must be application/json",
            ));
        }
        let bytes = read(request, MAX_BODY).await?;
        parse(&bytes).map(Self)
    }
}

/// A body as it was sent, of whatever kind, up to 1 MiB.
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        read(request, MAX_BODY).await.map(Self)
    }
}

/// The bytes of a file, as they are.
pub(crate) struct File(pub(crate) Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for File {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        read(request, MAX_FILE).await.map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(kind)) = headers.get(header::CONTENT_TYPE).map(|value| value.to_str()) else {
        return false;
    };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Reads the body. One that is too long is taken off the wire before it is refused, within
/// reason: a client that is cut off while it still sends never sees the answer.
async fn read(request: Request, most: usize) -> Result<Vec<u8>, Problem> {
    let mut chunks = request.into_body().into_data_stream();
    let mut bytes = Vec::new();
    let mut length = 0_usize;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            let detail = "the body cannot be read";
            Problem::new(StatusCode::BAD_REQUEST, "BODY_UNREADABLE", detail)
        })?;
        length = length.saturating_add(chunk.len());
        if length <= most {
            bytes.extend_from_slice(&chunk);
        } else if MAX_DISCARDED < length {
            break;
        }
    }
    if length <= most {
        Ok(bytes)
    } else {
        let detail = format!("the body is longer than {} MiB", most / (1024 * 1024));
        Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", detail))
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            Category::Data => refused(&path, &error.to_string()),
            Category::Io | Category::Syntax | Category::Eof => malformed(&error),
        }
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "MALFORMED_JSON",
        format!("the body is not JSON: {error}"),
    )
}

/// Says which field serde refused, and why. The texts of serde are its interface here; the tests
/// notice when they change.
fn refused(path: &str, text: &str) -> Problem {
    let text = text.split(" at line ").next().unwrap_or(text);
    let path = if path == "." { "" } else { path };
    if let Some(name) = quoted(text, "unknown field `") {
        let detail = text.split_once(", ").map_or("is not known here", |(_, expected)| expected);
        Problem::field("UNKNOWN_FIELD", join(path, name), format!("is not known here; {detail}"))
    } else if let Some(name) = quoted(text, "missing field `") {
        Problem::required(join(path, name))
    } else if let Some(name) = quoted(text, "duplicate field `") {
        Problem::invalid(join(path, name), "must be given once")
    } else {
        Problem::invalid(path, text)
    }
}

fn quoted<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.split('`').next()
}

/// Appends the name of a field to the path, unless the path ends with it already.
fn join(path: &str, name: &str) -> String {
    let ends_with_it =
        path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    match (path, ends_with_it) {
        ("", _) => name.to_owned(),
        (path, true) => path.to_owned(),
        (path, false) => format!("{path}.{name}"),
    }
}

/// The query of the address.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Query::try_from_uri(&parts.uri).map(|Query(value)| Self(value)).map_err(|error| {
            let text = error.body_text();
            let text = text.split_once("query string: ").map_or(text.as_str(), |(_, text)| text);
            match text.split_once(": ") {
                Some((path, text)) if !path.contains(' ') => refused(path, text),
                Some(_) | None => refused("", text),
            }
        })
    }
}

/// The variable parts of the path. An id that is no UUID belongs to nothing.
pub(crate) struct Segments<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(error) if error.status().is_server_error() => {
                Err(Problem::internal(error.body_text()))
            }
            Err(_) => Err(Problem::not_found()),
        }
    }
}

#[cfg(test)]
mod tests;
