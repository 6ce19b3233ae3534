//! The triage inbox.

use axum::Json;
use axum::extract::State;
use quittance_proto::issues::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use wire::triage_decision::Decision as WireDecision;

use crate::auth::Caller;
use crate::extract::{Body, Params};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::rest::issue::Issue;
use crate::rest::issues::amount;
use crate::rest::shapes::{Id, some};
use crate::state::Gateway;
use crate::words::PayoutStatus;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(inbox)).routes(routes!(decide))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InboxFilter {
    page_size: Option<i32>,
    page_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Inbox {
    /// Over all pages.
    issue_count: i64,
    cycle_count: i64,
    items: Vec<Issue>,
    next_page_token: Option<String>,
}

/// Lists open, undecided issues of open cycles: the worst first, then the newest.
#[utoipa::path(
    get,
    path = "/api/admin/triage",
    operation_id = "listTriage",
    tag = "triage",
    params(InboxFilter),
    responses((status = 200, body = Inbox))
)]
async fn inbox(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<InboxFilter>,
) -> Result<Json<Inbox>, Problem> {
    let request = caller.request(wire::ListTriageRequest {
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
    });
    let reply = gateway.issues().list_triage(request).await?.into_inner();
    Ok(Json(Inbox {
        issue_count: reply.issue_count,
        cycle_count: reply.cycle_count,
        items: reply.issues.into_iter().map(Issue::from).collect(),
        next_page_token: some(reply.next_page_token),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Decisions {
    /// 1 to 100.
    decisions: Vec<Decision>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Decision {
    issue_id: Uuid,
    #[serde(rename = "decision")]
    verdict: Verdict,
    /// With `approve`: an amount other than the suggested one.
    amount_minor: Option<i64>,
    currency: Option<String>,
    /// With `reject`.
    reason: Option<String>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Approve,
    Reject,
}

impl Decision {
    fn message(self, index: usize) -> Result<wire::TriageDecision, Problem> {
        let path = format!("decisions[{index}].");
        let amount = amount(&path, self.amount_minor, self.currency)?;
        let decision = match (self.verdict, amount, self.reason) {
            (Verdict::Approve, amount, None) => {
                WireDecision::Approve(wire::TriageApproval { amount })
            }
            (Verdict::Approve, _, Some(_)) => {
                let detail = "is for a rejection only";
                return Err(Problem::invalid(format!("{path}reason"), detail));
            }
            (Verdict::Reject, None, reason) => {
                let reason = reason.unwrap_or_default();
                WireDecision::Reject(wire::TriageRejection { reason })
            }
            (Verdict::Reject, Some(_), _) => {
                let detail = "is for an approval only";
                return Err(Problem::invalid(format!("{path}amountMinor"), detail));
            }
        };
        Ok(wire::TriageDecision { issue_id: self.issue_id.to_string(), decision: Some(decision) })
    }
}

#[derive(Serialize, ToSchema)]
struct Results {
    results: Vec<TriageResult>,
}

/// What became of one decision.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TriageResult {
    issue_id: Id,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payout_status: Option<PayoutStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_minor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    /// The stable reason, when not ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl From<wire::TriageResult> for TriageResult {
    fn from(result: wire::TriageResult) -> Self {
        let (amount_minor, currency) =
            result.amount.map(|money| (money.minor_units, money.currency_code)).unzip();
        Self {
            issue_id: Id::new(result.issue_id),
            ok: result.ok,
            payout_status: PayoutStatus::read(result.payout_status),
            amount_minor,
            currency,
            code: some(result.code),
            detail: some(result.detail),
        }
    }
}

/// Decides 1 to 100 issues; each decision stands for itself and has its own result.
#[utoipa::path(
    post,
    path = "/api/admin/triage/decide",
    operation_id = "decideTriage",
    tag = "triage",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = Decisions,
    responses((status = 200, body = Results))
)]
async fn decide(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<Decisions>,
) -> Result<Reply<Results>, Problem> {
    let decisions = body
        .decisions
        .into_iter()
        .enumerate()
        .map(|(index, decision)| decision.message(index))
        .collect::<Result<_, _>>()?;
    let message = wire::DecideTriageRequest { request_id: key.request_id(), decisions };
    let reply = gateway.issues().decide_triage(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let results = reply.results.into_iter().map(TriageResult::from).collect();
    Ok(Reply::ok(Results { results }).remembered(&metadata))
}
