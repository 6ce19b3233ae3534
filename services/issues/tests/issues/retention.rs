//! What nobody needs for ever leaves; what somebody needs stays.

use chrono::TimeDelta;
use quittance_chassis::bus::{Handler as _, Message};
use quittance_chassis::config::Retention;
use quittance_chassis::db::retention::{CHUNK, check, cutoff, forget_received};
use quittance_chassis::db::{Tx, inbox};
use quittance_events::{Envelope, PayoutFailed, ScheduleState, encode, kind};
use quittance_issues::app::{Marked, Paging};
use quittance_kernel::{Ctx, Method, OrganizationId, PayoutStatus, Severity};
use uuid::Uuid;

use crate::fixture::{World, foreigner, noon, worlds};
use crate::mirror::{earning, message};

async fn told(world: &World, who: &Ctx) -> usize {
    let paging = Paging::default();
    world.issues.list_notifications(who, false, &paging).await.unwrap().items.len()
}

#[tokio::test]
async fn notifications_leave_when_they_were_read_and_are_old() {
    for world in worlds().await {
        let (aibek, nazira) = (&world.aibek, &world.nazira);
        for who in [aibek, nazira] {
            let issue = world.file(who, Severity::High).await;
            world.approve(&world.admin, issue).await.unwrap();
        }
        world.issues.mark_read(aibek, Marked::AllUpTo(noon())).await.unwrap();
        let after = |days| noon() + TimeDelta::days(days);
        assert_eq!(world.issues.forget_notifications(after(180), 180).await.unwrap(), 0);
        let later = after(180) + TimeDelta::seconds(1);
        assert_eq!(world.issues.forget_notifications(later, 180).await.unwrap(), 1);
        assert_eq!((told(&world, aibek).await, told(&world, nazira).await), (0, 1));
        // Unread ones wait however long it takes.
        assert_eq!(world.issues.forget_notifications(after(9_999), 1).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn the_inbox_forgets_in_chunks_what_is_far_beyond_redelivery() {
    for world in worlds().await {
        let old: Vec<Uuid> = (0..=2 * CHUNK).map(|_| Uuid::now_v7()).collect();
        let young: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
        for (days, ids) in [(0, &old), (20, &young)] {
            let now = noon() + TimeDelta::days(days);
            let ctx = Ctx { now, ..world.admin.clone() };
            for some in ids.chunks(500) {
                let tx = Tx::begin(&world.db, &ctx).await.unwrap();
                assert_eq!(inbox::first_times(&tx, "c", some).await.unwrap().len(), some.len());
                tx.commit().await.unwrap();
            }
        }
        let now = noon() + TimeDelta::days(31);
        let forgotten = forget_received(&world.db, cutoff(now, 30)).await.unwrap();
        assert_eq!(forgotten, u64::try_from(old.len()).unwrap());
        let tx = Tx::begin(&world.db, &world.admin).await.unwrap();
        assert!(inbox::first_times(&tx, "c", &young).await.unwrap().is_empty(), "still known");
    }
    assert!(check(&Retention::default()).is_ok());
    assert!(check(&Retention { inbox_days: 6, ..Retention::default() }).is_err());
}

fn failure(organization: OrganizationId, payee: Uuid) -> Message {
    let (id, payout_id) = (Uuid::now_v7(), Uuid::now_v7());
    let state = PayoutFailed {
        payout_id,
        version: 3,
        payee_id: payee,
        amount_minor: 800_000,
        currency: "KZT".into(),
        method: Method::Stripe,
        reference: Some("tr_1".into()),
        reason: "the account was closed".into(),
        item_count: 2,
        failed_at: noon(),
    };
    let kind = kind::PAYOUT_FAILED;
    let envelope = Envelope::new(id, "payouts", kind, organization.0, noon(), None, state);
    Message {
        id,
        kind: kind.to_owned(),
        organization: organization.0,
        subject: payout_id,
        body: encode(&envelope).into(),
        traceparent: None,
    }
}

#[tokio::test]
async fn the_payee_is_told_once_of_a_payout_that_failed() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::High).await;
        world.approve(&world.admin, issue).await.unwrap();
        let organization = world.admin.organization();
        let other = foreigner(&world.issues).await.organization();
        let payee = world.aibek.member().0;
        // One batch may hold payments and failures, of several organizations, and come again.
        let paid = earning(&world, issue, 2, PayoutStatus::Paid);
        let batch =
            [failure(organization, payee), message(organization, &paid), failure(other, payee)];
        for _ in 0..2 {
            world.issues.handle(&batch).await.unwrap();
        }
        let paging = Paging::default();
        let page = world.issues.list_notifications(&world.aibek, false, &paging).await.unwrap();
        let mut kinds: Vec<&str> = page.items.iter().map(|told| told.kind.as_str()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["ISSUE_APPROVED", "ISSUE_PAID", "PAYOUT_FAILED"]);
        let failed = page.items.iter().find(|told| told.issue.is_none()).unwrap();
        assert!(failed.title.starts_with("Payment failed: "), "{}", failed.title);
        let data: serde_json::Value = serde_json::from_str(&failed.data).unwrap();
        assert_eq!(data["reason"], "the account was closed");
        assert_eq!(data["amountMinor"], 800_000);
        assert_eq!(data["payoutId"], batch[0].subject.to_string());
        assert_eq!(data.get("issueId"), None);
        assert_eq!(told(&world, &world.nazira).await, 0);
    }
}

fn given_up(organization: OrganizationId, payee: Uuid) -> Message {
    let (id, schedule_id) = (Uuid::now_v7(), Uuid::now_v7());
    let state = ScheduleState {
        schedule_id,
        version: 7,
        placement_id: Uuid::now_v7(),
        payee_id: payee,
        amount_minor: 125_000,
        currency: "USD".into(),
        method: Method::Stripe,
        reference: String::new(),
        status: "failed".into(),
        scheduled_at: noon(),
        guarantee_completion_date: None,
        payout_id: None,
        processed_at: None,
        failure_reason: Some("payee_not_onboarded".into()),
        retry_count: 3,
        last_retry_at: Some(noon()),
        next_attempt_at: noon(),
        hold_id: None,
    };
    let kind = kind::SCHEDULE_FAILED;
    let envelope = Envelope::new(id, "payouts", kind, organization.0, noon(), None, state);
    Message {
        id,
        kind: kind.to_owned(),
        organization: organization.0,
        subject: schedule_id,
        body: encode(&envelope).into(),
        traceparent: None,
    }
}

#[tokio::test]
async fn the_payee_is_told_once_of_a_schedule_that_was_given_up() {
    for world in worlds().await {
        let organization = world.admin.organization();
        let batch = [given_up(organization, world.aibek.member().0)];
        for _ in 0..2 {
            world.issues.handle(&batch).await.unwrap();
        }
        let paging = Paging::default();
        let page = world.issues.list_notifications(&world.aibek, false, &paging).await.unwrap();
        let kinds: Vec<&str> = page.items.iter().map(|told| told.kind.as_str()).collect();
        assert_eq!(kinds, ["PAYOUT_FAILED"]);
        let data: serde_json::Value = serde_json::from_str(&page.items[0].data).unwrap();
        assert_eq!(data["reason"], "payee_not_onboarded");
        assert_eq!(data["payoutId"], batch[0].subject.to_string());
    }
}
