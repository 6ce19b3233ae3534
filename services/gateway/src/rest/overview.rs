//! The admin's overview: what is owed, what was paid, what waits.

use axum::Json;
use axum::extract::State;
use quittance_proto::balance::v1::{GetOrganizationTotalsRequest, TopEarner};
use quittance_proto::issues::v1::{Issue as WireIssue, ListPendingReviewRequest};
use quittance_proto::payouts::v1 as wire;
use quittance_proto::payouts::v1::{ListPayQueueRequest, PayQueueEntry};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::extract::Params;
use crate::problem::Problem;
use crate::rest::issue::Issue;
use crate::rest::members::{self, Names};
use crate::rest::shapes::{Id, Total, ids, some, totals};
use crate::state::Gateway;
use crate::words::Method;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(overview)).routes(routes!(by_tester))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Overview {
    aggregate: Aggregate,
    /// Approved, unpaid work by tester; its first page.
    pay_queue: Vec<QueueEntry>,
    /// Undecided issues; their first page.
    pending_review: Vec<Issue>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Aggregate {
    approved_unpaid: Vec<Total>,
    paid_lifetime: Vec<Total>,
    pending_review_count: i64,
    /// Null when nobody has earned anything.
    top_tester: Option<TopTester>,
    voided: Vec<Total>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TopTester {
    member_id: Id,
    name: Option<String>,
    currency: String,
    amount_minor: i64,
}

/// One tester's approved, unpaid work.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct QueueEntry {
    tester_id: Id,
    /// Null when it is not at hand.
    name: Option<String>,
    issue_count: i64,
    totals: Vec<Total>,
    issue_ids: Vec<Id>,
    /// By which methods a sum is too small to be paid: it accumulates.
    below_minimum: Vec<BelowMinimum>,
}

/// A sum that is not paid by this method yet.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BelowMinimum {
    #[schema(value_type = Method)]
    method: Option<Method>,
    currency: String,
    /// From which sum on it is.
    minimum_minor: i64,
}

impl From<wire::BelowMinimum> for BelowMinimum {
    fn from(of: wire::BelowMinimum) -> Self {
        let minimum = of.minimum.unwrap_or_default();
        Self {
            method: Method::read(of.method),
            currency: minimum.currency_code,
            minimum_minor: minimum.minor_units,
        }
    }
}

impl QueueEntry {
    fn of(entry: PayQueueEntry, names: &Names) -> Self {
        Self {
            name: names.get(&entry.payee_id).cloned(),
            tester_id: Id::new(entry.payee_id),
            issue_count: entry.issue_count,
            totals: totals(entry.totals),
            issue_ids: ids(entry.issue_ids),
            below_minimum: entry.below_minimum.into_iter().map(BelowMinimum::from).collect(),
        }
    }
}

impl TopTester {
    fn of(top: TopEarner, names: &Names) -> Self {
        let earned = top.earned.unwrap_or_default();
        Self {
            name: some(top.name).or_else(|| names.get(&top.member_id).cloned()),
            member_id: Id::new(top.member_id),
            currency: earned.currency_code,
            amount_minor: earned.minor_units,
        }
    }
}

/// Shows what is owed, what was paid, and what waits for a decision.
#[utoipa::path(
    get,
    path = "/api/admin/payouts",
    operation_id = "getPayoutOverview",
    tag = "payouts",
    responses((status = 200, body = Overview))
)]
async fn overview(
    caller: Caller,
    State(gateway): State<Gateway>,
) -> Result<Json<Overview>, Problem> {
    let (mut balance, mut payouts, mut issues) =
        (gateway.balance(), gateway.payouts(), gateway.issues());
    let (sums, queue, pending, names) = tokio::try_join!(
        balance.get_organization_totals(caller.request(GetOrganizationTotalsRequest {})),
        payouts.list_pay_queue(caller.request(ListPayQueueRequest::default())),
        issues.list_pending_review(caller.request(ListPendingReviewRequest::default())),
        members::names(&gateway, &caller),
    )?;
    let (sums, queue, pending) = (sums.into_inner(), queue.into_inner(), pending.into_inner());
    let names = completed(names, &pending.issues);
    Ok(Json(Overview {
        aggregate: Aggregate {
            approved_unpaid: totals(sums.approved_unpaid),
            paid_lifetime: totals(sums.paid_lifetime),
            pending_review_count: pending.total_count,
            top_tester: sums.top_earner.map(|top| TopTester::of(top, &names)),
            voided: totals(sums.voided),
        },
        pay_queue: queue.entries.into_iter().map(|entry| QueueEntry::of(entry, &names)).collect(),
        pending_review: pending.issues.into_iter().map(Issue::from).collect(),
    }))
}

/// Adds the names that issues carry with them.
fn completed(mut names: Names, issues: &[WireIssue]) -> Names {
    for issue in issues {
        if !issue.reporter_name.is_empty() {
            names.entry(issue.reporter_id.clone()).or_insert_with(|| issue.reporter_name.clone());
        }
    }
    names
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct QueueFilter {
    page_size: Option<i32>,
    page_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Queue {
    items: Vec<QueueEntry>,
    next_page_token: Option<String>,
    /// Over all testers and pages.
    totals: Vec<Total>,
}

/// Lists approved, unpaid work by tester.
#[utoipa::path(
    get,
    path = "/api/admin/payouts/by-tester",
    operation_id = "listPayQueue",
    tag = "payouts",
    params(QueueFilter),
    responses((status = 200, body = Queue))
)]
async fn by_tester(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<QueueFilter>,
) -> Result<Json<Queue>, Problem> {
    let request = caller.request(ListPayQueueRequest {
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
    });
    let mut payouts = gateway.payouts();
    let (queue, names) =
        tokio::try_join!(payouts.list_pay_queue(request), members::names(&gateway, &caller))?;
    let queue = queue.into_inner();
    Ok(Json(Queue {
        items: queue.entries.into_iter().map(|entry| QueueEntry::of(entry, &names)).collect(),
        next_page_token: some(queue.next_page_token),
        totals: totals(queue.totals),
    }))
}
