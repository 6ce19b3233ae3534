//! The append-only log of decisions about money.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::payouts::v1 as wire;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::Params;
use crate::problem::Problem;
use crate::rest::shapes::{Id, Page, some, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AuditEntry {
    id: Id,
    #[schema(value_type = DateTime<Utc>)]
    time: Option<DateTime<Utc>>,
    actor_id: Option<Id>,
    actor_role: Option<String>,
    impersonator_id: Option<Id>,
    action: String,
    entity: String,
    entity_id: Id,
    /// What changed, as it was.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// What changed, as it is.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
    reason: Option<String>,
    request_id: Option<String>,
}

impl From<wire::AuditEntry> for AuditEntry {
    fn from(entry: wire::AuditEntry) -> Self {
        Self {
            id: Id::new(entry.audit_id),
            time: time(entry.time),
            actor_id: Id::optional(entry.actor_id),
            actor_role: some(entry.actor_role),
            impersonator_id: Id::optional(entry.impersonator_id),
            action: entry.action,
            entity: entry.entity,
            entity_id: Id::new(entry.entity_id),
            before: json(entry.before),
            after: json(entry.after),
            reason: some(entry.reason),
            request_id: some(entry.request_id),
        }
    }
}

/// Shows JSON as what it is, and any other text as a text.
fn json(text: String) -> Option<Value> {
    some(text).map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditFilter {
    entity_id: Option<Uuid>,
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists audit rows, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin/audit",
    operation_id = "listAuditEntries",
    tag = "audit",
    params(AuditFilter),
    responses((status = 200, body = Page<AuditEntry>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<AuditFilter>,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    let request = caller.request(wire::ListAuditEntriesRequest {
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
        entity_id: filter.entity_id.map(|id| id.to_string()).unwrap_or_default(),
    });
    let reply = gateway.audit().list_audit_entries(request).await?.into_inner();
    Ok(Json(Page::of(reply.entries, reply.next_page_token)))
}
