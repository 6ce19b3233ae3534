//! What providers tell us by themselves. The gateway passes on every byte; payouts has the secret.

use axum::extract::State;
use http::HeaderMap;
use quittance_proto::payouts::v1::ReceiveWebhookRequest;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::FrontDesk;
use crate::extract::Raw;
use crate::problem::Problem;
use crate::state::Gateway;

/// The header that proves where a webhook comes from.
const SIGNATURE: &str = "stripe-signature";

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(stripe))
}

/// Takes an event of Stripe. Its signature is checked; the same event twice does nothing.
#[utoipa::path(
    post,
    path = "/webhooks/stripe",
    operation_id = "receiveStripeWebhook",
    tag = "webhooks",
    params(("Stripe-Signature" = String, Header)),
    request_body(content = String, content_type = "application/json"),
    responses((status = 200, body = str))
)]
async fn stripe(
    FrontDesk(ourselves): FrontDesk,
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Raw(payload): Raw,
) -> Result<&'static str, Problem> {
    let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    let signature = signature.unwrap_or_default().to_owned();
    let request = ourselves.request(ReceiveWebhookRequest { payload, signature });
    gateway.rails().receive_webhook(request).await?;
    Ok("taken\n")
}
