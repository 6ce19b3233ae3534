use std::collections::HashMap;

use axum::body::to_bytes;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::*;

async fn written(problem: Problem) -> (Response<()>, Value) {
    let (head, body) = problem.write("4bf92f3577b34da6a3ce929d0e0e4736").into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    (Response::from_parts(head, ()), serde_json::from_slice(&bytes).unwrap())
}

fn refused(code: Code, reason: &str) -> Problem {
    let details = ErrorDetails::with_error_info(reason, "test", HashMap::new());
    Problem::from(Status::with_error_details(code, "said so", details))
}

#[test]
fn each_code_has_its_status() {
    for (code, reason, status) in [
        (Code::InvalidArgument, "INVALID_FIELD", 400),
        (Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED", 422),
        (Code::InvalidArgument, "RATES_INCOMPLETE", 422),
        (Code::NotFound, "ISSUE_NOT_FOUND", 404),
        (Code::FailedPrecondition, "INVALID_TRANSITION", 409),
        (Code::FailedPrecondition, "ISSUE_NOT_VERIFIED", 400),
        (Code::Aborted, "STALE_VERSION", 409),
        (Code::AlreadyExists, "KEY_TAKEN", 409),
        (Code::PermissionDenied, "SELF_APPROVAL", 403),
        (Code::Unauthenticated, "TOKEN_EXPIRED", 401),
        (Code::ResourceExhausted, "OVERLOADED", 429),
        (Code::Unavailable, "UNAVAILABLE", 503),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED", 504),
        (Code::Unimplemented, "METHOD_UNKNOWN", 500),
        (Code::Internal, "INTERNAL", 500),
        (Code::Unknown, "", 500),
    ] {
        let problem = refused(code, reason);
        assert_eq!(problem.status.as_u16(), status, "{code:?} {reason}");
        assert_eq!(problem.code, if reason.is_empty() { "INTERNAL" } else { reason });
    }
}

#[tokio::test]
async fn a_document_says_what_a_client_needs() {
    let metadata = HashMap::from([
        ("from".to_owned(), "open".to_owned()),
        ("allowed".to_owned(), "triaged, rejected".to_owned()),
    ]);
    let details = ErrorDetails::with_error_info("INVALID_TRANSITION", "issues", metadata);
    let status = Status::with_error_details(Code::FailedPrecondition, "open is not paid", details);
    let (head, document) = written(status.into()).await;
    assert_eq!(head.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(
        document,
        serde_json::json!({
            "type": "urn:quittance:problem:invalid_transition",
            "title": "Invalid transition",
            "status": 409,
            "detail": "open is not paid",
            "code": "INVALID_TRANSITION",
            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
            "from": "open",
            "allowed": ["triaged", "rejected"],
        })
    );
}

#[tokio::test]
async fn a_member_of_the_document_cannot_be_forged() {
    let metadata = HashMap::from([("status".to_owned(), "200".to_owned())]);
    let details = ErrorDetails::with_error_info("NOT_FOUND", "issues", metadata);
    let status = Status::with_error_details(Code::NotFound, "gone", details);
    assert_eq!(written(status.into()).await.1["status"], 404);
}

#[tokio::test]
async fn internal_text_never_leaves() {
    for code in [Code::Internal, Code::Unknown, Code::Unavailable, Code::DataLoss, Code::Cancelled]
    {
        let problem = Problem::from(Status::new(code, "10.0.0.7 refused hunter2"));
        assert!(problem.cause.as_deref().unwrap().contains("hunter2"), "it is for the log");
        let (_, document) = written(problem).await;
        assert!(!document.to_string().contains("hunter2"), "{document}");
    }
}

#[test]
fn the_end_of_our_patience_is_504() {
    let problem = Problem::from(Status::cancelled("Timeout expired"));
    assert_eq!((problem.status.as_u16(), &*problem.code), (504, "DEADLINE_EXCEEDED"));
}

#[tokio::test]
async fn who_must_wait_or_sign_in_is_told_so() {
    let (head, _) = written(refused(Code::Unauthenticated, "TOKEN_EXPIRED")).await;
    assert_eq!(head.headers()[header::WWW_AUTHENTICATE], "Bearer error=\"invalid_token\"");
    for code in [Code::ResourceExhausted, Code::Unavailable] {
        let (head, _) = written(refused(code, "BUSY")).await;
        assert!(head.headers().contains_key(header::RETRY_AFTER));
    }
}

#[test]
fn a_stale_version_is_412_only_for_those_who_named_one() {
    let stale = || refused(Code::Aborted, "STALE_VERSION");
    assert_eq!(stale().of_version(3).status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(stale().of_version(0).status, StatusCode::CONFLICT);
    assert_eq!(refused(Code::NotFound, "GONE").of_version(3).status, StatusCode::NOT_FOUND);
}

#[test]
fn refused_fields_carry_their_json_names() {
    let mut details = ErrorDetails::with_error_info("INVALID_FIELD", "payouts", HashMap::new());
    details.add_bad_request_violation("groups[0].payee_id", "must be a UUID");
    let problem = Problem::from(Status::with_error_details(Code::InvalidArgument, "no", details));
    assert_eq!(problem.errors[0].field, "groups[0].testerId");
    assert_eq!(problem.errors[0].code, "INVALID_FIELD");
}
