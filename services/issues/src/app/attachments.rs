use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use quittance_chassis::db::{Entry, Tx};
use quittance_kernel::{AttachmentId, Ctx, CycleId, IssueId, Role};

use super::{Issues, Target};
use crate::domain::attachment::{Attachment, AttachmentError, Content, Link, Removal, removal};
use crate::domain::issue::{Issue, IssueError};
use crate::error::{Error, Kind};
use crate::files::Place;
use crate::store;

/// The bytes of a file as they are read.
pub type Pieces = BoxStream<'static, Result<Bytes, Error>>;

/// The links of a new issue.
pub(super) fn of_links(links: Vec<Link>, issue: &Issue) -> Vec<Attachment> {
    let new = |Link { url, name }| Attachment {
        id: AttachmentId::new(),
        issue: issue.id,
        name,
        content: Content::Link { url },
        by: issue.reporter,
        at: issue.created_at,
    };
    links.into_iter().map(new).collect()
}

/// What an auditor wants to see of an attachment.
pub(super) fn audited(attachment: &Attachment) -> String {
    let (url, file) = match &attachment.content {
        Content::Link { url } => (Some(url), None),
        Content::File(file) => (None, Some(file)),
    };
    serde_json::json!({
        "attachmentId": attachment.id.to_string(),
        "name": attachment.name,
        "url": url,
        "sha256": file.map(|file| &file.sha256),
        "sizeBytes": file.map(|file| file.size),
    })
    .to_string()
}

impl Issues {
    /// Lists what belongs to an issue that the caller may see, the oldest first.
    #[tracing::instrument(name = "attachments.list", skip_all, fields(issue.id = %issue))]
    pub async fn attachments(
        &self,
        ctx: &Ctx,
        issue: IssueId,
        cycle: Option<CycleId>,
    ) -> Result<Vec<Attachment>, Error> {
        let issue = self.get_issue(ctx, issue, cycle).await?.issue.id;
        Ok(store::attachment::of_issue(self.db.conn(), ctx.organization(), issue).await?)
    }

    /// Reads a file of an issue that the caller may see. A link is not a file of ours.
    #[tracing::instrument(name = "attachments.read", skip_all, fields(attachment.id = %id))]
    pub async fn read_file(
        &self,
        ctx: &Ctx,
        (issue, cycle): (IssueId, Option<CycleId>),
        id: AttachmentId,
    ) -> Result<(Attachment, Pieces), Error> {
        let all = self.attachments(ctx, issue, cycle).await?;
        let found = all.into_iter().find(|found| found.id == id);
        let found = found.ok_or(Error::NotFound(Kind::Attachment, id.0))?;
        match found.content {
            Content::Link { .. } => return Err(Error::NotFound(Kind::Attachment, id.0)),
            Content::File(_) => {}
        }
        let place = Place { organization: ctx.organization(), id };
        let pieces = self.files.read(place).await?;
        Ok((found, pieces.map(|piece| piece.map_err(Error::from)).boxed()))
    }

    /// Removes an attachment: the row first, then the file. A file that stays is swept later.
    #[tracing::instrument(name = "attachments.remove", skip_all, fields(attachment.id = %id))]
    pub async fn remove_attachment(
        &self,
        ctx: &Ctx,
        target: Target,
        id: AttachmentId,
    ) -> Result<(), Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let (detail, _) = self.open(&tx, target).await?;
        let issue = detail.issue;
        match removal(&issue, ctx.member(), ctx.has(Role::Admin)) {
            Removal::Allowed => {}
            Removal::Kept => return Err(AttachmentError::Kept.into()),
            Removal::NotPermitted => return Err(IssueError::NotPermitted(issue.id).into()),
        }
        let organization = ctx.organization();
        let all = store::attachment::of_issue(tx.conn(), organization, issue.id).await?;
        let found = all.into_iter().find(|found| found.id == id);
        let found = found.ok_or(Error::NotFound(Kind::Attachment, id.0))?;
        store::attachment::remove(&tx, id).await?;
        let mut entry = Entry::new("attachment.removed", "issue", issue.id.0);
        entry.before = Some(audited(&found));
        tx.note(entry);
        tx.commit().await?;
        match found.content {
            Content::Link { .. } => {}
            Content::File(_) => {
                if let Err(error) = self.files.remove(Place { organization, id }).await {
                    tracing::warn!(%error, "a removed file stays until the next sweep");
                }
            }
        }
        Ok(())
    }
}
