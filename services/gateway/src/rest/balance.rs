//! What is true about the caller's money.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use futures_util::{Stream, StreamExt as _, stream};
use http::header;
use quittance_proto::balance::v1 as wire;
use serde::{Deserialize, Serialize};
use tonic::Status;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::edge::Place;
use crate::extract::Params;
use crate::problem::Problem;
use crate::rest::shapes::{Amount, Id, Page, some, stamp, time};
use crate::state::Gateway;
use crate::words::{IssueStatus, Method, PayoutStatus, Severity};

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(balance)).routes(routes!(history)).routes(routes!(export))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Balance {
    totals: Vec<BalanceTotal>,
    awaiting_count: i64,
    filed_count: i64,
    accepted_count: i64,
    /// Accepted by filed, undecided ones included; null when nothing was filed.
    acceptance_rate: Option<f64>,
    /// Accepted by decided; null when nothing was decided.
    decided_acceptance_rate: Option<f64>,
    cycles: Vec<CycleBalance>,
    #[schema(value_type = DateTime<Utc>)]
    as_of: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BalanceTotal {
    #[schema(example = "KZT")]
    currency: String,
    /// Paid.
    earned_minor: i64,
    /// Approved and not paid.
    pending_minor: i64,
    /// An estimate, at current rates, of what awaits a decision.
    awaiting_minor: i64,
    receivable_minor: i64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CycleBalance {
    cycle_id: Id,
    name: String,
    issues: i64,
    /// Accepted ones, paid ones included.
    approved: i64,
    paid: i64,
    earned: Vec<Amount>,
}

impl From<wire::GetBalanceResponse> for Balance {
    fn from(reply: wire::GetBalanceResponse) -> Self {
        Self {
            acceptance_rate: rate(reply.accepted_count, reply.filed_count),
            decided_acceptance_rate: rate(reply.accepted_count, reply.decided_count),
            totals: reply.totals.into_iter().map(BalanceTotal::from).collect(),
            awaiting_count: reply.awaiting_count,
            filed_count: reply.filed_count,
            accepted_count: reply.accepted_count,
            cycles: reply.cycles.into_iter().map(CycleBalance::from).collect(),
            as_of: time(reply.as_of),
        }
    }
}

impl From<wire::BalanceTotal> for BalanceTotal {
    fn from(total: wire::BalanceTotal) -> Self {
        Self {
            currency: total.currency_code,
            earned_minor: total.earned_minor,
            pending_minor: total.pending_minor,
            awaiting_minor: total.awaiting_minor,
            receivable_minor: total.receivable_minor,
        }
    }
}

impl From<wire::CycleBalance> for CycleBalance {
    fn from(cycle: wire::CycleBalance) -> Self {
        Self {
            cycle_id: Id::new(cycle.cycle_id),
            name: cycle.name,
            issues: cycle.issues,
            approved: cycle.approved,
            paid: cycle.paid,
            earned: cycle.earned.into_iter().map(Amount::from).collect(),
        }
    }
}

/// Shows a share with four decimals.
fn rate(part: i64, whole: i64) -> Option<f64> {
    let scaled = i128::from(part) * 20_000 + i128::from(whole);
    let rounded = scaled.checked_div(i128::from(whole) * 2)?;
    i32::try_from(rounded).ok().map(|share| f64::from(share) / 10_000.0)
}

/// Totals, counts, and the same by cycle.
#[utoipa::path(
    get,
    path = "/api/me/balance",
    tag = "balance",
    params(Moment),
    responses((status = 200, body = Balance))
)]
async fn balance(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(moment): Params<Moment>,
) -> Result<Json<Balance>, Problem> {
    let as_of = instant("asOf", moment.as_of.as_deref())?.map(stamp);
    let request = caller.request(wire::GetBalanceRequest { as_of });
    let reply = gateway.balance().get_balance(request).await?.into_inner();
    Ok(Json(reply.into()))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Moment {
    /// The balance as it was at this instant; RFC 3339, or the beginning of a day in UTC.
    as_of: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HistoryFilter {
    cycle: Option<Uuid>,
    page_size: Option<i32>,
    page_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HistoryLine {
    issue_id: Id,
    #[schema(value_type = DateTime<Utc>)]
    date: Option<DateTime<Utc>>,
    cycle_id: Id,
    cycle: String,
    #[schema(value_type = Severity)]
    severity: Option<Severity>,
    title: String,
    #[schema(value_type = IssueStatus)]
    status: Option<IssueStatus>,
    #[schema(value_type = PayoutStatus)]
    payout_status: Option<PayoutStatus>,
    amount: Option<Amount>,
    paid_at: Option<DateTime<Utc>>,
    method: Option<Method>,
    reference: Option<String>,
    /// The rule that priced it.
    why: Option<String>,
}

impl From<wire::HistoryLine> for HistoryLine {
    fn from(line: wire::HistoryLine) -> Self {
        Self {
            issue_id: Id::new(line.issue_id),
            date: time(line.file_time),
            cycle_id: Id::new(line.cycle_id),
            cycle: line.cycle_name,
            severity: Severity::read(line.severity),
            title: line.title,
            status: IssueStatus::read(line.status),
            payout_status: PayoutStatus::read(line.payout_status),
            amount: line.amount.map(Amount::from),
            paid_at: time(line.pay_time),
            method: Method::read(line.method),
            reference: some(line.reference),
            why: some(line.rule),
        }
    }
}

/// The caller's own issues and what came of them, the newest first.
#[utoipa::path(
    get,
    path = "/api/me/balance/history",
    tag = "balance",
    params(HistoryFilter),
    responses((status = 200, body = Page<HistoryLine>))
)]
async fn history(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<HistoryFilter>,
) -> Result<Json<Page<HistoryLine>>, Problem> {
    let request = caller.request(wire::ListHistoryRequest {
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
        cycle_id: filter.cycle.map(|id| id.to_string()).unwrap_or_default(),
    });
    let reply = gateway.balance().list_history(request).await?.into_inner();
    Ok(Json(Page::of(reply.lines, reply.next_page_token)))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Span {
    /// Payments at or after this instant; RFC 3339, or a day in UTC.
    from: Option<String>,
    /// Payments before this instant.
    to: Option<String>,
    /// Ends the file with rows, sums per currency and a digest.
    #[serde(default)]
    trailer: bool,
}

/// The caller's own payments as a CSV file (RFC 4180).
#[utoipa::path(
    get,
    path = "/api/me/balance/export.csv",
    tag = "balance",
    params(Span),
    responses((status = 200, body = str, content_type = "text/csv"))
)]
pub(crate) async fn export(
    caller: Caller,
    State(gateway): State<Gateway>,
    Extension(place): Extension<Place>,
    Params(span): Params<Span>,
) -> Result<Response, Problem> {
    let request = caller.request(wire::ExportPaymentsRequest {
        from: instant("from", span.from.as_deref())?.map(stamp),
        to: instant("to", span.to.as_deref())?.map(stamp),
        trailer: span.trailer,
    });
    let mut chunks = gateway.balance().export_payments(request).await?.into_inner();
    // An export that cannot begin is a problem, not a broken file.
    let first = chunks.message().await?;
    let file = file(stream::iter(first.map(Ok)).chain(chunks), place);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"quittance-payments.csv\""),
    ];
    Ok((headers, file).into_response())
}

/// Passes the chunks on as they come. The file keeps its place until its end, so that exports
/// count among the requests that are worked on.
fn file<S>(chunks: S, place: Place) -> Body
where
    S: Stream<Item = Result<wire::ExportPaymentsResponse, Status>> + Send + 'static,
{
    Body::from_stream(chunks.map(move |chunk| {
        let _held = &place;
        chunk
            .map(|reply| reply.chunk)
            .inspect_err(|status| tracing::warn!(%status, "an export broke off"))
    }))
}

pub(super) fn instant(field: &str, text: Option<&str>) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let day = || text.parse::<NaiveDate>().ok().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    time.or_else(day)
        .map(Some)
        .ok_or_else(|| Problem::invalid(field, "must be an RFC 3339 instant or a day"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn a_rate_has_four_decimals_and_none_of_nothing() {
        assert_eq!(rate(30, 42), Some(0.7143));
        assert_eq!(rate(30, 30), Some(1.0));
        assert_eq!(rate(0, 5), Some(0.0));
        assert_eq!(rate(0, 0), None);
        assert_eq!(rate(2, 3), Some(0.6667));
    }

    #[tokio::test]
    async fn a_file_keeps_its_place_until_it_is_read_or_dropped() {
        let places = Arc::new(Semaphore::new(1));
        let place = Place::new(Arc::clone(&places).try_acquire_owned().unwrap());
        let file = file(stream::pending(), place);
        assert_eq!(places.available_permits(), 0);
        drop(file);
        assert_eq!(places.available_permits(), 1);
    }

    #[test]
    fn an_instant_may_be_a_day() {
        let day = instant("from", Some("2026-05-08")).unwrap().unwrap();
        assert_eq!(day.to_rfc3339(), "2026-05-08T00:00:00+00:00");
        let noon = instant("from", Some("2026-05-08T15:00:00+05:00")).unwrap().unwrap();
        assert_eq!(noon.to_rfc3339(), "2026-05-08T10:00:00+00:00");
        assert!(instant("from", Some("yesterday")).is_err());
        assert_eq!(instant("from", None).unwrap(), None);
    }
}
