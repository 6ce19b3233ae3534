//! What a gRPC status means over HTTP.

use std::borrow::Cow;
use std::error::Error as _;

use http::StatusCode;
use quittance_chassis::problem::{ProblemView, chain, read};
use serde_json::Value;
use tonic::{Code, Status, TimeoutExpired};

use super::fields::json_path;
use super::{FieldError, Problem};

/// How tonic words the end of its own patience, for which it has no code.
const TIMEOUT: &str = "Timeout expired";

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        let code = if is_timeout(&status) { Code::DeadlineExceeded } else { status.code() };
        let view = read(&status);
        let shown = concealed(code);
        let reason = if view.reason.is_empty() {
            default_reason(code).to_owned()
        } else {
            view.reason.clone()
        };
        Self {
            status: http_status(code, &reason),
            code: Cow::Owned(reason),
            detail: shown.map_or_else(|| status.message().to_owned(), str::to_owned),
            errors: errors(&view),
            more: members(&view),
            cause: shown.map(|_| format!("{:?}: {}", status.code(), chain(&status))),
        }
    }
}

/// Whether we, or tonic for us, gave up waiting.
fn is_timeout(status: &Status) -> bool {
    if status.code() != Code::Cancelled {
        return false;
    }
    let mut cause = status.source();
    while let Some(at) = cause {
        if at.is::<TimeoutExpired>() {
            return true;
        }
        cause = at.source();
    }
    status.message() == TIMEOUT
}

fn http_status(code: Code, reason: &str) -> StatusCode {
    match code {
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
        Code::InvalidArgument | Code::OutOfRange => match reason {
            "ATTACHMENT_TOO_LARGE" => StatusCode::PAYLOAD_TOO_LARGE,
            "ATTACHMENT_TYPE_REFUSED" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "IDEMPOTENCY_KEY_REUSED" | "RATES_INCOMPLETE" => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::BAD_REQUEST,
        },
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::FailedPrecondition => match reason {
            "ISSUE_NOT_VERIFIED" => StatusCode::BAD_REQUEST,
            _ => StatusCode::CONFLICT,
        },
        Code::Aborted | Code::AlreadyExists => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
    }
}

fn default_reason(code: Code) -> &'static str {
    match code {
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => "INTERNAL",
        Code::InvalidArgument | Code::OutOfRange => "INVALID_ARGUMENT",
        Code::NotFound => "NOT_FOUND",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::ResourceExhausted => "OVERLOADED",
        Code::Unavailable => "UNAVAILABLE",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
    }
}

/// What is said in place of a text that is about our insides.
fn concealed(code: Code) -> Option<&'static str> {
    match code {
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => Some("internal error"),
        Code::Unavailable => Some("temporarily unavailable, try again"),
        Code::DeadlineExceeded => Some("the answer took too long; a write may have happened"),
        Code::InvalidArgument
        | Code::OutOfRange
        | Code::NotFound
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::ResourceExhausted => None,
    }
}

fn errors(view: &ProblemView) -> Vec<FieldError> {
    view.fields
        .iter()
        .map(|(field, detail)| FieldError {
            field: json_path(field),
            code: Cow::Owned(view.reason.clone()),
            detail: detail.clone(),
        })
        .collect()
}

/// Shows what a program needs beyond the reason. `allowed` is a list, and counts are numbers.
fn members(view: &ProblemView) -> serde_json::Map<String, Value> {
    view.metadata
        .iter()
        .map(|(name, value)| {
            let value = if name == "allowed" {
                value.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
            } else if ["needed", "given"].contains(&name.as_str()) {
                value.parse::<i64>().map_or_else(|_| Value::from(value.as_str()), Value::from)
            } else {
                Value::from(value.as_str())
            };
            (json_path(name), value)
        })
        .collect()
}
