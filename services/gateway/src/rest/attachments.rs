//! Attachments: links and files of an issue. Files pass through piece by piece.

use std::fmt::Write as _;

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt as _, stream};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, Version, header};
use quittance_proto::issues::v1 as wire;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use wire::stream_attachment_response::Part as In;
use wire::upload_attachment_request::Part as Out;

use crate::auth::Caller;
use crate::edge::{Place, UPLOAD_TIMEOUT};
use crate::extract::{Params, Segments};
use crate::problem::Problem;
use crate::reply::{Reply, required};
use crate::rest::shapes::{Id, some, time};
use crate::state::Gateway;

/// Pieces of an upload that wait for the service.
const WAITING: usize = 4;

/// How much of a refused upload is taken off the wire: a client that is cut off while it still sends
/// never sees the answer.
const MAX_DISCARDED: usize = 32 * 1024 * 1024;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list, upload)).routes(routes!(download, remove))
}

/// A link that is filed with an issue.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewLink {
    #[schema(example = "https://example.com/shot.png")]
    url: String,
    /// The end of the address when left out.
    name: Option<String>,
}

impl NewLink {
    pub(super) fn message(self) -> wire::AttachmentLink {
        wire::AttachmentLink { url: self.url, name: self.name.unwrap_or_default() }
    }
}

/// A link, which has a `url`, or a file, which has the other three.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attachment {
    id: Id,
    name: String,
    url: Option<String>,
    content_type: Option<String>,
    size_bytes: Option<i64>,
    /// Of the bytes, in hexadecimal digits.
    sha256: Option<String>,
    added_by: Id,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
}

impl From<wire::Attachment> for Attachment {
    fn from(from: wire::Attachment) -> Self {
        let is_file = !from.sha256.is_empty();
        Self {
            id: Id::new(from.attachment_id),
            name: from.name,
            url: some(from.url),
            content_type: some(from.content_type),
            size_bytes: is_file.then_some(from.size_bytes),
            sha256: some(from.sha256),
            added_by: Id::new(from.added_by),
            created_at: time(from.create_time),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct Attachments {
    items: Vec<Attachment>,
}

/// Lists what belongs to an issue, the oldest first; at most 20.
#[utoipa::path(
    get,
    path = "/api/test-cycles/{id}/issues/{issueId}/attachments",
    operation_id = "listAttachments",
    tag = "issues",
    params(("id" = Uuid, Path), ("issueId" = Uuid, Path)),
    responses((status = 200, body = Attachments))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments((cycle, issue)): Segments<(Uuid, Uuid)>,
) -> Result<Json<Attachments>, Problem> {
    let request = caller.request(wire::ListAttachmentsRequest {
        issue_id: issue.to_string(),
        cycle_id: cycle.to_string(),
    });
    let reply = gateway.attachments().list_attachments(request).await?.into_inner();
    let items = reply.attachments.into_iter().map(Attachment::from).collect();
    Ok(Json(Attachments { items }))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UploadParams {
    /// What people see; no path.
    #[param(example = "safari.png")]
    name: String,
}

/// Uploads a file: the body is its bytes. PNG, JPEG, GIF, WebP, MP4, PDF or plain text, as
/// `Content-Type` says and the bytes show; 10 MiB unless configured otherwise. The same bytes again
/// are answered with the attachment that is there, and 200.
#[utoipa::path(
    post,
    path = "/api/test-cycles/{id}/issues/{issueId}/attachments",
    operation_id = "uploadAttachment",
    tag = "issues",
    params(("id" = Uuid, Path), ("issueId" = Uuid, Path), UploadParams),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 201, body = Attachment), (status = 200, body = Attachment))
)]
async fn upload(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments((cycle, issue)): Segments<(Uuid, Uuid)>,
    Params(params): Params<UploadParams>,
    request: Request,
) -> Result<Reply<Attachment>, Problem> {
    let _place = gateway.uploads.clone().try_acquire_owned().map_err(|_| {
        let detail = "too many uploads at once, try again";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", detail)
    })?;
    let declared = request.headers().get(header::CONTENT_TYPE);
    let head = Out::Head(wire::AttachmentHead {
        issue_id: issue.to_string(),
        cycle_id: cycle.to_string(),
        name: params.name,
        content_type: declared.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned(),
    });
    let (sender, pieces) = mpsc::channel(WAITING);
    let parts = stream::iter([message(head)]).chain(ReceiverStream::new(pieces));
    let mut call = caller.request(parts);
    call.set_timeout(UPLOAD_TIMEOUT);
    let mut attachments = gateway.attachments();
    let body = request.into_body().into_data_stream();
    let answered = CancellationToken::new();
    let answer = async {
        let reply = attachments.upload_attachment(call).await;
        answered.cancel();
        reply
    };
    let (reply, read) = tokio::join!(answer, pass_on(body, sender, &answered));
    let reply = match (reply, read) {
        (Ok(reply), _) => reply.into_inner(),
        // The service knows less of a body that broke off than we do.
        (Err(_), Err(problem)) => return Err(problem),
        (Err(status), Ok(())) => return Err(status.into()),
    };
    let attachment = Attachment::from(required(reply.attachment, "attachment")?);
    let id = attachment.id.as_str();
    let location = format!("/api/test-cycles/{cycle}/issues/{issue}/attachments/{id}");
    Ok(if reply.known { Reply::ok(attachment) } else { Reply::created(&location, attachment) })
}

fn message(part: Out) -> wire::UploadAttachmentRequest {
    wire::UploadAttachmentRequest { part: Some(part) }
}

/// Passes the body on as fast as the service takes it. Only a body that was read to its end gets
/// an end; what the service does not want any more is taken off the wire, within reason.
async fn pass_on(
    mut body: BodyDataStream,
    sender: mpsc::Sender<wire::UploadAttachmentRequest>,
    answered: &CancellationToken,
) -> Result<(), Problem> {
    let (mut size, mut discarded) = (0_i64, 0_usize);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| {
            let detail = "the body cannot be read";
            Problem::new(StatusCode::BAD_REQUEST, "BODY_UNREADABLE", detail)
        })?;
        let length = piece.len();
        size = size.saturating_add(i64::try_from(length).unwrap_or(i64::MAX));
        let sent = async {
            tokio::select! {
                sent = sender.send(message(Out::Chunk(piece))) => sent.is_ok(),
                () = answered.cancelled() => false,
            }
        };
        if !sent.await {
            discarded = discarded.saturating_add(length);
            if MAX_DISCARDED < discarded {
                return Ok(());
            }
        }
    }
    let end = message(Out::End(wire::AttachmentEnd { size_bytes: size }));
    tokio::select! {
        // Nobody waits for it when the service has answered already.
        _ = sender.send(end) => {}
        () = answered.cancelled() => {}
    }
    Ok(())
}

/// Downloads a file, to be saved and never to be shown in the page.
#[utoipa::path(
    get,
    path = "/api/test-cycles/{id}/issues/{issueId}/attachments/{attachmentId}",
    operation_id = "downloadAttachment",
    tag = "issues",
    params(("id" = Uuid, Path), ("issueId" = Uuid, Path), ("attachmentId" = Uuid, Path)),
    responses((status = 200, body = String, content_type = "application/octet-stream"))
)]
pub(crate) async fn download(
    caller: Caller,
    State(gateway): State<Gateway>,
    Extension(place): Extension<Place>,
    Segments((cycle, issue, attachment)): Segments<(Uuid, Uuid, Uuid)>,
) -> Result<Response, Problem> {
    let mut request = caller.request(wire::StreamAttachmentRequest {
        issue_id: issue.to_string(),
        cycle_id: cycle.to_string(),
        attachment_id: attachment.to_string(),
    });
    request.set_timeout(UPLOAD_TIMEOUT);
    let mut parts = gateway.attachments().stream_attachment(request).await?.into_inner();
    let file = match parts.message().await?.and_then(|first| first.part) {
        Some(In::Attachment(file)) => file,
        Some(In::Chunk(_)) | None => return Err(Problem::internal("the file has no head")),
    };
    let mut response = bytes(parts, place).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, shown_as(&file.content_type)),
        (header::CONTENT_LENGTH, file.size_bytes.to_string()),
        (header::CONTENT_DISPOSITION, disposition(&file.name)),
        (header::ETAG, format!("\"{}\"", file.sha256)),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// A text is what the bytes say in UTF-8, and nothing that a browser guesses.
fn shown_as(content_type: &str) -> String {
    if content_type == "text/plain" {
        "text/plain; charset=utf-8".to_owned()
    } else {
        content_type.to_owned()
    }
}

/// Passes the pieces on as they come. The file keeps its place until its end.
fn bytes<S>(parts: S, place: Place) -> Body
where
    S: Stream<Item = Result<wire::StreamAttachmentResponse, Status>> + Send + 'static,
{
    Body::from_stream(parts.map(move |part| {
        let _held = &place;
        match part.inspect_err(|status| tracing::warn!(%status, "a download broke off"))?.part {
            Some(In::Chunk(chunk)) => Ok(chunk),
            Some(In::Attachment(_)) | None => Err(Status::internal("a piece without bytes")),
        }
    }))
}

/// Names the file for all clients (RFC 6266): those that read UTF-8, and the others.
fn disposition(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ');
    let ascii: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// Removes an attachment: the reporter while the issue is a draft or open, an admin at any time.
#[utoipa::path(
    delete,
    path = "/api/test-cycles/{id}/issues/{issueId}/attachments/{attachmentId}",
    operation_id = "deleteAttachment",
    tag = "issues",
    params(("id" = Uuid, Path), ("issueId" = Uuid, Path), ("attachmentId" = Uuid, Path)),
    responses((status = 204))
)]
async fn remove(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments((cycle, issue, attachment)): Segments<(Uuid, Uuid, Uuid)>,
) -> Result<StatusCode, Problem> {
    let request = caller.request(wire::DeleteAttachmentRequest {
        issue_id: issue.to_string(),
        cycle_id: cycle.to_string(),
        attachment_id: attachment.to_string(),
    });
    gateway.attachments().delete_attachment(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether an answer is no file to be saved, so that it may be compressed.
pub(crate) fn is_no_file(
    _status: StatusCode,
    _version: Version,
    headers: &HeaderMap,
    _extensions: &Extensions,
) -> bool {
    !headers.contains_key(header::CONTENT_DISPOSITION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_header() {
        assert_eq!(
            disposition("снимок \"1\";.png"),
            "attachment; filename=\"______ _1__.png\"; \
             filename*=UTF-8''%D1%81%D0%BD%D0%B8%D0%BC%D0%BE%D0%BA%20%221%22%3B.png"
        );
        assert!(HeaderValue::from_str(&disposition("a\r\nb: c")).is_ok());
    }
}
