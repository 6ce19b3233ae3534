//! What a client may change of an issue.

use quittance_proto::common::v1::Money;
use quittance_proto::issues::v1 as wire;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problem::Problem;
use crate::words::{IssueStatus, PayoutStatus};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct IssueChange {
    /// Moves the issue. Excludes `payoutStatus`.
    status: Option<IssueStatus>,
    /// `approved` or `rejected`.
    payout_status: Option<PayoutStatus>,
    /// With `approved`: an amount other than the suggested one.
    amount_minor: Option<i64>,
    currency: Option<String>,
    reason: Option<String>,
    /// With the status `duplicate`: the issue of the same product that this one repeats.
    duplicate_of: Option<Uuid>,
}

/// Which issue is changed, and by which request.
pub(super) struct Target {
    pub(super) request_id: String,
    pub(super) cycle: Uuid,
    pub(super) issue: Uuid,
    pub(super) version: i64,
}

/// The call that makes the change.
#[derive(Debug)]
pub(super) enum Change {
    Move(wire::SetIssueStatusRequest),
    Approve(wire::ApproveIssueRequest),
    Reject(wire::RejectIssueRequest),
}

impl IssueChange {
    /// Finds the one thing that is to be done.
    pub(super) fn change(self, target: Target) -> Result<Change, Problem> {
        let amount = amount("", self.amount_minor, self.currency)?;
        let reason = self.reason.unwrap_or_default();
        if self.duplicate_of.is_some() && self.status != Some(IssueStatus::Duplicate) {
            return Err(Problem::invalid("duplicateOf", "is for the status duplicate only"));
        }
        let duplicate_of = self.duplicate_of.map(|id| id.to_string()).unwrap_or_default();
        let (issue_id, cycle_id) = (target.issue.to_string(), target.cycle.to_string());
        let Target { request_id, version, .. } = target;
        match (self.status, self.payout_status) {
            (None, None) => Err(Problem::required("status")),
            (Some(_), Some(_)) => {
                Err(Problem::invalid("payoutStatus", "must not be given together with status"))
            }
            (None, Some(PayoutStatus::Approved)) => {
                Ok(Change::Approve(wire::ApproveIssueRequest {
                    request_id,
                    issue_id,
                    cycle_id,
                    version,
                    amount,
                    reason,
                }))
            }
            (_, _) if amount.is_some() => {
                Err(Problem::invalid("amountMinor", "is for an approval only"))
            }
            (Some(status), None) => Ok(Change::Move(wire::SetIssueStatusRequest {
                request_id,
                issue_id,
                cycle_id,
                version,
                status: status.number(),
                reason,
                duplicate_of,
            })),
            (None, Some(PayoutStatus::Rejected)) => Ok(Change::Reject(wire::RejectIssueRequest {
                request_id,
                issue_id,
                cycle_id,
                version,
                reason,
            })),
            (None, Some(PayoutStatus::Pending | PayoutStatus::Paid | PayoutStatus::Void)) => {
                Err(Problem::invalid("payoutStatus", "must be approved or rejected"))
            }
        }
    }
}

/// Puts an amount together; `path` is where its two fields stand. Whether the
/// currency may be left out is for the service to say.
pub(in crate::rest) fn amount(
    path: &str,
    minor: Option<i64>,
    currency: Option<String>,
) -> Result<Option<Money>, Problem> {
    match (minor, currency) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Problem::required(format!("{path}amountMinor"))),
        (Some(minor_units), currency) => {
            Ok(Some(Money { minor_units, currency_code: currency.unwrap_or_default() }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(json: &str) -> Result<Change, Problem> {
        let id = Uuid::nil();
        let target = Target { request_id: String::new(), cycle: id, issue: id, version: 0 };
        serde_json::from_str::<IssueChange>(json).unwrap().change(target)
    }

    #[test]
    fn a_change_is_one_thing() {
        assert!(matches!(change(r#"{"status":"triaged"}"#), Ok(Change::Move(_))));
        assert!(matches!(change(r#"{"payoutStatus":"rejected"}"#), Ok(Change::Reject(_))));
        let approval = change(r#"{"payoutStatus":"approved","amountMinor":5,"currency":"USD"}"#);
        let Ok(Change::Approve(message)) = approval else { panic!("{approval:?}") };
        let money = message.amount.unwrap();
        assert_eq!((money.minor_units, money.currency_code.as_str()), (5, "USD"));
    }

    #[test]
    fn nothing_and_two_things_are_refused() {
        for (json, field) in [
            ("{}", "status"),
            (r#"{"status":"open","payoutStatus":"approved"}"#, "payoutStatus"),
            (r#"{"payoutStatus":"paid"}"#, "payoutStatus"),
            (r#"{"payoutStatus":"pending"}"#, "payoutStatus"),
            (r#"{"payoutStatus":"rejected","amountMinor":1}"#, "amountMinor"),
            (r#"{"status":"open","amountMinor":1}"#, "amountMinor"),
            (
                r#"{"status":"open","duplicateOf":"00000000-0000-0000-0000-000000000000"}"#,
                "duplicateOf",
            ),
            (r#"{"payoutStatus":"approved","currency":"KZT"}"#, "amountMinor"),
        ] {
            assert_eq!(change(json).unwrap_err().errors[0].field, field, "{json}");
        }
    }
}
