//! Attachments: the rows; the bytes are elsewhere.

use chrono::{DateTime, Utc};
use quittance_chassis::db::{Column, Insert, Tx, WriteSet};
use quittance_kernel::{AttachmentId, IssueId, MemberId, OrganizationId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;
use crate::domain::attachment::{Attachment, Content, File, Media};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    issue_id: Uuid,
    name: String,
    url: Option<String>,
    content_type: Option<String>,
    size_bytes: i64,
    sha256: Option<String>,
    added_by: Uuid,
    created_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct IdRow {
    id: Uuid,
}

impl Row {
    fn read(self) -> Result<Attachment, StoreError> {
        let corrupt = StoreError::Corrupt { table: "attachments", id: self.id, column: "sha256" };
        let media = self.content_type.as_deref().map(Media::declared);
        let content = match (self.url, media, self.sha256) {
            (Some(url), None, None) => Content::Link { url },
            (None, Some(Some(media)), Some(sha256)) => {
                Content::File(File { media, size: self.size_bytes, sha256 })
            }
            _ => return Err(corrupt),
        };
        Ok(Attachment {
            id: AttachmentId(self.id),
            issue: IssueId(self.issue_id),
            name: self.name,
            content,
            by: MemberId(self.added_by),
            at: self.created_at,
        })
    }
}

/// Writes attachments, as a set.
pub(crate) async fn insert(tx: &Tx, new: &[Attachment]) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let files: Vec<Option<&File>> = new.iter().map(|new| file(&new.content)).collect();
    let urls = new.iter().map(|new| match &new.content {
        Content::Link { url } => Some(url.clone()),
        Content::File(_) => None,
    });
    let of = |read: fn(&File) -> String| files.iter().map(|file| file.map(read)).collect();
    let insert = Insert::into("attachments")
        .column("id", Column::Uuid(new.iter().map(|new| new.id.0).collect()))
        .column("organization_id", Column::same_uuid(Some(tx.ctx().organization().0)))
        .column("issue_id", Column::Uuid(new.iter().map(|new| new.issue.0).collect()))
        .column("name", Column::Text(new.iter().map(|new| new.name.clone()).collect()))
        .column("url", Column::OptText(urls.collect()))
        .column("content_type", Column::OptText(of(|file| file.media.as_str().to_owned())))
        .column(
            "size_bytes",
            Column::I64(files.iter().map(|file| file.map_or(0, |file| file.size)).collect()),
        )
        .column("sha256", Column::OptText(of(|file| file.sha256.clone())))
        .column("added_by", Column::Uuid(new.iter().map(|new| new.by.0).collect()))
        .column("created_at", Column::Time(new.iter().map(|new| new.at).collect()));
    let mut set = WriteSet::new();
    set.insert(insert);
    Ok(tx.write(set).await?)
}

fn file(content: &Content) -> Option<&File> {
    match content {
        Content::File(file) => Some(file),
        Content::Link { .. } => None,
    }
}

/// Reads what belongs to an issue, the oldest first. Whether the caller sees the issue is known by then.
pub(crate) async fn of_issue<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    issue: IssueId,
) -> Result<Vec<Attachment>, StoreError> {
    let text = "SELECT id, issue_id, name, url, content_type, size_bytes, sha256, added_by, \
        created_at FROM attachments";
    let mut sql = Sql::new(conn.get_database_backend(), text);
    sql.bind(" WHERE organization_id = ", organization.0)
        .bind(" AND issue_id = ", issue.0)
        .push(" ORDER BY id");
    sql.all::<Row, C>(conn).await?.into_iter().map(Row::read).collect()
}

/// Removes the row of an attachment.
pub(crate) async fn remove(tx: &Tx, id: AttachmentId) -> Result<(), StoreError> {
    let conn = tx.conn();
    let mut sql = Sql::new(conn.get_database_backend(), "DELETE FROM attachments");
    sql.bind(" WHERE organization_id = ", tx.ctx().organization().0).bind(" AND id = ", id.0);
    if sql.execute(conn).await? == 1 { Ok(()) } else { Err(StoreError::Stale) }
}

/// Which of these have a row, in whatever organization: the sweep belongs to nobody.
pub(crate) async fn known<C: ConnectionTrait>(
    conn: &C,
    ids: Vec<Uuid>,
) -> Result<Vec<Uuid>, StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), "SELECT id FROM attachments WHERE");
    sql.one_of(" id", ids);
    Ok(sql.all::<IdRow, C>(conn).await?.into_iter().map(|row| row.id).collect())
}
