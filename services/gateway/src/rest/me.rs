//! Who am I?

use axum::Json;
use chrono::{DateTime, Utc};
use quittance_kernel::Role;
use quittance_proto::issues::v1::Impersonation;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::rest::shapes::{Id, time};
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
    /// The same admin, and the impersonation that this is.
    impersonator: Option<Impersonator>,
}

/// Who views as the member, and until when: for a banner that cannot be overlooked.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Impersonator {
    member_id: Id,
    name: String,
    impersonation_id: Id,
    reason: String,
    #[schema(value_type = DateTime<Utc>)]
    started_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    expires_at: Option<DateTime<Utc>>,
}

impl From<Impersonation> for Impersonator {
    fn from(of: Impersonation) -> Self {
        Self {
            member_id: Id::new(of.admin_id),
            name: of.admin_name,
            impersonation_id: Id::new(of.impersonation_id),
            reason: of.reason,
            started_at: time(of.start_time),
            expires_at: time(of.expire_time),
        }
    }
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
        impersonator: caller.viewing.as_deref().cloned().map(Impersonator::from),
    })
}
