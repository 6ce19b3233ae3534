use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use object_store::buffered::BufWriter;
use quittance_chassis::db::{Entry, Tx};
use quittance_kernel::{AttachmentId, Ctx};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::attachments::audited;
use super::{IssueDetail, Issues, Target};
use crate::domain::attachment::{
    self, Attachment, AttachmentError, Content, File, HEAD, MOST, Media, may_add,
};
use crate::domain::text::FieldError;
use crate::error::Error;
use crate::files::{FilesError, Place};
use crate::store;

/// What is said of a file before its bytes come.
#[derive(Clone, Debug)]
pub struct NewFile {
    pub target: Target,
    pub name: String,
    /// As the client has declared it.
    pub content_type: String,
}

impl Issues {
    /// Takes a file for an issue: first its bytes, under a fresh id, then its row. Returns the
    /// attachment, and whether the same bytes were there before.
    #[tracing::instrument(name = "attachments.upload", skip_all, fields(issue.id = %new.target.issue))]
    pub async fn upload<S>(
        &self,
        ctx: &Ctx,
        new: NewFile,
        chunks: S,
    ) -> Result<(Attachment, bool), Error>
    where
        S: Stream<Item = Result<Bytes, Error>> + Send + Unpin,
    {
        let name = attachment::name("name", &new.name)?;
        Media::declared(&new.content_type).ok_or(AttachmentError::Type)?;
        // Looked at before a byte is taken, and again when the row is written: no transaction
        // waits for a client.
        let tx = Tx::begin(&self.db, ctx).await?;
        let (_, there) = self.open_to_add(&tx, new.target).await?;
        room(&there)?;
        drop(tx);
        let place = Place { organization: ctx.organization(), id: AttachmentId::new() };
        let file = self.take(place, &new.content_type, chunks).await?;
        let new = Attachment {
            id: place.id,
            issue: new.target.issue,
            name,
            content: Content::File(file),
            by: ctx.member(),
            at: ctx.now,
        };
        let written = self.enter(ctx, new).await;
        // Whether a commit that failed has happened nobody knows: then the sweep will see.
        let needless = match &written {
            Ok((_, known)) => *known,
            Err(Error::Store(_)) => false,
            Err(_) => true,
        };
        if needless && let Err(error) = self.files.remove(place).await {
            tracing::warn!(%error, "a file without a row stays until the next sweep");
        }
        written
    }

    /// Writes the row, unless the same bytes have one.
    async fn enter(&self, ctx: &Ctx, new: Attachment) -> Result<(Attachment, bool), Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let (_, there) = self.open_to_add(&tx, Target::of(new.issue)).await?;
        let same = |known: &Attachment| match (&known.content, &new.content) {
            (Content::File(one), Content::File(other)) => one.sha256 == other.sha256,
            (Content::File(_) | Content::Link { .. }, _) => false,
        };
        if let Some(known) = there.iter().find(|known| same(known)) {
            return Ok((known.clone(), true));
        }
        room(&there)?;
        store::attachment::insert(&tx, std::slice::from_ref(&new)).await?;
        tx.note(Entry::new("attachment.added", "issue", new.issue.0).after(audited(&new)));
        tx.commit().await?;
        Ok((new, false))
    }

    /// Loads the issue to add to it; nobody else adds until the transaction ends.
    async fn open_to_add(
        &self,
        tx: &Tx,
        target: Target,
    ) -> Result<(IssueDetail, Vec<Attachment>), Error> {
        let (detail, actor) = self.open(tx, target).await?;
        may_add(&detail.issue, actor)?;
        let (organization, issue) = (tx.ctx().organization(), detail.issue.id);
        let there = store::attachment::of_issue(tx.conn(), organization, issue).await?;
        Ok((detail, there))
    }

    /// Takes the bytes as they come. What is refused or breaks off leaves nothing behind.
    async fn take<S>(&self, place: Place, declared: &str, chunks: S) -> Result<File, Error>
    where
        S: Stream<Item = Result<Bytes, Error>> + Send + Unpin,
    {
        let mut writer = self.files.write(place);
        let most = self.files.max_bytes();
        let taken = match take_all(&mut writer, most, declared, chunks).await {
            Ok(taken) => taken,
            Err(error) => {
                if let Err(error) = writer.abort().await {
                    tracing::warn!(%error, "an upload that was given up could not be removed");
                }
                return Err(error);
            }
        };
        let whole = writer.shutdown().await;
        whole.map_err(|error| FilesError::Generic { store: "files", source: error.into() })?;
        Ok(taken)
    }
}

fn room(there: &[Attachment]) -> Result<(), AttachmentError> {
    if there.len() < MOST { Ok(()) } else { Err(AttachmentError::TooMany) }
}

async fn take_all<S>(
    writer: &mut BufWriter,
    most: u64,
    declared: &str,
    mut chunks: S,
) -> Result<File, Error>
where
    S: Stream<Item = Result<Bytes, Error>> + Send + Unpin,
{
    let mut digest = Sha256::new();
    let mut size = 0_u64;
    // The first bytes wait until they tell what the file is.
    let mut head = BytesMut::new();
    let mut media = None;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        size = size.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if most < size {
            return Err(AttachmentError::TooLarge(most).into());
        }
        digest.update(&chunk);
        if media.is_some() {
            writer.put(chunk).await?;
            continue;
        }
        head.extend_from_slice(&chunk);
        if HEAD <= head.len() {
            media = Some(attachment::media(declared, &head)?);
            writer.put(head.split().freeze()).await?;
        }
    }
    if size == 0 {
        return Err(FieldError::new("body", "must not be empty").into());
    }
    let media = if let Some(media) = media {
        media
    } else {
        let media = attachment::media(declared, &head)?;
        writer.put(head.freeze()).await?;
        media
    };
    let size = i64::try_from(size).map_err(|_| AttachmentError::TooLarge(most))?;
    Ok(File { media, size, sha256: hex::encode(digest.finalize()) })
}
