//! Files of issues: in a folder and in a bucket, and what a crash leaves behind.

use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::{StreamExt as _, stream};
use quittance_chassis::clock::now;
use quittance_chassis::config::Config;
use quittance_issues::app::{NewFile, Target};
use quittance_issues::domain::attachment::{Attachment, AttachmentError};
use quittance_issues::error::Error;
use quittance_issues::{Files, Issues};
use quittance_kernel::{AttachmentId, Ctx, IssueId, IssueStatus, Severity};
use sea_orm::ConnectionTrait as _;
use secrecy::SecretString;
use tempfile::TempDir;

use crate::fixture::{World, noon, reason, worlds};
use crate::s3::Bucket;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

fn in_folder(folder: &TempDir) -> Config {
    Config { data_dir: folder.path().to_owned(), ..Config::default() }
}

async fn in_bucket(bucket: &Bucket) -> Config {
    let mut config = Config::default();
    let attachments = &mut config.attachments;
    attachments.url = Some("s3://bucket/quittance/files".to_owned());
    attachments.s3_endpoint = Some(format!("http://{}", bucket.serve().await));
    attachments.s3_access_key_id = Some(SecretString::from("key-id"));
    attachments.s3_secret_access_key = Some(SecretString::from("key-secret"));
    attachments.max_bytes = 20 * 1024 * 1024;
    config
}

fn keeping(world: &World, config: &Config) -> Issues {
    world.issues.clone().keeping(Files::open(config).unwrap())
}

fn new(issue: IssueId) -> NewFile {
    let (name, content_type) = ("shot.png".to_owned(), "image/png".to_owned());
    NewFile { target: Target::of(issue), name, content_type }
}

/// Uploads a picture that is filled up with this byte, in pieces of 64 KiB.
async fn upload(
    issues: &Issues,
    who: &Ctx,
    issue: IssueId,
    (fill, length): (u8, usize),
) -> Result<(Attachment, bool), Error> {
    let bytes: Vec<u8> = PNG.iter().copied().chain(vec![fill; length]).collect();
    let pieces: Vec<_> =
        bytes.chunks(65_536).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    issues.upload(who, new(issue), stream::iter(pieces)).await
}

async fn read(issues: &Issues, who: &Ctx, issue: IssueId, id: AttachmentId) -> usize {
    let (_, pieces) = issues.read_file(who, (issue, None), id).await.unwrap();
    pieces.map(|piece| piece.unwrap().len()).collect::<Vec<_>>().await.into_iter().sum()
}

#[tokio::test]
async fn files_are_kept_in_a_bucket_that_speaks_s3() {
    quittance_chassis::run::install_tls();
    for world in worlds().await {
        let bucket = Bucket::default();
        let issues = keeping(&world, &in_bucket(&bucket).await);
        let issue = world.file(&world.aibek, Severity::High).await;
        let (small, _) = upload(&issues, &world.aibek, issue, (1, 1_000)).await.unwrap();
        assert_eq!((bucket.heard("PUT object"), bucket.heard("POST uploads")), (1, 0));
        // Longer than one part: it goes in several, and never whole into memory.
        let (large, _) = upload(&issues, &world.aibek, issue, (2, 12_000_000)).await.unwrap();
        assert_eq!((bucket.heard("POST uploads"), bucket.heard("PUT uploadId")), (1, 3));
        let organization = world.admin.organization();
        let key = |id: AttachmentId| format!("quittance/files/{organization}/{id}");
        assert_eq!(bucket.keys(), [key(small.id), key(large.id)]);
        assert_eq!(read(&issues, &world.admin, issue, small.id).await, PNG.len() + 1_000);
        assert_eq!(read(&issues, &world.admin, issue, large.id).await, PNG.len() + 12_000_000);

        // One that is too long, or breaks off, is given up there too.
        let long = upload(&issues, &world.aibek, issue, (3, 21_000_000)).await;
        assert_eq!(reason(long), "ATTACHMENT_TOO_LARGE");
        let mut pieces = vec![Ok(Bytes::from_static(PNG))];
        pieces.extend((0..100).map(|_| Ok(Bytes::from(vec![0; 65_536]))));
        pieces.push(Err(AttachmentError::Broken.into()));
        let broken = issues.upload(&world.aibek, new(issue), stream::iter(pieces)).await;
        assert_eq!(reason(broken), "BODY_UNREADABLE");
        assert_eq!((bucket.keys().len(), bucket.uploads()), (2, 0));

        bucket.put(&key(AttachmentId::new()), b"an orphan");
        bucket.put("quittance/files/readme", b"not ours");
        assert_eq!(issues.sweep_files(now() + TimeDelta::days(400)).await.unwrap(), 1);
        let target = Target::of(issue);
        issues.remove_attachment(&world.aibek, target, small.id).await.unwrap();
        assert_eq!(bucket.keys(), [key(large.id), "quittance/files/readme".to_owned()]);
    }
}

#[tokio::test]
async fn a_file_without_a_row_is_swept_when_it_is_older_than_an_hour() {
    for world in worlds().await {
        let folder = TempDir::new().unwrap();
        let issues = keeping(&world, &in_folder(&folder));
        let issue = world.file(&world.aibek, Severity::High).await;
        let (kept, _) = upload(&issues, &world.aibek, issue, (1, 1_000)).await.unwrap();
        let (lost, _) = upload(&issues, &world.aibek, issue, (2, 600_000)).await.unwrap();
        // As after a crash between the file and its row, and in the middle of a file.
        let sql = format!("DELETE FROM attachments WHERE size_bytes = {}", PNG.len() + 600_000);
        world.db.conn().execute_unprepared(&sql).await.unwrap();
        let tenant = folder.path().join(format!("attachments/{}", world.admin.organization()));
        std::fs::write(tenant.join(format!("{}#1", AttachmentId::new())), b"half").unwrap();

        assert_eq!(issues.sweep_files(now()).await.unwrap(), 0, "they may still get their row");
        assert_eq!(issues.sweep_files(now() + TimeDelta::hours(2)).await.unwrap(), 2);
        assert!(!tenant.join(lost.id.to_string()).exists());
        assert_eq!(read(&issues, &world.aibek, issue, kept.id).await, PNG.len() + 1_000);
        assert_eq!(issues.sweep_files(now() + TimeDelta::hours(2)).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn the_same_bytes_are_there_once_however_often_they_are_sent_at_once() {
    for world in worlds().await {
        let folder = TempDir::new().unwrap();
        let issues = keeping(&world, &in_folder(&folder));
        let issue = world.file(&world.aibek, Severity::High).await;
        let sent = (0..6).map(|_| upload(&issues, &world.aibek, issue, (1, 300_000)));
        let sent: Vec<_> = futures_util::future::join_all(sent).await;
        let ids: std::collections::BTreeSet<_> =
            sent.iter().map(|sent| sent.as_ref().unwrap().0.id).collect();
        assert_eq!(ids.len(), 1, "{sent:?}");
        let tenant = folder.path().join(format!("attachments/{}", world.admin.organization()));
        assert_eq!(std::fs::read_dir(tenant).unwrap().count(), 1);
        let noted = "SELECT count(*) FROM audit_log WHERE action = 'attachment.added'";
        assert_eq!(world.count(noted).await, 1);
    }
}

#[tokio::test]
async fn only_the_reporter_and_judges_add_and_only_an_admin_removes_what_was_decided_on() {
    for world in worlds().await {
        let folder = TempDir::new().unwrap();
        let issues = keeping(&world, &in_folder(&folder));
        let issue = world.file(&world.aibek, Severity::High).await;
        let (file, _) = upload(&issues, &world.aibek, issue, (1, 9)).await.unwrap();
        upload(&issues, &world.lead, issue, (2, 9)).await.unwrap();
        let other = upload(&issues, &world.nazira, issue, (3, 9)).await;
        assert_eq!(reason(other), "ISSUE_NOT_FOUND");
        let remove = |who: &Ctx| {
            let (issues, who) = (issues.clone(), who.clone());
            async move { issues.remove_attachment(&who, Target::of(issue), file.id).await }
        };
        assert_eq!(reason(remove(&world.lead).await), "ROLE_REQUIRED");
        world.set(&world.admin, issue, IssueStatus::Triaged, None).await.unwrap();
        assert_eq!(reason(remove(&world.aibek).await), "ATTACHMENT_KEPT");
        remove(&world.admin).await.unwrap();
        assert_eq!(reason(remove(&world.admin).await), "ATTACHMENT_NOT_FOUND");
        let noted = "SELECT count(*) FROM audit_log WHERE action = 'attachment.removed' \
                     AND before IS NOT NULL";
        assert_eq!(world.count(noted).await, 1);
        let left = issues.attachments(&world.aibek, issue, None).await.unwrap();
        assert_eq!((left.len(), left[0].at), (1, noon()));
    }
}

#[test]
fn a_place_that_is_none_is_refused_when_the_service_starts() {
    for url in ["ftp://x", "s3://", "s3:///prefix", "/somewhere"] {
        let mut config = Config::default();
        config.attachments.url = Some(url.to_owned());
        assert!(Files::open(&config).is_err(), "{url}");
    }
}
