//! Why the caller's balance is what it is.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::balance::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::extract::Params;
use crate::problem::Problem;
use crate::rest::balance::instant;
use crate::rest::shapes::{Amount, Id, some, stamp, time};
use crate::state::Gateway;
use crate::words::Severity;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(explain))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Question {
    /// `earned`, `pending`, `awaiting`, `receivable`, or `cycle:` and an id.
    #[param(example = "earned")]
    figure: String,
    /// The figure as it was at this instant; RFC 3339, or the beginning of a day in UTC.
    as_of: Option<String>,
    page_size: Option<i32>,
    page_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    figure: String,
    #[schema(value_type = DateTime<Utc>)]
    as_of: Option<DateTime<Utc>>,
    /// What the balance says: the amounts of all lines add up to it.
    totals: Vec<Amount>,
    lines: Vec<ExplainedLine>,
    /// Give it as `pageToken` to read on; null at the end.
    next_page_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ExplainedLine {
    issue_id: Id,
    title: String,
    cycle_id: Id,
    cycle: String,
    severity: Option<Severity>,
    amount: Option<Amount>,
    /// The rule that priced it.
    why: Option<String>,
    /// What moved it, in the order in which it happened.
    events: Vec<BalanceEvent>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BalanceEvent {
    id: Id,
    #[serde(rename = "type")]
    #[schema(example = "payout.issue_paid")]
    kind: String,
    #[schema(value_type = DateTime<Utc>)]
    time: Option<DateTime<Utc>>,
}

impl From<wire::ExplainedLine> for ExplainedLine {
    fn from(line: wire::ExplainedLine) -> Self {
        let event = |event: wire::BalanceEvent| BalanceEvent {
            id: Id::new(event.event_id),
            kind: event.event_type,
            time: time(event.time),
        };
        Self {
            issue_id: Id::new(line.issue_id),
            title: line.title,
            cycle_id: Id::new(line.cycle_id),
            cycle: line.cycle_name,
            severity: Severity::read(line.severity),
            amount: line.amount.map(Amount::from),
            why: some(line.rule),
            events: line.events.into_iter().map(event).collect(),
        }
    }
}

/// Opens a figure of the balance to its lines, each with its rule and the events that moved it.
#[utoipa::path(
    get,
    path = "/api/me/balance/explain",
    operation_id = "explainBalance",
    tag = "balance",
    params(Question),
    responses((status = 200, body = Explanation))
)]
async fn explain(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(question): Params<Question>,
) -> Result<Json<Explanation>, Problem> {
    let request = caller.request(wire::ExplainBalanceRequest {
        figure: question.figure.clone(),
        as_of: instant("asOf", question.as_of.as_deref())?.map(stamp),
        page_size: question.page_size.unwrap_or_default(),
        page_token: question.page_token.unwrap_or_default(),
    });
    let reply = gateway.explanations().explain_balance(request).await?.into_inner();
    Ok(Json(Explanation {
        figure: question.figure,
        as_of: time(reply.as_of),
        totals: reply.totals.into_iter().map(Amount::from).collect(),
        lines: reply.lines.into_iter().map(ExplainedLine::from).collect(),
        next_page_token: some(reply.next_page_token),
    }))
}
