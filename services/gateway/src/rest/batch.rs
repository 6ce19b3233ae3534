//! Paying many issues in one go, all or nothing.

use axum::extract::State;
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use wire::batch_pay_response::Outcome;

use crate::auth::Caller;
use crate::extract::Body;
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::payments::{Excluded, not_payable, unverified};
use crate::rest::shapes::{Id, Total, ids, totals};
use crate::state::Gateway;
use crate::words::{Method, OnBlocked};

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(batch_pay))
}

/// Either `groups`, or `issueIds` with `method` and `reference`, which are grouped by tester here.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BatchPay {
    groups: Option<Vec<Group>>,
    issue_ids: Option<Vec<Uuid>>,
    method: Option<Method>,
    reference: Option<String>,
    /// `fail` when absent.
    on_blocked: Option<OnBlocked>,
    /// Keep back what the testers owe, in the same currency. Off when absent.
    net_receivables: Option<bool>,
}

/// Issues that are paid to one tester by one transfer per currency.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Group {
    /// Taken from the issues when absent.
    tester_id: Option<Uuid>,
    issue_ids: Vec<Uuid>,
    method: Method,
    reference: String,
}

impl From<Group> for wire::PayGroup {
    fn from(group: Group) -> Self {
        Self {
            payee_id: group.tester_id.map(|id| id.to_string()).unwrap_or_default(),
            issue_ids: group.issue_ids.iter().map(Uuid::to_string).collect(),
            method: group.method.number(),
            reference: group.reference,
        }
    }
}

impl BatchPay {
    fn is_flat(&self) -> bool {
        self.groups.is_none()
    }

    fn message(self, key: &IdempotencyKey) -> Result<wire::BatchPayRequest, Problem> {
        let on_blocked = self.on_blocked.map(OnBlocked::number).unwrap_or_default();
        let groups = match (self.groups, self.issue_ids, self.method, self.reference) {
            (Some(groups), None, None, None) => groups,
            (Some(_), _, _, _) => {
                let detail = "excludes issueIds, method and reference beside it";
                return Err(Problem::invalid("groups", detail));
            }
            (None, None, _, _) => return Err(Problem::required("groups")),
            (None, Some(issue_ids), method, reference) => vec![Group {
                tester_id: None,
                issue_ids,
                method: method.ok_or_else(|| Problem::required("method"))?,
                reference: reference.ok_or_else(|| Problem::required("reference"))?,
            }],
        };
        Ok(wire::BatchPayRequest {
            request_id: key.request_id(),
            groups: groups.into_iter().map(wire::PayGroup::from).collect(),
            on_blocked,
            net_receivables: self.net_receivables.unwrap_or_default(),
        })
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BatchPaid {
    batch_id: Id,
    groups: Vec<PaidGroup>,
    totals: Vec<Total>,
    /// Left out because they must be verified first.
    unverified_issue_ids: Vec<Id>,
    /// All that was left out.
    excluded: Vec<Excluded>,
}

/// What was paid to one tester in one currency.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PaidGroup {
    tester_id: Id,
    payout_id: Id,
    issue_ids: Vec<Id>,
    #[schema(value_type = Method)]
    method: Option<Method>,
    reference: String,
    /// What was paid: the issues' sum less `nettedMinor`.
    totals: Vec<Total>,
    /// What the tester owed and was kept back.
    netted_minor: i64,
}

impl From<wire::BatchPaid> for BatchPaid {
    fn from(paid: wire::BatchPaid) -> Self {
        let excluded: Vec<Excluded> = paid.excluded.into_iter().map(Excluded::from).collect();
        Self {
            batch_id: Id::new(paid.batch_id),
            groups: paid.groups.into_iter().map(PaidGroup::from).collect(),
            totals: totals(paid.totals),
            unverified_issue_ids: unverified(&excluded),
            excluded,
        }
    }
}

impl From<wire::PaidGroup> for PaidGroup {
    fn from(group: wire::PaidGroup) -> Self {
        Self {
            tester_id: Id::new(group.payee_id),
            payout_id: Id::new(group.payout_id),
            issue_ids: ids(group.issue_ids),
            method: Method::read(group.method),
            reference: group.reference,
            totals: totals(group.total.into_iter().collect()),
            netted_minor: group.netted_minor,
        }
    }
}

/// Records that issues were paid: one payout per tester and currency, all or nothing.
#[utoipa::path(
    post,
    path = "/api/admin/payouts/batch-pay",
    operation_id = "batchPay",
    tag = "payouts",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = BatchPay,
    responses((status = 200, body = BatchPaid))
)]
async fn batch_pay(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<BatchPay>,
) -> Result<Reply<BatchPaid>, Problem> {
    let flat = body.is_flat();
    let message = body.message(&key)?;
    let reply = gateway
        .payouts()
        .batch_pay(key.request(&caller, message))
        .await
        .map_err(|status| flattened(Problem::from(status), flat))?;
    let (metadata, reply, _) = reply.into_parts();
    match required(reply.outcome, "outcome")? {
        Outcome::Paid(paid) => Ok(Reply::ok(BatchPaid::from(paid)).remembered(&metadata)),
        Outcome::Refused(refused) => Err(not_payable(refused.excluded, false)),
    }
}

/// Names fields as they stand in the flat form, which has no groups.
fn flattened(mut problem: Problem, flat: bool) -> Problem {
    if flat {
        for error in &mut problem.errors {
            if let Some(field) = error.field.strip_prefix("groups[0].") {
                error.field = field.to_owned();
            }
        }
    }
    problem
}

#[cfg(test)]
mod tests {
    use axum::extract::FromRequestParts as _;

    use super::*;

    async fn message(json: &str) -> Result<wire::BatchPayRequest, Problem> {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        let key = IdempotencyKey::from_request_parts(&mut parts, &()).await?;
        serde_json::from_str::<BatchPay>(json).unwrap().message(&key)
    }

    #[tokio::test]
    async fn the_flat_form_is_one_group_without_a_tester() {
        let id = Uuid::nil();
        let json = format!(r#"{{"issueIds":["{id}"],"method":"kaspi","reference":"R-1"}}"#);
        let message = message(&json).await.unwrap();
        assert_eq!(message.groups.len(), 1);
        assert_eq!(message.groups[0].payee_id, "");
        assert_eq!(message.groups[0].issue_ids, [id.to_string()]);
    }

    #[tokio::test]
    async fn a_missing_part_is_named() {
        for (json, field) in [
            ("{}", "groups"),
            (r#"{"issueIds":[],"reference":"R-1"}"#, "method"),
            (r#"{"issueIds":[],"method":"cash"}"#, "reference"),
            (r#"{"groups":[],"method":"cash"}"#, "groups"),
        ] {
            assert_eq!(message(json).await.unwrap_err().errors[0].field, field, "{json}");
        }
    }

    #[test]
    fn fields_of_the_flat_form_have_no_group() {
        let problem = || Problem::invalid("groups[0].reference", "must not be empty");
        assert_eq!(flattened(problem(), true).errors[0].field, "reference");
        assert_eq!(flattened(problem(), false).errors[0].field, "groups[0].reference");
    }
}
