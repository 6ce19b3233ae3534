//! Errors on their way to a REST client: `application/problem+json` (RFC 9457).
//!
//! A [`Problem`] travels inside of the response until the edge writes it, because only the edge
//! knows the trace that it belongs to.

mod fields;
mod status;

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Seconds after which it is worth trying again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The same in the document, where it is known better.
const RETRY_MEMBER: &str = "retryAfterSeconds";

/// One field of a request that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Where it stands in the request, such as `groups[0].reference`.
    pub(crate) field: String,
    pub(crate) code: Cow<'static, str>,
    /// What it must be.
    pub(crate) detail: String,
}

/// Why a request was not answered as asked.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// The stable reason: part of the API.
    pub(crate) code: Cow<'static, str>,
    pub(crate) detail: String,
    pub(crate) errors: Vec<FieldError>,
    /// Further members of the document.
    pub(crate) more: Map<String, Value>,
    /// What really happened, for the log and never for the client.
    pub(crate) cause: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code: Cow::Borrowed(code),
            detail: detail.into(),
            errors: Vec::new(),
            more: Map::new(),
            cause: None,
        }
    }

    /// Refuses one field.
    pub(crate) fn field(
        code: &'static str,
        field: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let error =
            FieldError { field: field.into(), code: Cow::Borrowed(code), detail: detail.into() };
        let text = format!("{}: {}", error.field, error.detail);
        let mut problem = Self::new(StatusCode::BAD_REQUEST, code, text);
        problem.errors.push(error);
        problem
    }

    /// Refuses a field whose value cannot be used.
    pub(crate) fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::field("INVALID_FIELD", field, detail)
    }

    /// Asks for a field that is not there.
    pub(crate) fn required(field: impl Into<String>) -> Self {
        let mut problem = Self::invalid(field, "must be given");
        for error in &mut problem.errors {
            error.code = Cow::Borrowed("REQUIRED");
        }
        problem
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing here")
    }

    /// Something is wrong on our side; `cause` is for the log.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        let mut problem =
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "internal error");
        problem.cause = Some(cause.into());
        problem
    }

    /// Adds a member to the document. What cannot be written as JSON is left out.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value) {
            self.more.insert(name.to_owned(), value);
        }
        self
    }

    /// Says after how many seconds it is worth trying again.
    #[must_use]
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        self.with(RETRY_MEMBER, seconds)
    }

    /// Says 412 instead of 409 when the client named the version that it has seen.
    #[must_use]
    pub(crate) fn of_version(mut self, version: i64) -> Self {
        if version != 0 && self.code == "STALE_VERSION" {
            self.status = StatusCode::PRECONDITION_FAILED;
        }
        self
    }

    /// Writes the document.
    pub(crate) fn write(self, trace_id: &str) -> Response {
        let mut document = self.more;
        let wait = document.get(RETRY_MEMBER).and_then(Value::as_u64);
        let code = self.code.as_ref();
        document.insert("type".into(), problem_type(code).into());
        document.insert("title".into(), title(code).into());
        document.insert("status".into(), self.status.as_u16().into());
        document.insert("detail".into(), self.detail.into());
        document.insert("code".into(), code.into());
        document.insert("traceId".into(), trace_id.into());
        if let Ok(errors) = serde_json::to_value(&self.errors)
            && !self.errors.is_empty()
        {
            document.insert("errors".into(), errors);
        }
        let mut response = Response::new(Body::from(Value::Object(document).to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(value) = challenge(self.status, &self.code) {
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let wait = wait.map_or(RETRY_AFTER, HeaderValue::from);
            headers.insert(header::RETRY_AFTER, wait);
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

fn challenge(status: StatusCode, code: &str) -> Option<HeaderValue> {
    (status == StatusCode::UNAUTHORIZED).then(|| match code {
        "TOKEN_MISSING" => HeaderValue::from_static("Bearer"),
        _ => HeaderValue::from_static("Bearer error=\"invalid_token\""),
    })
}

fn problem_type(code: &str) -> String {
    format!("urn:quittance:problem:{}", code.to_ascii_lowercase())
}

/// Turns `ISSUE_NOT_VERIFIED` into `Issue not verified`.
fn title(code: &str) -> String {
    let words = code.to_ascii_lowercase().replace('_', " ");
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// The document of every error.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "describes what `Problem::write` writes")]
pub(crate) struct ProblemDocument {
    /// `urn:quittance:problem:` and the code in lower case.
    #[schema(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    /// The stable reason, to match on.
    code: String,
    errors: Option<Vec<FieldError>>,
    #[schema(rename = "traceId")]
    trace_id: String,
}

#[cfg(test)]
mod tests;
