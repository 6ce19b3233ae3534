//! The history of a cycle's rates.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::issues::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Params, Segments};
use crate::problem::Problem;
use crate::rest::cycles::PayoutRates;
use crate::rest::shapes::{Id, Page, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(history))
}

/// One change of a cycle's own rates.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RateChange {
    id: Id,
    changed_by: Id,
    changed_by_name: String,
    #[schema(value_type = DateTime<Utc>)]
    changed_at: Option<DateTime<Utc>>,
    /// Null: the default rates.
    before: Option<PayoutRates>,
    /// Null: the default rates.
    after: Option<PayoutRates>,
}

impl From<wire::RateChange> for RateChange {
    fn from(change: wire::RateChange) -> Self {
        Self {
            id: Id::new(change.rate_change_id),
            changed_by: Id::new(change.changed_by),
            changed_by_name: change.changed_by_name,
            changed_at: time(change.change_time),
            before: change.before.map(PayoutRates::from),
            after: change.after.map(PayoutRates::from),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HistoryFilter {
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists every change of a cycle's rates, the newest first.
#[utoipa::path(
    get,
    path = "/api/test-cycles/{id}/rates/history",
    operation_id = "listRateChanges",
    tag = "test cycles",
    params(("id" = Uuid, Path), HistoryFilter),
    responses((status = 200, body = Page<RateChange>))
)]
async fn history(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    Params(filter): Params<HistoryFilter>,
) -> Result<Json<Page<RateChange>>, Problem> {
    let request = caller.request(wire::ListRateChangesRequest {
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
        cycle_id: id.to_string(),
    });
    let reply = gateway.cycles().list_rate_changes(request).await?.into_inner();
    Ok(Json(Page::of(reply.changes, reply.next_page_token)))
}
