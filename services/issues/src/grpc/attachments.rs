use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use proto::attachment_service_server::AttachmentService;
use proto::stream_attachment_response::Part as Out;
use proto::upload_attachment_request::Part as In;
use quittance_chassis::grpc::{caller, detached};
use quittance_proto::issues::v1 as proto;
use tonic::{Request, Response, Status, Streaming};

use super::{convert, parse};
use crate::app::{Issues, NewFile};
use crate::domain::attachment::{Attachment, AttachmentError, Content};
use crate::error::Error;

pub(super) fn attachment(from: &Attachment) -> proto::Attachment {
    let mut to = proto::Attachment {
        attachment_id: from.id.to_string(),
        name: from.name.clone(),
        added_by: from.by.to_string(),
        create_time: Some(convert::time(from.at)),
        ..proto::Attachment::default()
    };
    match &from.content {
        Content::Link { url } => to.url.clone_from(url),
        Content::File(file) => {
            file.media.as_str().clone_into(&mut to.content_type);
            to.size_bytes = file.size;
            to.sha256.clone_from(&file.sha256);
        }
    }
    to
}

fn new_file(head: &proto::AttachmentHead) -> Result<NewFile, Error> {
    Ok(NewFile {
        target: parse::target(&head.issue_id, &head.cycle_id, 0)?,
        name: head.name.clone(),
        content_type: head.content_type.clone(),
    })
}

/// The bytes of an upload. It ends where its end says so; a stream that ends before broke off.
fn pieces(
    parts: Streaming<proto::UploadAttachmentRequest>,
) -> impl Stream<Item = Result<Bytes, Error>> + Send + Unpin {
    let broken = || Error::from(AttachmentError::Broken);
    Box::pin(stream::try_unfold((parts, 0_i64), move |(mut parts, size)| async move {
        match parts.message().await.map_err(|_| broken())?.and_then(|message| message.part) {
            Some(In::Chunk(chunk)) => {
                let length = i64::try_from(chunk.len()).unwrap_or(i64::MAX);
                Ok(Some((chunk, (parts, size.saturating_add(length)))))
            }
            Some(In::End(end)) if end.size_bytes == size => Ok(None),
            Some(In::End(_) | In::Head(_)) | None => Err(broken()),
        }
    }))
}

#[tonic::async_trait]
impl AttachmentService for Issues {
    async fn upload_attachment(
        &self,
        request: Request<Streaming<proto::UploadAttachmentRequest>>,
    ) -> Result<Response<proto::UploadAttachmentResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let mut parts = request.into_inner();
        let broken = || Error::from(AttachmentError::Broken);
        let first = parts.message().await?.and_then(|message| message.part);
        let new = match first {
            Some(In::Head(head)) => new_file(&head)?,
            Some(In::Chunk(_) | In::End(_)) | None => return Err(broken().into()),
        };
        let issues = self.clone();
        let (added, known) =
            detached(async move { issues.upload(&ctx, new, pieces(parts)).await }).await?;
        let attachment = Some(attachment(&added));
        Ok(Response::new(proto::UploadAttachmentResponse { attachment, known }))
    }

    async fn list_attachments(
        &self,
        request: Request<proto::ListAttachmentsRequest>,
    ) -> Result<Response<proto::ListAttachmentsResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.get_ref();
        let target = parse::target(&message.issue_id, &message.cycle_id, 0)?;
        let all = self.attachments(&ctx, target.issue, target.cycle).await?;
        let attachments = all.iter().map(attachment).collect();
        Ok(Response::new(proto::ListAttachmentsResponse { attachments }))
    }

    type StreamAttachmentStream =
        Pin<Box<dyn Stream<Item = Result<proto::StreamAttachmentResponse, Status>> + Send>>;

    async fn stream_attachment(
        &self,
        request: Request<proto::StreamAttachmentRequest>,
    ) -> Result<Response<Self::StreamAttachmentStream>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.get_ref();
        let target = parse::target(&message.issue_id, &message.cycle_id, 0)?;
        let id = parse::id("attachment_id", &message.attachment_id)?;
        let (found, pieces) = self.read_file(&ctx, (target.issue, target.cycle), id).await?;
        let reply = |part| proto::StreamAttachmentResponse { part: Some(part) };
        let first = Ok(reply(Out::Attachment(attachment(&found))));
        let rest = pieces.map(move |piece| match piece {
            Ok(chunk) => Ok(reply(Out::Chunk(chunk))),
            Err(error) => Err(Status::from(error)),
        });
        Ok(Response::new(Box::pin(stream::iter([first]).chain(rest))))
    }

    async fn delete_attachment(
        &self,
        request: Request<proto::DeleteAttachmentRequest>,
    ) -> Result<Response<proto::DeleteAttachmentResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.get_ref();
        let target = parse::target(&message.issue_id, &message.cycle_id, 0)?;
        let id = parse::id("attachment_id", &message.attachment_id)?;
        let issues = self.clone();
        detached(async move { issues.remove_attachment(&ctx, target, id).await }).await?;
        Ok(Response::new(proto::DeleteAttachmentResponse {}))
    }
}
