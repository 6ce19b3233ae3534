use std::pin::Pin;

use chrono::DateTime;
use futures_util::{Stream, stream};
use quittance_chassis::grpc::{Standing, caller, detached};
use quittance_kernel::{Ctx, NotificationId, Timestamp};
use quittance_proto::issues::v1 as proto;
use quittance_proto::issues::v1::notification_service_server::NotificationService;
use tonic::{Request, Response, Status};

use super::{convert, parse};
use crate::app::{Issues, Marked, Notification, Paging, Watch};
use crate::domain::notice::NoticeKind;
use crate::domain::text::FieldError;
use crate::error::Error;

fn kind(kind: NoticeKind) -> proto::NotificationKind {
    match kind {
        NoticeKind::IssueVerified => proto::NotificationKind::IssueVerified,
        NoticeKind::IssueApproved => proto::NotificationKind::IssueApproved,
        NoticeKind::IssueRejected => proto::NotificationKind::IssueRejected,
        NoticeKind::IssuePaid => proto::NotificationKind::IssuePaid,
        NoticeKind::PayoutFailed => proto::NotificationKind::PayoutFailed,
        NoticeKind::PayoutApproved => proto::NotificationKind::PayoutApproved,
        NoticeKind::PayoutRejected => proto::NotificationKind::PayoutRejected,
        NoticeKind::PayoutPaid => proto::NotificationKind::PayoutPaid,
    }
}

fn notification(row: Notification) -> proto::Notification {
    proto::Notification {
        notification_id: row.id.to_string(),
        kind: kind(row.kind).into(),
        issue_id: row.issue.map(|id| id.to_string()).unwrap_or_default(),
        title: row.title,
        data: row.data,
        create_time: Some(convert::time(row.created_at)),
        read_time: row.read_at.map(convert::time),
    }
}

fn instant(field: &str, stamp: prost_types::Timestamp) -> Result<Timestamp, Error> {
    u32::try_from(stamp.nanos)
        .ok()
        .and_then(|nanos| DateTime::from_timestamp(stamp.seconds, nanos))
        .ok_or_else(|| FieldError::new(field, "must be a point in time").into())
}

/// Reads which notifications are meant.
fn marked(message: &proto::MarkNotificationsReadRequest, ctx: &Ctx) -> Result<Marked, Error> {
    let refused = |field, detail| Err(FieldError::new(field, detail).into());
    match (message.notification_ids.as_slice(), message.all, message.up_to) {
        ([], false, _) => refused("notification_ids", "must be given, or all"),
        ([_, ..], true, _) => refused("all", "must not stand beside ids"),
        ([_, ..], false, Some(_)) => refused("up_to", "must not stand beside ids"),
        (texts, false, None) => Ok(Marked::These(parse::ids("notification_ids", texts)?)),
        ([], true, None) => Ok(Marked::AllUpTo(ctx.now)),
        ([], true, Some(stamp)) => Ok(Marked::AllUpTo(instant("up_to", stamp)?)),
    }
}

/// The next message of a stream, and the rest of it.
async fn next(
    mut watch: Watch,
) -> Result<Option<(proto::StreamNotificationsResponse, Watch)>, Status> {
    let Some(row) = watch.next().await? else { return Ok(None) };
    let message = proto::StreamNotificationsResponse { notification: Some(notification(row)) };
    Ok(Some((message, watch)))
}

#[tonic::async_trait]
impl NotificationService for Issues {
    async fn list_notifications(
        &self,
        request: Request<proto::ListNotificationsRequest>,
    ) -> Result<Response<proto::ListNotificationsResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let paging = Paging { size: message.page_size, token: message.page_token };
        let page = Issues::list_notifications(self, &ctx, message.unread_only, &paging).await?;
        Ok(Response::new(proto::ListNotificationsResponse {
            notifications: page.items.into_iter().map(notification).collect(),
            next_page_token: page.next,
        }))
    }

    async fn mark_notifications_read(
        &self,
        request: Request<proto::MarkNotificationsReadRequest>,
    ) -> Result<Response<proto::MarkNotificationsReadResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let which = marked(request.get_ref(), &ctx)?;
        let issues = self.clone();
        let (marked_count, unread_count) =
            detached(async move { issues.mark_read(&ctx, which).await }).await?;
        Ok(Response::new(proto::MarkNotificationsReadResponse { marked_count, unread_count }))
    }

    async fn count_unread(
        &self,
        request: Request<proto::CountUnreadRequest>,
    ) -> Result<Response<proto::CountUnreadResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let unread_count = Issues::count_unread(self, &ctx).await?;
        Ok(Response::new(proto::CountUnreadResponse { unread_count }))
    }

    type StreamNotificationsStream =
        Pin<Box<dyn Stream<Item = Result<proto::StreamNotificationsResponse, Status>> + Send>>;

    async fn stream_notifications(
        &self,
        request: Request<proto::StreamNotificationsRequest>,
    ) -> Result<Response<Self::StreamNotificationsStream>, Status> {
        let ctx = caller(&request)?.ctx;
        let field = "after_notification_id";
        let from: Option<NotificationId> =
            parse::optional_id(field, &request.get_ref().after_notification_id)?;
        let watch = self.watch(&ctx, from).await?;
        let messages: Self::StreamNotificationsStream = Box::pin(stream::try_unfold(watch, next));
        let mut response = Response::new(messages);
        response.extensions_mut().insert(Standing);
        Ok(response)
    }
}
