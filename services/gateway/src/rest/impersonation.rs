//! Viewing as somebody else, and who did.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use quittance_kernel::Principal;
use quittance_proto::issues::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::{Caller, refused};
use crate::extract::{Body, Params};
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::shapes::{Id, Page, time};
use crate::rest::sign_in::principal;
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(start, end)).routes(routes!(list))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ViewAs {
    member_id: Uuid,
    /// Why; the log shows it.
    reason: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Viewing {
    /// For the header `Authorization: Bearer`: reads as the member, and writes nothing.
    token: String,
    impersonation_id: Id,
    member_id: Id,
    expires_at: DateTime<Utc>,
}

/// Begins to view as a member of the organization, for at most 15 minutes.
#[utoipa::path(
    post,
    path = "/api/admin/impersonate",
    operation_id = "startImpersonation",
    tag = "impersonation",
    request_body = ViewAs,
    responses((status = 200, body = Viewing))
)]
async fn start(
    caller: Caller,
    State(gateway): State<Gateway>,
    Body(body): Body<ViewAs>,
) -> Result<Json<Viewing>, Problem> {
    // Nobody is said to view who cannot be given a token.
    gateway.verifier.opens_sessions().map_err(|error| refused(&error))?;
    let request = caller.request(wire::StartImpersonationRequest {
        member_id: body.member_id.to_string(),
        reason: body.reason,
    });
    let reply = gateway.impersonations().start_impersonation(request).await?.into_inner();
    let begun = required(reply.impersonation, "impersonation")?;
    let member = principal(&required(reply.member, "member")?)?;
    let viewer = Principal { impersonator: Some(caller.ctx.member()), ..member };
    let id = begun.impersonation_id.parse();
    let id = id.map_err(|_| Problem::internal("the reply has an id that is no UUID"))?;
    let expires_at = required(time(begun.expire_time), "expire_time")?;
    let token = gateway.verifier.mint_impersonation(&viewer, id, expires_at);
    Ok(Json(Viewing {
        token: token.map_err(|error| refused(&error))?,
        impersonation_id: Id::new(begun.impersonation_id),
        member_id: Id::new(begun.member_id),
        expires_at,
    }))
}

/// Ends the impersonation whose token this is; with one's own token, all that one has begun. The token
/// is refused from then on.
#[utoipa::path(
    delete,
    path = "/api/admin/impersonate",
    operation_id = "endImpersonation",
    tag = "impersonation",
    responses((status = 204))
)]
async fn end(caller: Caller, State(gateway): State<Gateway>) -> Result<StatusCode, Problem> {
    let viewing = caller.viewing.as_deref().cloned().unwrap_or_default();
    let request = caller
        .request(wire::EndImpersonationRequest { impersonation_id: viewing.impersonation_id });
    gateway.impersonations().end_impersonation(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Impersonation {
    id: Id,
    admin_id: Id,
    admin_name: String,
    member_id: Id,
    member_name: String,
    reason: String,
    #[schema(value_type = DateTime<Utc>)]
    started_at: Option<DateTime<Utc>>,
    /// When it ends by itself.
    #[schema(value_type = DateTime<Utc>)]
    expires_at: Option<DateTime<Utc>>,
    /// When it was ended before that.
    ended_at: Option<DateTime<Utc>>,
    /// How often something was read.
    reads: i64,
    /// How often something was refused, such as a write.
    refusals: i64,
}

impl From<wire::Impersonation> for Impersonation {
    fn from(of: wire::Impersonation) -> Self {
        Self {
            id: Id::new(of.impersonation_id),
            admin_id: Id::new(of.admin_id),
            admin_name: of.admin_name,
            member_id: Id::new(of.member_id),
            member_name: of.member_name,
            reason: of.reason,
            started_at: time(of.start_time),
            expires_at: time(of.expire_time),
            ended_at: time(of.end_time),
            reads: of.reads,
            refusals: of.refusals,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ImpersonationFilter {
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists who viewed as whom, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin/impersonations",
    operation_id = "listImpersonations",
    tag = "impersonation",
    params(ImpersonationFilter),
    responses((status = 200, body = Page<Impersonation>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<ImpersonationFilter>,
) -> Result<Json<Page<Impersonation>>, Problem> {
    let request = caller.request(wire::ListImpersonationsRequest {
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
    });
    let reply = gateway.impersonations().list_impersonations(request).await?.into_inner();
    Ok(Json(Page::of(reply.impersonations, reply.next_page_token)))
}
