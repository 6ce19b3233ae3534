//! Signing in with an identity of the provider.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use quittance_chassis::auth::AuthError;
use quittance_chassis::clock::now;
use quittance_proto::issues::v1::SignInRequest;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{FrontDesk, bearer, refused};
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::shapes::Id;
use crate::rest::sign_in::principal;
use crate::state::Gateway;

/// How long a session lasts; then the provider is asked again.
const LIFETIME: Duration = Duration::from_hours(1);

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(sign_in))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Session {
    /// For the header `Authorization: Bearer` of all other routes.
    token: String,
    expires_at: DateTime<Utc>,
    member_id: Id,
    organization_id: Id,
    name: String,
    email: String,
    roles: Vec<String>,
    /// Whether the identity was linked to the member just now.
    linked: bool,
}

/// Signs in with the token of the identity provider as the bearer. Its claim `org` names the organization.
/// The first time, the identity is linked to the member with the verified e-mail; from then on it is
/// found by issuer and subject.
#[utoipa::path(
    post,
    path = "/api/auth/sign-in",
    operation_id = "signIn",
    tag = "auth",
    responses((status = 200, body = Session))
)]
async fn sign_in(
    State(gateway): State<Gateway>,
    FrontDesk(desk): FrontDesk,
    headers: HeaderMap,
) -> Result<Json<Session>, Problem> {
    let token = bearer(&headers).ok_or_else(|| refused(&AuthError::Missing))?;
    let identity = gateway.verifier.identity(&token).await.map_err(|error| refused(&error))?;
    let request = desk.request(SignInRequest {
        organization_id: identity.organization.to_string(),
        issuer: identity.issuer,
        subject: identity.subject,
        email: identity.email.unwrap_or_default(),
        email_verified: identity.email_verified,
    });
    let reply = gateway.identities().sign_in(request).await?.into_inner();
    let member = required(reply.member, "member")?;
    let token = gateway.verifier.mint(&principal(&member)?, LIFETIME);
    Ok(Json(Session {
        token: token.map_err(|error| refused(&error))?,
        expires_at: now() + LIFETIME,
        member_id: Id::new(member.member_id),
        organization_id: Id::new(member.organization_id),
        name: member.name,
        email: member.email,
        roles: member.roles,
        linked: reply.linked,
    }))
}
