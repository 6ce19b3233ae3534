//! Getting onboarded with the provider that pays, and the pages that the sandbox plays.

use axum::Json;
use axum::extract::State;
use axum::response::Redirect;
use chrono::{DateTime, Utc};
use quittance_proto::payouts::v1 as wire;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::{Caller, FrontDesk};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::rest::shapes::time;
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(link)).routes(routes!(play))
}

/// Where to go to be onboarded; good once, and until it expires.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OnboardingLink {
    /// An address of the provider, or a path of this server where the sandbox plays the provider.
    url: String,
    #[schema(value_type = DateTime<Utc>)]
    expires_at: Option<DateTime<Utc>>,
}

/// Makes a link to the provider's pages, on which you say who you are and where your money goes.
/// Opens your account there when you have none.
#[utoipa::path(
    post,
    path = "/api/me/payout-account/onboarding-link",
    operation_id = "createOnboardingLink",
    tag = "me",
    responses((status = 200, body = OnboardingLink))
)]
async fn link(
    caller: Caller,
    State(gateway): State<Gateway>,
) -> Result<Json<OnboardingLink>, Problem> {
    let request = caller.request(wire::CreateOnboardingLinkRequest {});
    let reply = gateway.accounts().create_onboarding_link(request).await?.into_inner();
    Ok(Json(OnboardingLink { url: reply.url, expires_at: time(reply.expire_time) }))
}

/// Plays the pages of a provider: whoever opens the link has filled everything in. Only where the
/// sandbox takes the provider's place; elsewhere there is no such link.
#[utoipa::path(
    get,
    path = "/sandbox/onboarding/{id}",
    operation_id = "playOnboarding",
    tag = "me",
    params(("id" = Uuid, Path)),
    responses((status = 303, description = "Back to the dashboard"))
)]
async fn play(
    FrontDesk(ourselves): FrontDesk,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Redirect, Problem> {
    let request = ourselves.request(wire::PlayOnboardingRequest { link_id: id.to_string() });
    gateway.accounts().play_onboarding(request).await?;
    Ok(Redirect::to("/app"))
}
