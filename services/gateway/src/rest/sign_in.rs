//! Signing in without an identity provider, in development.

use std::str::FromStr as _;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use quittance_kernel::{MemberId, OrganizationId, Principal, Role, Roles};
use quittance_proto::issues::v1::{EnsureMemberRequest, Member};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Ourselves;
use crate::extract::Body;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::shapes::Id;
use crate::state::Gateway;

/// How long a development token is good for.
const LIFETIME: Duration = Duration::from_hours(12);

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(dev_token))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SignIn {
    email: String,
    /// The part of the e-mail before `@` when absent.
    name: Option<String>,
    /// Name of the organization; `Demo` when absent.
    organization: Option<String>,
    /// Replaces the roles of the member when given.
    #[schema(value_type = Option<Vec<String>>, example = json!(["admin"]))]
    roles: Option<Vec<Role>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SignedIn {
    /// For the header `Authorization: Bearer`.
    token: String,
    member_id: Id,
    organization_id: Id,
}

/// Signs in by e-mail. Creates the organization and the member when they are missing.
/// In development only; elsewhere there is no such route.
#[utoipa::path(
    post,
    path = "/api/auth/dev-token",
    tag = "auth",
    request_body = SignIn,
    responses((status = 200, body = SignedIn))
)]
async fn dev_token(
    State(gateway): State<Gateway>,
    Ourselves(ourselves): Ourselves,
    Body(body): Body<SignIn>,
) -> Result<Json<SignedIn>, Problem> {
    let message = EnsureMemberRequest {
        email: body.email,
        name: body.name.unwrap_or_default(),
        organization: body.organization.unwrap_or_default(),
        roles: body.roles.unwrap_or_default().iter().map(Role::to_string).collect(),
    };
    let reply = gateway.members().ensure_member(ourselves.request(message)).await?.into_inner();
    let member = required(reply.member, "member")?;
    let token = gateway
        .verifier
        .mint(&principal(&member)?, LIFETIME)
        .map_err(|error| Problem::internal(error.to_string()))?;
    Ok(Json(SignedIn {
        token,
        member_id: Id::new(member.member_id),
        organization_id: Id::new(member.organization_id),
    }))
}

pub(crate) fn principal(member: &Member) -> Result<Principal, Problem> {
    let broken = |_| Problem::internal("the reply has an id that is no UUID");
    Ok(Principal {
        organization: OrganizationId::from_str(&member.organization_id).map_err(broken)?,
        member: MemberId::from_str(&member.member_id).map_err(broken)?,
        roles: Roles::new(member.roles.iter().filter_map(|role| role.parse().ok())),
        email: Some(member.email.clone()),
        impersonator: None,
    })
}
