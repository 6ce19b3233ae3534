//! What the viewer was told.

use axum::Json;
use axum::extract::{Query, State};
use axum::response::Response;
use http::{Method, StatusCode};
use quittance_proto::issues::v1 as wire;
use serde::{Deserialize, Serialize};

use super::form::Typed;
use super::view::{Frame, Viewer, done, html};
use crate::auth::Caller;
use crate::problem::Problem;
use crate::rest::some;
use crate::state::Gateway;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Asked {
    page_token: String,
}

#[derive(askama::Template)]
#[template(path = "notifications.html")]
struct NotificationsPage {
    frame: Frame,
    items: Vec<Item>,
    next: Option<String>,
    marks: bool,
}

struct Item {
    title: String,
    href: Option<String>,
    when: String,
    unread: bool,
}

/// Lists what the viewer was told, the newest first.
pub(super) async fn page(viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let request = viewer.caller.request(wire::ListNotificationsRequest {
        page_size: 50,
        page_token: asked.page_token,
        unread_only: false,
    });
    let mut client = viewer.gateway.notifications();
    let (frame, reply) =
        tokio::join!(viewer.frame("Notifications"), client.list_notifications(request));
    let reply = reply?.into_inner();
    Ok(html(
        StatusCode::OK,
        &NotificationsPage {
            items: reply.notifications.into_iter().map(|of| viewer.told(of)).collect(),
            next: some(reply.next_page_token),
            marks: frame.unread != 0 && viewer.may(&Method::POST, "/app/notifications/read"),
            frame,
        },
    ))
}

impl Viewer {
    fn told(&self, of: wire::Notification) -> Item {
        let data: serde_json::Value = serde_json::from_str(&of.data).unwrap_or_default();
        let cycle = data["cycleId"].as_str().filter(|_| !of.issue_id.is_empty());
        Item {
            href: cycle.map(|cycle| format!("/app/test-cycles/{cycle}/issues/{}", of.issue_id)),
            when: self.minute(of.create_time),
            unread: of.read_time.is_none(),
            title: of.title,
        }
    }
}

/// Marks everything as read.
pub(super) async fn read(viewer: Viewer, _typed: Typed) -> Result<Response, Problem> {
    let request = viewer.caller.request(wire::MarkNotificationsReadRequest {
        notification_ids: Vec::new(),
        all: true,
        up_to: None,
    });
    viewer.gateway.notifications().mark_notifications_read(request).await?;
    Ok(done("/app/notifications", "read"))
}

#[derive(Serialize)]
pub(super) struct Unread {
    unread: i64,
}

/// Counts what is unread, for the script that keeps the bell up to date.
pub(super) async fn unread(
    caller: Caller,
    State(gateway): State<Gateway>,
) -> Result<Json<Unread>, Problem> {
    let request = caller.request(wire::CountUnreadRequest {});
    let reply = gateway.notifications().count_unread(request).await?.into_inner();
    Ok(Json(Unread { unread: reply.unread_count }))
}
