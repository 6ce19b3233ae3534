//! Keys by which one's own programs call.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use quittance_kernel::Role;
use quittance_proto::issues::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::{Caller, refused};
use crate::extract::{Body, Segments};
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::shapes::{Id, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// A key without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ApiKey {
    id: Id,
    name: String,
    /// The beginning of the secret, to recognise it by.
    start: String,
    /// All that the member has when empty.
    roles: Vec<String>,
    read_only: bool,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    /// To the minute.
    last_used_at: Option<DateTime<Utc>>,
    version: i64,
}

impl From<wire::ApiKey> for ApiKey {
    fn from(of: wire::ApiKey) -> Self {
        Self {
            id: Id::new(of.api_key_id),
            name: of.name,
            start: of.start,
            roles: of.roles,
            read_only: of.read_only,
            created_at: time(of.create_time),
            expires_at: time(of.expire_time),
            revoked_at: time(of.revoke_time),
            last_used_at: time(of.last_use_time),
            version: of.version,
        }
    }
}

#[derive(Serialize, ToSchema)]
struct ApiKeys {
    items: Vec<ApiKey>,
}

/// Lists the caller's keys, the newest first, those that are over too.
#[utoipa::path(
    get,
    path = "/api/me/api-keys",
    operation_id = "listApiKeys",
    tag = "me",
    responses((status = 200, body = ApiKeys))
)]
async fn list(caller: Caller, State(gateway): State<Gateway>) -> Result<Json<ApiKeys>, Problem> {
    let request = caller.request(wire::ListApiKeysRequest {});
    let reply = gateway.api_keys().list_api_keys(request).await?.into_inner();
    Ok(Json(ApiKeys { items: reply.api_keys.into_iter().map(ApiKey::from).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewApiKey {
    /// What it is for.
    name: String,
    /// Some of one's roles; all of them, whatever they are at the time, when absent.
    #[schema(value_type = Option<Vec<String>>, example = json!(["lead"]))]
    roles: Option<Vec<Role>>,
    /// Whether it opens nothing that changes something.
    read_only: Option<bool>,
    /// 90 when absent.
    #[schema(minimum = 1, maximum = 366)]
    lifetime_days: Option<i32>,
}

#[derive(Serialize, ToSchema)]
struct MadeApiKey {
    #[serde(flatten)]
    key: ApiKey,
    /// For the header `Authorization: Bearer`. It is told here and never again.
    secret: String,
}

/// Makes a key. It calls in the caller's name, with some or all of their roles, until it expires or is
/// revoked. A key makes no keys, views as nobody and changes no payout account.
#[utoipa::path(
    post,
    path = "/api/me/api-keys",
    operation_id = "createApiKey",
    tag = "me",
    request_body = NewApiKey,
    responses((status = 201, body = MadeApiKey))
)]
async fn create(
    caller: Caller,
    State(gateway): State<Gateway>,
    Body(body): Body<NewApiKey>,
) -> Result<Reply<MadeApiKey>, Problem> {
    // A key is exchanged for a session of ours whenever it is used.
    gateway.verifier.opens_sessions().map_err(|error| refused(&error))?;
    if body.lifetime_days == Some(0) {
        return Err(Problem::invalid("lifetimeDays", "must be between 1 and 366"));
    }
    let request = caller.request(wire::CreateApiKeyRequest {
        name: body.name,
        roles: body.roles.unwrap_or_default().iter().map(Role::to_string).collect(),
        read_only: body.read_only.unwrap_or_default(),
        lifetime_days: body.lifetime_days.unwrap_or_default(),
    });
    let reply = gateway.api_keys().create_api_key(request).await?.into_inner();
    let key = ApiKey::from(required(reply.api_key, "api_key")?);
    Ok(Reply::created("/api/me/api-keys", MadeApiKey { key, secret: reply.secret }))
}

/// Revokes a key. It is refused within five seconds.
#[utoipa::path(
    delete,
    path = "/api/me/api-keys/{id}",
    operation_id = "revokeApiKey",
    tag = "me",
    params(("id" = Uuid, Path)),
    responses((status = 204))
)]
async fn revoke(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<StatusCode, Problem> {
    let request = caller.request(wire::RevokeApiKeyRequest { api_key_id: id.to_string() });
    gateway.api_keys().revoke_api_key(request).await?;
    Ok(StatusCode::NO_CONTENT)
}
