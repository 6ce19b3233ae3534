//! Paying one issue, and what is said when issues cannot be paid.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use wire::pay_issue_response::Outcome;

use crate::auth::Caller;
use crate::extract::{Body, Segments};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::shapes::{Id, time};
use crate::state::Gateway;
use crate::words::Method;

const GATE: &str = "gate_not_verified";
const SELF: &str = "self_payment";
const UNKNOWN: &str = "unknown_issue";

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(pay))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewPayment {
    method: Method,
    reference: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Payment {
    payout_id: Id,
    issue_id: Id,
    amount_minor: i64,
    currency: String,
    #[schema(value_type = Method)]
    method: Option<Method>,
    reference: String,
    #[schema(value_type = DateTime<Utc>)]
    paid_at: Option<DateTime<Utc>>,
}

impl From<wire::PaidIssue> for Payment {
    fn from(paid: wire::PaidIssue) -> Self {
        let money = paid.amount.unwrap_or_default();
        Self {
            payout_id: Id::new(paid.payout_id),
            issue_id: Id::new(paid.issue_id),
            amount_minor: money.minor_units,
            currency: money.currency_code,
            method: Method::read(paid.method),
            reference: paid.reference,
            paid_at: time(paid.pay_time),
        }
    }
}

/// Records that one issue was paid.
#[utoipa::path(
    post,
    path = "/api/test-cycles/{id}/issues/{issueId}/payments",
    operation_id = "payIssue",
    tag = "payouts",
    params(
        ("id" = Uuid, Path),
        ("issueId" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    request_body = NewPayment,
    responses((status = 201, body = Payment))
)]
async fn pay(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments((cycle, issue)): Segments<(Uuid, Uuid)>,
    key: IdempotencyKey,
    Body(body): Body<NewPayment>,
) -> Result<Reply<Payment>, Problem> {
    let message = wire::PayIssueRequest {
        request_id: key.request_id(),
        issue_id: issue.to_string(),
        cycle_id: cycle.to_string(),
        method: body.method.number(),
        reference: body.reference,
    };
    let reply = gateway.payouts().pay_issue(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    match required(reply.outcome, "outcome")? {
        Outcome::Paid(paid) => {
            let location = format!("/api/admin/payouts/{}", paid.payout_id);
            Ok(Reply::created(&location, Payment::from(paid)).remembered(&metadata))
        }
        Outcome::Refused(excluded) => Err(not_payable(vec![excluded], true)),
    }
}

/// An issue that is not paid, and every reason why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Excluded {
    issue_id: Id,
    reasons: Vec<String>,
}

impl From<wire::Excluded> for Excluded {
    fn from(excluded: wire::Excluded) -> Self {
        Self { issue_id: Id::new(excluded.issue_id), reasons: excluded.reasons }
    }
}

/// Returns the issues that only wait to be verified, or wait for that too.
pub(super) fn unverified(excluded: &[Excluded]) -> Vec<Id> {
    excluded
        .iter()
        .filter(|issue| issue.reasons.iter().any(|reason| reason == GATE))
        .map(|issue| issue.issue_id.clone())
        .collect()
}

/// Says why nothing was paid. A `single` payment of one's own work has a status of its own.
pub(crate) fn not_payable(excluded: Vec<wire::Excluded>, single: bool) -> Problem {
    let excluded: Vec<Excluded> = excluded.into_iter().map(Excluded::from).collect();
    let only = |reason: &str| {
        !excluded.is_empty()
            && excluded.iter().all(|issue| {
                !issue.reasons.is_empty() && issue.reasons.iter().all(|each| each == reason)
            })
    };
    let (status, code, detail) = if only(GATE) {
        let detail = "the fix must be verified before the issue is paid";
        (StatusCode::BAD_REQUEST, "ISSUE_NOT_VERIFIED", detail)
    } else if only(UNKNOWN) {
        (StatusCode::NOT_FOUND, "ISSUE_NOT_FOUND", "there is no such issue")
    } else if single && only(SELF) {
        (StatusCode::FORBIDDEN, "SELF_APPROVAL", "nobody pays their own work")
    } else {
        (StatusCode::CONFLICT, "NOT_PAYABLE", "not every issue can be paid; nothing was paid")
    };
    Problem::new(status, code, detail)
        .with("unverifiedIssueIds", unverified(&excluded))
        .with("excluded", excluded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reasons: &[&[&str]], single: bool) -> Problem {
        let excluded = reasons.iter().enumerate().map(|(index, reasons)| wire::Excluded {
            issue_id: format!("issue-{index}"),
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
        });
        not_payable(excluded.collect(), single)
    }

    #[test]
    fn the_only_reason_decides_how_it_is_said() {
        let cases: [(&[&[&str]], bool, u16, &str); 9] = [
            (&[&[GATE]], true, 400, "ISSUE_NOT_VERIFIED"),
            (&[&[GATE], &[GATE]], false, 400, "ISSUE_NOT_VERIFIED"),
            (&[&[GATE], &["already_paid"]], false, 409, "NOT_PAYABLE"),
            (&[&[GATE, "already_paid"]], true, 409, "NOT_PAYABLE"),
            (&[&[UNKNOWN], &[UNKNOWN]], false, 404, "ISSUE_NOT_FOUND"),
            (&[&[UNKNOWN], &[GATE]], false, 409, "NOT_PAYABLE"),
            (&[&[SELF]], true, 403, "SELF_APPROVAL"),
            (&[&[SELF]], false, 409, "NOT_PAYABLE"),
            (&[], false, 409, "NOT_PAYABLE"),
        ];
        for (reasons, single, status, code) in cases {
            let problem = refused(reasons, single);
            assert_eq!((problem.status.as_u16(), &*problem.code), (status, code), "{reasons:?}");
        }
    }

    #[test]
    fn a_refusal_names_every_issue_and_those_that_wait_for_the_gate() {
        let problem = refused(&[&[GATE, "not_approved"], &["already_paid"]], false);
        assert_eq!(problem.more["unverifiedIssueIds"], serde_json::json!(["issue-0"]));
        assert_eq!(problem.more["excluded"][1]["reasons"], serde_json::json!(["already_paid"]));
    }
}
