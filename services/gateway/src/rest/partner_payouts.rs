//! All payouts as accounting reads them: the list, sums, and a file.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};
use http::header;
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::edge::Place;
use crate::extract::Params;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::payouts::Payout;
use crate::rest::shapes::{Id, Page, some, time};
use crate::state::Gateway;
use crate::words::PayoutState;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(stats)).routes(routes!(export))
}

/// A payout, with what is known of a partner's besides.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartnerPayout {
    #[serde(flatten)]
    payout: Payout,
    /// The payee, as partners are called.
    partner_id: Id,
    partner_name: Option<String>,
    /// A month or a quarter; null for payouts of issues.
    period: Option<String>,
    notes: Option<String>,
    /// `issue`, `manual`, `commission` or `schedule`.
    source: String,
    approved_by: Option<Id>,
    approved_at: Option<DateTime<Utc>>,
    /// Why it was rejected.
    rejection: Option<String>,
}

impl PartnerPayout {
    pub(super) fn read(of: wire::PartnerPayout) -> Result<Self, Problem> {
        let payout = required(of.payout, "payout")?;
        Ok(Self {
            partner_id: Id::new(payout.payee_id.clone()),
            payout: payout.into(),
            partner_name: some(of.partner_name),
            period: some(of.period),
            notes: some(of.notes),
            source: of.source,
            approved_by: Id::optional(of.approved_by),
            approved_at: time(of.approve_time),
            rejection: some(of.rejection),
        })
    }

    pub(super) fn id(&self) -> &str {
        self.payout.id.as_str()
    }

    pub(super) fn version(&self) -> i64 {
        self.payout.version
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PayoutFilter {
    /// Whom it goes to; `payee` is another name of it.
    partner: Option<Uuid>,
    payee: Option<Uuid>,
    status: Option<PayoutState>,
    period: Option<String>,
    currency: Option<String>,
    /// A part of the notes, the reference or the partner's name.
    q: Option<String>,
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// The same without pages, for the file.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportFilter {
    partner: Option<Uuid>,
    status: Option<PayoutState>,
    period: Option<String>,
    currency: Option<String>,
    q: Option<String>,
}

impl ExportFilter {
    fn wire(self) -> wire::PartnerPayoutFilter {
        wire::PartnerPayoutFilter {
            state: self.status.map(PayoutState::number).unwrap_or_default(),
            partner_id: self.partner.map(|id| id.to_string()).unwrap_or_default(),
            period: self.period.unwrap_or_default(),
            currency_code: self.currency.unwrap_or_default(),
            query: self.q.unwrap_or_default(),
        }
    }
}

/// Lists payouts, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin/payouts/list",
    operation_id = "listPayouts",
    tag = "payouts",
    params(PayoutFilter),
    responses((status = 200, body = Page<PartnerPayout>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<PayoutFilter>,
) -> Result<Json<Page<PartnerPayout>>, Problem> {
    if filter.partner.is_some() && filter.payee.is_some() {
        return Err(Problem::invalid("payee", "is another name of partner"));
    }
    let page_size = filter.page_size.unwrap_or_default();
    let page_token = filter.page_token.unwrap_or_default();
    let filter = ExportFilter {
        partner: filter.partner.or(filter.payee),
        status: filter.status,
        period: filter.period,
        currency: filter.currency,
        q: filter.q,
    };
    let request = caller.request(wire::ListPartnerPayoutsRequest {
        page_size,
        page_token,
        filter: Some(filter.wire()),
    });
    let reply = gateway.partner_payouts().list_partner_payouts(request).await?.into_inner();
    let items: Result<Vec<_>, _> = reply.payouts.into_iter().map(PartnerPayout::read).collect();
    Ok(Json(Page { items: items?, next_page_token: some(reply.next_page_token) }))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PayoutStats {
    states: Vec<PayoutStat>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PayoutStat {
    #[schema(value_type = PayoutState)]
    status: Option<PayoutState>,
    currency: String,
    count: i64,
    amount_minor: i64,
}

/// Counts and sums payouts by state and currency.
#[utoipa::path(
    get,
    path = "/api/admin/payouts/stats",
    operation_id = "getPayoutStats",
    tag = "payouts",
    responses((status = 200, body = PayoutStats))
)]
async fn stats(
    caller: Caller,
    State(gateway): State<Gateway>,
) -> Result<Json<PayoutStats>, Problem> {
    let request = caller.request(wire::GetPayoutStatsRequest {});
    let reply = gateway.partner_payouts().get_payout_stats(request).await?.into_inner();
    let stat = |stat: wire::PayoutStat| {
        let total = stat.total.unwrap_or_default();
        let money = total.amount.unwrap_or_default();
        PayoutStat {
            status: PayoutState::read(stat.state),
            currency: money.currency_code,
            count: total.count,
            amount_minor: money.minor_units,
        }
    };
    Ok(Json(PayoutStats { states: reply.states.into_iter().map(stat).collect() }))
}

/// The list as a CSV file (RFC 4180).
#[utoipa::path(
    get,
    path = "/api/admin/payouts/export.csv",
    operation_id = "exportPayouts",
    tag = "payouts",
    params(ExportFilter),
    responses((status = 200, body = str, content_type = "text/csv"))
)]
pub(crate) async fn export(
    caller: Caller,
    State(gateway): State<Gateway>,
    Extension(place): Extension<Place>,
    Params(filter): Params<ExportFilter>,
) -> Result<Response, Problem> {
    let filter = Some(filter.wire());
    let request = caller.request(wire::ExportPartnerPayoutsRequest { filter });
    let mut chunks = gateway.partner_payouts().export_partner_payouts(request).await?.into_inner();
    // An export that cannot begin is a problem, not a broken file.
    let first = chunks.message().await?;
    let file = stream::iter(first.map(Ok)).chain(chunks).map(move |chunk| {
        // Exports count among the requests that are worked on.
        let _held = &place;
        chunk
            .map(|reply| reply.chunk)
            .inspect_err(|status| tracing::warn!(%status, "an export broke off"))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"quittance-payouts.csv\""),
    ];
    Ok((headers, Body::from_stream(file)).into_response())
}
