//! What the caller was told.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::issues::v1 as wire;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Body, Params};
use crate::problem::Problem;
use crate::rest::shapes::{Id, Page, stamp, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(unread_count)).routes(routes!(read))
}

/// One thing that the caller was told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notification {
    id: Id,
    #[schema(example = "ISSUE_PAID")]
    pub(crate) kind: String,
    /// Null when it is about the money of several issues.
    issue_id: Option<Id>,
    title: String,
    /// What a program needs beyond the title: `issueId`, `cycleId`, `amountMinor`, `currency`,
    /// `reason`, `payoutId`, `reference`, each where there is one.
    #[schema(value_type = Object)]
    data: Map<String, Value>,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    /// Null while unread.
    read_at: Option<DateTime<Utc>>,
}

impl Notification {
    pub(crate) fn id(&self) -> &str {
        self.id.as_str()
    }
}

impl From<wire::Notification> for Notification {
    fn from(notification: wire::Notification) -> Self {
        Self {
            kind: word(notification.kind()),
            id: Id::new(notification.notification_id),
            issue_id: Id::optional(notification.issue_id),
            title: notification.title,
            data: serde_json::from_str(&notification.data).unwrap_or_default(),
            created_at: time(notification.create_time),
            read_at: time(notification.read_time),
        }
    }
}

/// The word for a kind: its name without the two words of its type.
fn word(kind: wire::NotificationKind) -> String {
    kind.as_str_name().splitn(3, '_').last().unwrap_or_default().to_owned()
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct NotificationFilter {
    #[serde(default)]
    unread_only: bool,
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists what the caller was told, the newest first.
#[utoipa::path(
    get,
    path = "/api/me/notifications",
    operation_id = "listNotifications",
    tag = "me",
    params(NotificationFilter),
    responses((status = 200, body = Page<Notification>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<NotificationFilter>,
) -> Result<Json<Page<Notification>>, Problem> {
    let request = caller.request(wire::ListNotificationsRequest {
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
        unread_only: filter.unread_only,
    });
    let reply = gateway.notifications().list_notifications(request).await?.into_inner();
    Ok(Json(Page::of(reply.notifications, reply.next_page_token)))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UnreadCount {
    unread_count: i64,
}

/// Counts what the caller has not read.
#[utoipa::path(
    get,
    path = "/api/me/notifications/unread-count",
    operation_id = "countUnreadNotifications",
    tag = "me",
    responses((status = 200, body = UnreadCount))
)]
async fn unread_count(
    caller: Caller,
    State(gateway): State<Gateway>,
) -> Result<Json<UnreadCount>, Problem> {
    let request = caller.request(wire::CountUnreadRequest {});
    let reply = gateway.notifications().count_unread(request).await?.into_inner();
    Ok(Json(UnreadCount { unread_count: reply.unread_count }))
}

/// Either `ids` or `all`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReadBody {
    /// At most 200.
    #[serde(default)]
    ids: Vec<Uuid>,
    #[serde(default)]
    all: bool,
    /// With `all`: those written up to this instant; up to now when left out.
    up_to: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ReadReply {
    /// How many were unread until now.
    marked_count: i64,
    unread_count: i64,
}

/// Marks notifications of the caller as read. Doing it again changes nothing.
#[utoipa::path(
    post,
    path = "/api/me/notifications/read",
    operation_id = "markNotificationsRead",
    tag = "me",
    request_body = ReadBody,
    responses((status = 200, body = ReadReply))
)]
async fn read(
    caller: Caller,
    State(gateway): State<Gateway>,
    Body(body): Body<ReadBody>,
) -> Result<Json<ReadReply>, Problem> {
    let request = caller.request(wire::MarkNotificationsReadRequest {
        notification_ids: body.ids.iter().map(Uuid::to_string).collect(),
        all: body.all,
        up_to: body.up_to.map(stamp),
    });
    let reply = gateway.notifications().mark_notifications_read(request).await?.into_inner();
    let wire::MarkNotificationsReadResponse { marked_count, unread_count } = reply;
    Ok(Json(ReadReply { marked_count, unread_count }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_spelled_as_events_are() {
        assert_eq!(word(wire::NotificationKind::IssueVerified), "ISSUE_VERIFIED");
        assert_eq!(word(wire::NotificationKind::IssuePaid), "ISSUE_PAID");
        assert_eq!(word(wire::NotificationKind::PayoutFailed), "PAYOUT_FAILED");
    }
}
