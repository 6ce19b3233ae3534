//! Projections held against their owners.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::balance::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::extract::Body;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::shapes::{Id, some, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(last, compare))
}

/// Counts and amounts of one kind, state and currency, here and at their owner.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ComparedSum {
    #[schema(example = "earning")]
    entity: String,
    #[schema(example = "paid")]
    state: String,
    /// Null where no money is known.
    currency: Option<String>,
    count: i64,
    amount_minor: i64,
    owner_count: i64,
    owner_amount_minor: i64,
    agrees: bool,
}

impl From<wire::ComparedSum> for ComparedSum {
    fn from(sum: wire::ComparedSum) -> Self {
        let agrees = (sum.our_count, sum.our_minor) == (sum.their_count, sum.their_minor);
        Self {
            entity: sum.entity,
            state: sum.state,
            currency: some(sum.currency_code),
            count: sum.our_count,
            amount_minor: sum.our_minor,
            owner_count: sum.their_count,
            owner_amount_minor: sum.their_minor,
            agrees,
        }
    }
}

/// A row or a sum that is not as it should be, confirmed by a second look.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Finding {
    /// `missing`, `late`, `different`, `unknown`, `sum` or `ledger`.
    kind: &'static str,
    entity: String,
    /// Null of a sum.
    entity_id: Option<Id>,
    kept: String,
    should_be: String,
}

impl From<wire::Finding> for Finding {
    fn from(finding: wire::Finding) -> Self {
        let kind = match finding.kind() {
            wire::FindingKind::Missing => "missing",
            wire::FindingKind::Late => "late",
            wire::FindingKind::Unknown => "unknown",
            wire::FindingKind::Sum => "sum",
            wire::FindingKind::Ledger => "ledger",
            wire::FindingKind::Different | wire::FindingKind::Unspecified => "different",
        };
        Self {
            kind,
            entity: finding.entity,
            entity_id: Id::optional(finding.entity_id),
            kept: finding.ours,
            should_be: finding.theirs,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Reconciliation {
    id: Id,
    #[schema(value_type = DateTime<Utc>)]
    started_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    finished_at: Option<DateTime<Utc>>,
    /// Whether all rows were looked at, and not only those of sums that differ.
    deep: bool,
    /// Rows and sums that have drifted. Zero is right.
    drift_count: i64,
    /// Rows that differ because their events are under way.
    under_way_count: i64,
    checked_count: i64,
    sums: Vec<ComparedSum>,
    /// The first 200.
    findings: Vec<Finding>,
}

impl From<wire::Reconciliation> for Reconciliation {
    fn from(report: wire::Reconciliation) -> Self {
        Self {
            id: Id::new(report.run_id),
            started_at: time(report.start_time),
            finished_at: time(report.finish_time),
            deep: report.deep,
            drift_count: report.drift_count,
            under_way_count: report.under_way_count,
            checked_count: report.checked_count,
            sums: report.sums.into_iter().map(ComparedSum::from).collect(),
            findings: report.findings.into_iter().map(Finding::from).collect(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Null until there was one.
    reconciliation: Option<Reconciliation>,
}

/// The last comparison of the organization's balances with what issues and payouts know.
#[utoipa::path(
    get,
    path = "/api/admin/reconciliation",
    operation_id = "getReconciliation",
    tag = "reconciliation",
    responses((status = 200, body = Report))
)]
async fn last(caller: Caller, State(gateway): State<Gateway>) -> Result<Json<Report>, Problem> {
    let request = caller.request(wire::GetReconciliationRequest {});
    let reply = gateway.reconciliations().get_reconciliation(request).await?.into_inner();
    Ok(Json(Report { reconciliation: reply.reconciliation.map(Reconciliation::from) }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Comparison {
    /// Looks at every row and its entries in the ledger, whether sums differ or not.
    #[serde(default)]
    deep: bool,
}

/// Compares now.
#[utoipa::path(
    post,
    path = "/api/admin/reconciliation",
    operation_id = "reconcile",
    tag = "reconciliation",
    request_body = Comparison,
    responses((status = 200, body = Reconciliation))
)]
async fn compare(
    caller: Caller,
    State(gateway): State<Gateway>,
    Body(comparison): Body<Comparison>,
) -> Result<Json<Reconciliation>, Problem> {
    let mut request = caller.request(wire::ReconcileRequest { deep: comparison.deep });
    request.set_timeout(super::audit::PATIENCE);
    let reply = gateway.reconciliations().reconcile(request).await?.into_inner();
    Ok(Json(required(reply.reconciliation, "reconciliation")?.into()))
}
