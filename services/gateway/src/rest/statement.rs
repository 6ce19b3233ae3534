//! The caller's statement of a month or a quarter: JSON, CSV, or a page to print.

pub(super) mod render;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use http::{HeaderMap, header};
use quittance_proto::balance::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::extract::Params;
use crate::problem::Problem;
use crate::rest::shapes::{Id, some, time};
use crate::state::Gateway;
use crate::words::Method;

/// The page has a style of its own and nothing else: no script, no picture, no form.
pub(super) const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(statement))
}

/// How a statement is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StatementFormat {
    Html,
    Csv,
    Json,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// A month or a quarter.
    #[param(example = "2026-Q1")]
    period: String,
    /// `html`, `csv` or `json`; else what `Accept` asks for, else a page.
    #[param(inline)]
    format: Option<StatementFormat>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Statement {
    period: String,
    #[schema(value_type = DateTime<Utc>)]
    from: Option<DateTime<Utc>>,
    /// Not part of it.
    #[schema(value_type = DateTime<Utc>)]
    to: Option<DateTime<Utc>>,
    member: Option<String>,
    opening: Vec<StatementFigures>,
    lines: Vec<StatementLine>,
    /// The opening of the next period.
    closing: Vec<StatementFigures>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StatementFigures {
    currency: String,
    /// Approved and not paid.
    owed_minor: i64,
    /// Paid so far, less what was voided.
    paid_minor: i64,
    /// What the caller owes back.
    receivable_minor: i64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StatementLine {
    #[schema(value_type = DateTime<Utc>)]
    time: Option<DateTime<Utc>>,
    event_id: Id,
    event_type: String,
    issue_id: Id,
    title: String,
    cycle: String,
    /// What it changed.
    change: StatementFigures,
    /// The rule that priced it.
    why: Option<String>,
    method: Option<Method>,
    reference: Option<String>,
}

impl From<wire::StatementFigures> for StatementFigures {
    fn from(figures: wire::StatementFigures) -> Self {
        Self {
            currency: figures.currency_code,
            owed_minor: figures.owed_minor,
            paid_minor: figures.paid_minor,
            receivable_minor: figures.receivable_minor,
        }
    }
}

impl From<wire::StatementLine> for StatementLine {
    fn from(line: wire::StatementLine) -> Self {
        Self {
            time: time(line.time),
            event_id: Id::new(line.event_id),
            event_type: line.event_type,
            issue_id: Id::new(line.issue_id),
            title: line.title,
            cycle: line.cycle_name,
            change: line.change.unwrap_or_default().into(),
            why: some(line.rule),
            method: Method::read(line.method),
            reference: some(line.reference),
        }
    }
}

impl Statement {
    fn new(period: String, reply: wire::GetStatementResponse) -> Self {
        Self {
            period,
            from: time(reply.from),
            to: time(reply.to),
            member: some(reply.member_name),
            opening: reply.opening.into_iter().map(StatementFigures::from).collect(),
            lines: reply.lines.into_iter().map(StatementLine::from).collect(),
            closing: reply.closing.into_iter().map(StatementFigures::from).collect(),
        }
    }
}

/// What was owed and paid before a month or quarter, what moved in it, and what was then.
#[utoipa::path(
    get,
    path = "/api/me/balance/statement",
    operation_id = "getStatement",
    tag = "balance",
    params(Wanted),
    responses((status = 200, content((Statement = "application/json"), (String = "text/html"), (String = "text/csv"))))
)]
async fn statement(
    caller: Caller,
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Params(wanted): Params<Wanted>,
) -> Result<Response, Problem> {
    let period = wanted.period;
    let request = caller.request(wire::GetStatementRequest { period: period.clone() });
    let reply = gateway.explanations().get_statement(request).await?.into_inner();
    let statement = Statement::new(period, reply);
    Ok(match wanted.format.unwrap_or_else(|| accepted(&headers)) {
        StatementFormat::Json => Json(statement).into_response(),
        StatementFormat::Csv => {
            // The service has read the period: it is a month or a quarter.
            let name = format!("attachment; filename=\"statement-{}.csv\"", statement.period);
            let headers = [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
                (header::CONTENT_DISPOSITION, name),
            ];
            (headers, render::csv(&statement)).into_response()
        }
        StatementFormat::Html => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
            ];
            (headers, render::html(&statement)).into_response()
        }
    })
}

/// The first of our types that `Accept` names.
fn accepted(headers: &HeaderMap) -> StatementFormat {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept
        .unwrap_or_default()
        .split(',')
        .find_map(|part| match part.split(';').next().unwrap_or_default().trim() {
            "application/json" => Some(StatementFormat::Json),
            "text/csv" => Some(StatementFormat::Csv),
            "text/html" => Some(StatementFormat::Html),
            _ => None,
        })
        .unwrap_or(StatementFormat::Html)
}

#[cfg(test)]
mod tests;
