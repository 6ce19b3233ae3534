//! Outgoing webhooks of the organization.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use quittance_proto::issues::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Body, Params, Segments};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{IfMatch, Reply, required};
use crate::rest::shapes::{Id, Page, some, time};
use crate::state::Gateway;
use crate::words::DeliveryState;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one, change, remove))
        .routes(routes!(deliveries))
        .routes(routes!(replay))
}

/// An address that is told of events, without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    id: Id,
    url: String,
    description: String,
    /// Types of events, such as `payout.paid`, or `payout.*`; all when empty.
    events: Vec<String>,
    enabled: bool,
    /// Why it was disabled by us: nothing arrived for three days, or the receiver was gone.
    disabled_reason: Option<String>,
    failing_since: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
    version: i64,
}

impl From<wire::Endpoint> for Webhook {
    fn from(of: wire::Endpoint) -> Self {
        Self {
            id: Id::new(of.endpoint_id),
            url: of.url,
            description: of.description,
            events: of.kinds,
            enabled: of.enabled,
            disabled_reason: some(of.disabled_reason),
            failing_since: time(of.failing_since),
            created_at: time(of.create_time),
            updated_at: time(of.update_time),
            version: of.version,
        }
    }
}

fn reply(of: Option<wire::Endpoint>) -> Result<Reply<Webhook>, Problem> {
    let webhook = Webhook::from(required(of, "endpoint")?);
    let version = webhook.version;
    Ok(Reply::ok(webhook).version(version))
}

#[derive(Serialize, ToSchema)]
struct Webhooks {
    items: Vec<Webhook>,
}

/// Lists the webhooks of the organization, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin/webhooks",
    operation_id = "listWebhooks",
    tag = "webhooks",
    responses((status = 200, body = Webhooks))
)]
async fn list(caller: Caller, State(gateway): State<Gateway>) -> Result<Json<Webhooks>, Problem> {
    let request = caller.request(wire::ListEndpointsRequest {});
    let reply = gateway.webhooks().list_endpoints(request).await?.into_inner();
    Ok(Json(Webhooks { items: reply.endpoints.into_iter().map(Webhook::from).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewWebhook {
    /// https, and not into a private network.
    #[schema(example = "https://example.com/hooks/quittance")]
    url: String,
    description: Option<String>,
    /// All when absent or empty.
    events: Option<Vec<String>>,
}

#[derive(Serialize, ToSchema)]
struct MadeWebhook {
    #[serde(flatten)]
    webhook: Webhook,
    /// Verifies deliveries (Standard Webhooks). It is told here and never again.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
}

/// Adds a webhook. Each event is sent as its CloudEvents document with the headers `webhook-id` (of
/// the event: the same whenever it is sent), `webhook-timestamp` and `webhook-signature`. What is not
/// answered by 2xx within 15 seconds is sent again, ever more rarely, for about three days.
#[utoipa::path(
    post,
    path = "/api/admin/webhooks",
    operation_id = "createWebhook",
    tag = "webhooks",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewWebhook,
    responses((status = 201, body = MadeWebhook))
)]
async fn create(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<NewWebhook>,
) -> Result<Reply<MadeWebhook>, Problem> {
    let message = wire::CreateEndpointRequest {
        request_id: key.request_id(),
        url: body.url,
        description: body.description.unwrap_or_default(),
        kinds: body.events.unwrap_or_default(),
    };
    let made = gateway.webhooks().create_endpoint(key.request(&caller, message)).await?;
    let (metadata, reply, _) = made.into_parts();
    let webhook = Webhook::from(required(reply.endpoint, "endpoint")?);
    let (place, version) =
        (format!("/api/admin/webhooks/{}", webhook.id.as_str()), webhook.version);
    let made = MadeWebhook { webhook, secret: reply.secret };
    Ok(Reply::created(&place, made).version(version).remembered(&metadata))
}

/// Gets a webhook.
#[utoipa::path(
    get,
    path = "/api/admin/webhooks/{id}",
    operation_id = "getWebhook",
    tag = "webhooks",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = Webhook))
)]
async fn one(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Reply<Webhook>, Problem> {
    let request = caller.request(wire::GetEndpointRequest { endpoint_id: id.to_string() });
    reply(gateway.webhooks().get_endpoint(request).await?.into_inner().endpoint)
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WebhookChange {
    url: Option<String>,
    description: Option<String>,
    events: Option<Vec<String>>,
    /// `true` also forgives what has failed.
    enabled: Option<bool>,
}

/// Changes a webhook. What is absent stays. What waits for one that is disabled is given up, and can be
/// replayed once it is enabled.
#[utoipa::path(
    patch,
    path = "/api/admin/webhooks/{id}",
    operation_id = "updateWebhook",
    tag = "webhooks",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header)
    ),
    request_body = WebhookChange,
    responses((status = 200, body = Webhook))
)]
async fn change(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    Body(body): Body<WebhookChange>,
) -> Result<Reply<Webhook>, Problem> {
    let message = wire::UpdateEndpointRequest {
        request_id: key.request_id(),
        endpoint_id: id.to_string(),
        version,
        url: body.url,
        description: body.description,
        kinds: body.events.map(|kinds| wire::KindList { kinds }),
        enabled: body.enabled,
    };
    let changed = gateway.webhooks().update_endpoint(key.request(&caller, message)).await;
    let changed = changed.map_err(|status| Problem::from(status).of_version(version))?;
    let (metadata, changed, _) = changed.into_parts();
    Ok(reply(changed.endpoint)?.remembered(&metadata))
}

/// Removes a webhook. What was not delivered never will be.
#[utoipa::path(
    delete,
    path = "/api/admin/webhooks/{id}",
    operation_id = "deleteWebhook",
    tag = "webhooks",
    params(("id" = Uuid, Path)),
    responses((status = 204))
)]
async fn remove(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<StatusCode, Problem> {
    let request = caller.request(wire::DeleteEndpointRequest { endpoint_id: id.to_string() });
    gateway.webhooks().delete_endpoint(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One event for one webhook, and what became of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    id: Id,
    /// The `webhook-id` of its header.
    event_id: Id,
    event: String,
    #[schema(value_type = DeliveryState)]
    status: Option<DeliveryState>,
    tries: i32,
    /// When it is tried next.
    next_attempt_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    /// The status of the last answer; null when there was none.
    last_status: Option<i32>,
    last_error: Option<String>,
}

impl From<wire::Delivery> for Delivery {
    fn from(of: wire::Delivery) -> Self {
        Self {
            id: Id::new(of.delivery_id),
            event_id: Id::new(of.event_id),
            event: of.kind,
            status: DeliveryState::read(of.state),
            tries: of.tries,
            next_attempt_at: time(of.next_time),
            created_at: time(of.create_time),
            delivered_at: time(of.deliver_time),
            last_status: Some(of.last_status).filter(|status| *status != 0),
            last_error: some(of.last_error),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Paging {
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists what was and is to be delivered, the newest first. The log goes back 30 days.
#[utoipa::path(
    get,
    path = "/api/admin/webhooks/{id}/deliveries",
    operation_id = "listDeliveries",
    tag = "webhooks",
    params(("id" = Uuid, Path), Paging),
    responses((status = 200, body = Page<Delivery>))
)]
async fn deliveries(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<Delivery>>, Problem> {
    let request = caller.request(wire::ListDeliveriesRequest {
        endpoint_id: id.to_string(),
        page_size: paging.page_size.unwrap_or_default(),
        page_token: paging.page_token.unwrap_or_default(),
    });
    let reply = gateway.webhooks().list_deliveries(request).await?.into_inner();
    Ok(Json(Page::of(reply.deliveries, reply.next_page_token)))
}

/// Delivers an event again, with the `webhook-id` that it had. Not to a webhook that is disabled.
#[utoipa::path(
    post,
    path = "/api/admin/webhooks/{id}/deliveries/{deliveryId}/replay",
    operation_id = "replayDelivery",
    tag = "webhooks",
    params(("id" = Uuid, Path), ("deliveryId" = Uuid, Path)),
    responses((status = 200, body = Delivery))
)]
async fn replay(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments((endpoint, delivery)): Segments<(Uuid, Uuid)>,
) -> Result<Json<Delivery>, Problem> {
    let request = caller.request(wire::ReplayDeliveryRequest {
        endpoint_id: endpoint.to_string(),
        delivery_id: delivery.to_string(),
    });
    let reply = gateway.webhooks().replay_delivery(request).await?.into_inner();
    Ok(Json(Delivery::from(required(reply.delivery, "delivery")?)))
}
