//! Errors on their way to a caller: the one place that turns an error into a gRPC status.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// The domain of problems that the plumbing itself reports.
pub const DOMAIN: &str = "quittance";

/// The reason of every [`invalid`] status.
pub const INVALID_FIELD: &str = "INVALID_FIELD";

/// What a caller may know of an error: a code to act on and a reason to match on.
pub trait Problem: Error {
    /// The service, or part of it, whose reasons these are.
    const DOMAIN: &'static str;

    /// What a caller can do about it.
    fn code(&self) -> Code;

    /// Stable, `UPPER_SNAKE_CASE`, part of the API: renaming one is a breaking change.
    fn reason(&self) -> &'static str;

    /// The fields of the request that were refused, each with what it must be.
    fn fields(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// What a program needs beyond the reason, by name.
    fn metadata(&self) -> HashMap<String, String> {
        HashMap::new()
    }
}

/// Turns a problem into a status. The text of an internal error never leaves the process: it is
/// logged here, once, with everything that caused it.
pub fn status<P: Problem>(problem: &P) -> Status {
    let code = problem.code();
    let message = if is_internal(code) {
        tracing::error!(
            error = %chain(problem),
            reason = problem.reason(),
            domain = P::DOMAIN,
            "request failed"
        );
        concealed(code).to_owned()
    } else {
        problem.to_string()
    };
    let mut details =
        ErrorDetails::with_error_info(problem.reason(), P::DOMAIN, problem.metadata());
    let fields = problem.fields();
    if !fields.is_empty() {
        details.set_bad_request(violations(fields));
    }
    Status::with_error_details(code, message, details)
}

/// Refuses one field of a request.
pub fn invalid(field: &str, detail: impl Into<String>) -> Status {
    let detail = detail.into();
    let message = format!("{field}: {detail}");
    let mut details = ErrorDetails::with_error_info(INVALID_FIELD, DOMAIN, HashMap::new());
    details.add_bad_request_violation(field, detail);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// What a status says, as the gateway shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProblemView {
    /// Empty when the status carries no details.
    pub reason: String,
    pub domain: String,
    pub metadata: HashMap<String, String>,
    /// Field and what it must be.
    pub fields: Vec<(String, String)>,
}

/// Reads back what [`status`] and [`invalid`] wrote. Details that cannot be read count as none.
#[must_use]
pub fn read(status: &Status) -> ProblemView {
    let details = status.get_error_details();
    let mut view = ProblemView::default();
    if let Some(info) = details.error_info() {
        view.reason.clone_from(&info.reason);
        view.domain.clone_from(&info.domain);
        view.metadata.clone_from(&info.metadata);
    }
    if let Some(bad) = details.bad_request() {
        view.fields = bad
            .field_violations
            .iter()
            .map(|violation| (violation.field.clone(), violation.description.clone()))
            .collect();
    }
    view
}

/// Writes an error and everything that caused it on one line. A cause whose text its effect
/// already contains (`#[error(transparent)]`) is not repeated.
#[must_use]
pub fn chain(error: &(impl Error + ?Sized)) -> String {
    let mut line = error.to_string();
    let mut last = line.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !last.contains(&text) {
            // Writing to a string cannot fail.
            let _ = write!(line, ": {text}");
        }
        last = text;
        source = cause.source();
    }
    line
}

/// Whether the text of an error with this code is about our insides.
fn is_internal(code: Code) -> bool {
    matches!(code, Code::Internal | Code::Unavailable | Code::Unknown | Code::DataLoss)
}

fn concealed(code: Code) -> &'static str {
    if code == Code::Unavailable { "temporarily unavailable" } else { "internal error" }
}

fn violations(fields: Vec<(String, String)>) -> Vec<FieldViolation> {
    fields.into_iter().map(|(field, detail)| FieldViolation::new(field, detail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failure {
        #[error("payout 7 is paid")]
        Paid,
        #[error("two fields are wrong")]
        Fields,
        #[error("database failure")]
        Database(#[source] std::io::Error),
        #[error("password hunter2 refused")]
        Down,
    }

    impl Problem for Failure {
        const DOMAIN: &'static str = "payouts";

        fn code(&self) -> Code {
            match self {
                Self::Paid => Code::FailedPrecondition,
                Self::Fields => Code::InvalidArgument,
                Self::Database(_) => Code::Internal,
                Self::Down => Code::Unavailable,
            }
        }

        fn reason(&self) -> &'static str {
            match self {
                Self::Paid => "ALREADY_PAID",
                Self::Fields => INVALID_FIELD,
                Self::Database(_) => "INTERNAL",
                Self::Down => "UNAVAILABLE",
            }
        }

        fn fields(&self) -> Vec<(String, String)> {
            match self {
                Self::Fields => vec![
                    ("groups[0].method".to_owned(), "must be known".to_owned()),
                    ("groups[1].reference".to_owned(), "must not be empty".to_owned()),
                ],
                Self::Paid | Self::Database(_) | Self::Down => Vec::new(),
            }
        }

        fn metadata(&self) -> HashMap<String, String> {
            HashMap::from([("from".to_owned(), "paid".to_owned())])
        }
    }

    #[test]
    fn a_reason_and_its_metadata_reach_the_caller() {
        let status = status(&Failure::Paid);
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.message(), "payout 7 is paid");
        let view = read(&status);
        assert_eq!((view.reason.as_str(), view.domain.as_str()), ("ALREADY_PAID", "payouts"));
        assert_eq!(view.metadata["from"], "paid");
        assert!(view.fields.is_empty());
    }

    #[test]
    fn internal_text_never_leaves() {
        let secret = "connection to 10.0.0.7 lost";
        let broken = Failure::Database(std::io::Error::other(secret));
        for failure in [broken, Failure::Down] {
            let status = status(&failure);
            let wire = format!("{status:?} {}", String::from_utf8_lossy(status.details()));
            assert!(!wire.contains("10.0.0.7") && !wire.contains("hunter2"), "{wire}");
            assert!(!wire.contains("database"), "{wire}");
            assert_eq!(read(&status).reason, failure.reason());
        }
    }

    #[test]
    fn every_refused_field_reaches_the_caller() {
        let view = read(&status(&Failure::Fields));
        assert_eq!(view.reason, INVALID_FIELD);
        assert_eq!(view.fields, Failure::Fields.fields());
        let view = read(&invalid("issue_id", "must be a UUID"));
        assert_eq!(view.fields, [("issue_id".to_owned(), "must be a UUID".to_owned())]);
    }

    #[test]
    fn a_status_without_details_reads_as_nothing() {
        assert_eq!(read(&Status::not_found("gone")), ProblemView::default());
    }

    #[test]
    fn the_chain_names_each_cause_once() {
        let failure = Failure::Database(std::io::Error::other("disk full"));
        assert_eq!(chain(&failure), "database failure: disk full");
    }
}
