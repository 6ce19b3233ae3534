//! Members are told what happens to their work: once, and nobody else.

use quittance_chassis::bus::Handler as _;
use quittance_issues::app::{Marked, Notification, Paging, Target};
use quittance_kernel::{Ctx, IssueStatus, NotificationId, PayoutStatus, Severity};
use quittance_kernel::{IssueId, Timestamp};
use sea_orm::{ConnectionTrait as _, Statement};
use uuid::Uuid;

use crate::fixture::{World, foreigner, noon, reason, worlds};
use crate::mirror::{earning, message};

async fn inbox(world: &World, who: &Ctx) -> Vec<Notification> {
    let paging = Paging::default();
    world.issues.list_notifications(who, false, &paging).await.unwrap().items
}

/// What somebody was told, the oldest first.
async fn kinds(world: &World, who: &Ctx) -> Vec<&'static str> {
    inbox(world, who).await.iter().rev().map(|told| told.kind.as_str()).collect()
}

#[tokio::test]
async fn the_reporter_is_told_of_decisions_and_nobody_of_their_own_acts() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::High).await;
        world.set(&world.admin, issue, IssueStatus::Triaged, None).await.unwrap();
        world.approve(&world.lead, issue).await.unwrap();
        world.set(&world.admin, issue, IssueStatus::Verified, None).await.unwrap();
        world.set(&world.admin, issue, IssueStatus::InProgress, None).await.unwrap();
        world.set(&world.admin, issue, IssueStatus::Verified, None).await.unwrap();
        world.set(&world.admin, issue, IssueStatus::Closed, None).await.unwrap();
        let told = ["ISSUE_APPROVED", "ISSUE_VERIFIED", "ISSUE_VERIFIED"];
        assert_eq!(kinds(&world, &world.aibek).await, told);

        let other = world.file(&world.nazira, Severity::Low).await;
        world.reject(&world.admin, other).await.unwrap();
        world.set(&world.admin, other, IssueStatus::Duplicate, None).await.unwrap();
        let rejected = inbox(&world, &world.nazira).await;
        assert_eq!(rejected.len(), 1, "a rejection is told once");
        assert_eq!(rejected[0].title, "Rejected: Payment fails");
        assert_eq!(rejected[0].issue, Some(other));
        assert!(rejected[0].data.contains(r#""reason":"not a bug""#), "{}", rejected[0].data);

        let own = world.file(&world.admin, Severity::Low).await;
        world.set(&world.admin, own, IssueStatus::Triaged, None).await.unwrap();
        world.set(&world.admin, own, IssueStatus::Verified, None).await.unwrap();
        assert!(inbox(&world, &world.admin).await.is_empty());

        // The notification belongs to the event that says the same.
        let same = "SELECT count(*) FROM notifications n JOIN outbox o ON o.id = n.event_id";
        assert_eq!(world.count(same).await, 4);
    }
}

#[tokio::test]
async fn a_refused_or_repeated_change_tells_nothing() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::High).await;
        assert_eq!(reason(world.approve(&world.aibek, issue).await), "ROLE_REQUIRED");
        world.approve(&world.admin, issue).await.unwrap();
        assert_eq!(reason(world.approve(&world.admin, issue).await), "INVALID_TRANSITION");
        assert_eq!(kinds(&world, &world.aibek).await, ["ISSUE_APPROVED"]);
    }
}

#[tokio::test]
async fn one_payout_event_is_told_once_however_often_it_comes() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::High).await;
        let other = world.file(&world.nazira, Severity::High).await;
        let organization = world.admin.organization();
        let paid = message(organization, &earning(&world, issue, 2, PayoutStatus::Paid));
        let also = message(organization, &earning(&world, other, 2, PayoutStatus::Paid));
        world.issues.handle(&[paid.clone(), also.clone()]).await.unwrap();
        world.issues.handle(&[also, paid.clone()]).await.unwrap();
        // Even if the inbox had forgotten it.
        for table in ["inbox", "issues"] {
            let text = match table {
                "inbox" => "DELETE FROM inbox",
                _ => "UPDATE issues SET pay_version = 0",
            };
            let statement = Statement::from_string(world.db.backend(), text);
            world.db.conn().execute_raw(statement).await.unwrap();
        }
        world.issues.handle(&[paid]).await.unwrap();
        let told = inbox(&world, &world.aibek).await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].kind.as_str(), "ISSUE_PAID");
        for part in [r#""amountMinor":800000"#, r#""currency":"KZT""#, r#""reference":"K-1""#] {
            assert!(told[0].data.contains(part), "{}", told[0].data);
        }
        assert_eq!(kinds(&world, &world.nazira).await, ["ISSUE_PAID"]);

        let void = message(organization, &earning(&world, issue, 3, PayoutStatus::Void));
        world.issues.handle(&[void]).await.unwrap();
        assert_eq!(inbox(&world, &world.aibek).await.len(), 1);
    }
}

#[tokio::test]
async fn everybody_reads_and_marks_their_own_alone() {
    for world in worlds().await {
        let mut issues: Vec<IssueId> = Vec::new();
        for _ in 0..5 {
            let issue = world.file(&world.aibek, Severity::High).await;
            world.approve(&world.admin, issue).await.unwrap();
            issues.insert(0, issue);
        }
        let mut paging = Paging { size: 2, token: String::new() };
        let mut seen = Vec::new();
        loop {
            let page = world.issues.list_notifications(&world.aibek, false, &paging).await.unwrap();
            seen.extend(page.items.iter().map(|told| told.issue));
            if page.next.is_empty() {
                break;
            }
            paging.token = page.next;
        }
        assert_eq!(
            seen,
            issues.into_iter().map(Some).collect::<Vec<_>>(),
            "the newest first, each once"
        );
        // A token of one list is none of another.
        assert!(world.issues.list_notifications(&world.aibek, true, &paging).await.is_err());

        let told = inbox(&world, &world.aibek).await;
        let (first, last) = (told[0].id, told[4].id);
        let these = || Marked::These(vec![first, last, NotificationId::new()]);
        let spy = foreigner(&world.issues).await;
        for other in [&world.nazira, &world.admin, &spy] {
            assert!(inbox(&world, other).await.is_empty());
            assert_eq!(world.issues.mark_read(other, these()).await.unwrap(), (0, 0));
        }
        assert_eq!(world.issues.count_unread(&world.aibek).await.unwrap(), 5);
        assert_eq!(world.issues.mark_read(&world.aibek, these()).await.unwrap(), (2, 3));
        assert_eq!(world.issues.mark_read(&world.aibek, these()).await.unwrap(), (0, 3));
        let unread = world.issues.list_notifications(&world.aibek, true, &Paging::default()).await;
        assert_eq!(unread.unwrap().items.len(), 3);
        let before: Timestamp = "2026-05-08T11:00:00Z".parse().unwrap();
        let early = Marked::AllUpTo(before);
        assert_eq!(world.issues.mark_read(&world.aibek, early).await.unwrap(), (0, 3));
        let all = Marked::AllUpTo(noon());
        assert_eq!(world.issues.mark_read(&world.aibek, all).await.unwrap(), (3, 0));
        let none = world.issues.mark_read(&world.aibek, Marked::These(Vec::new())).await;
        assert_eq!(reason(none), "COUNT_OUT_OF_RANGE");
    }
}

#[tokio::test]
async fn a_watch_goes_on_where_another_ended_and_sees_what_becomes_visible_late() {
    for world in worlds().await {
        let approve = async || {
            let issue = world.file(&world.aibek, Severity::High).await;
            let answer = quittance_issues::app::Answer::forgotten();
            let target = Target::of(issue);
            world.issues.approve(&world.admin, target, None, None, answer).await.unwrap();
            issue
        };
        let old = approve().await;
        // An id that was made before, of a row that is committed later.
        let late = Uuid::now_v7();
        let mut watch = world.issues.watch(&world.aibek, None).await.unwrap();
        let first = approve().await;
        let told = watch.next().await.unwrap().unwrap();
        assert_eq!(told.issue, Some(first), "what was there before is not told");

        let copy = "INSERT INTO notifications (id, organization_id, member_id, kind, issue_id, \
             title, data, event_id, created_at, mail_tries) SELECT $1, organization_id, member_id, \
             kind, issue_id, 'late', data, $1, created_at, 0 FROM notifications WHERE id = $2";
        let binds = [late.into(), told.id.0.into()];
        let statement = Statement::from_sql_and_values(world.db.backend(), copy, binds);
        world.db.conn().execute_raw(statement).await.unwrap();
        assert_eq!(watch.next().await.unwrap().unwrap().title, "late");
        drop(watch);

        let (second, third) = (approve().await, approve().await);
        let mut watch = world.issues.watch(&world.aibek, Some(told.id)).await.unwrap();
        assert_eq!(watch.next().await.unwrap().unwrap().issue, Some(second));
        assert_eq!(watch.next().await.unwrap().unwrap().issue, Some(third));

        let from = Some(NotificationId(Uuid::nil()));
        let mut all = world.issues.watch(&world.aibek, from).await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(all.next().await.unwrap().unwrap().issue);
        }
        assert_eq!(seen, [old, first, first, second, third].map(Some), "each once, in order");
    }
}
