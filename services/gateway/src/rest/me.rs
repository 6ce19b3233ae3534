//! Who am I?

use axum::Json;
use quittance_kernel::Role;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::rest::shapes::Id;
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(me))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Me {
    member_id: Id,
    organization_id: Id,
    email: Option<String>,
    roles: Vec<&'static str>,
    /// The admin who views as this member, and may not write.
    impersonator_id: Option<Id>,
}

/// Tells the caller who they are, as their token says.
#[utoipa::path(get, path = "/api/me", tag = "me", responses((status = 200, body = Me)))]
async fn me(caller: Caller) -> Json<Me> {
    let principal = &caller.ctx.principal;
    Json(Me {
        member_id: Id::new(principal.member.to_string()),
        organization_id: Id::new(principal.organization.to_string()),
        email: principal.email.clone(),
        roles: principal.roles.iter().map(Role::as_str).collect(),
        impersonator_id: principal.impersonator.map(|admin| Id::new(admin.to_string())),
    })
}
