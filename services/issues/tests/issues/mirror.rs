//! What payouts says of earnings is mirrored.

use bytes::Bytes;
use quittance_chassis::bus::{HandleError, Handler as _, Message};
use quittance_chassis::db::outbox;
use quittance_events::{EarningState, Envelope, encode, kind};
use quittance_kernel::{IssueId, IssueStatus, Method, OrganizationId, PayoutStatus, Severity};
use uuid::Uuid;

use crate::fixture::{World, foreigner, noon, reason, worlds};

pub(crate) fn earning(
    world: &World,
    issue: IssueId,
    version: i64,
    status: PayoutStatus,
) -> EarningState {
    EarningState {
        earning_id: Uuid::now_v7(),
        version,
        issue_id: issue.0,
        cycle_id: world.cycle.0,
        payee_id: world.aibek.member().0,
        amount_minor: 800_000,
        currency: "KZT".into(),
        status,
        payout_id: Some(Uuid::now_v7()),
        method: Some(Method::Kaspi),
        reference: Some("K-1".into()),
        paid_at: Some(noon()),
        reason: None,
        voided_at: None,
        receivable_minor: None,
    }
}

pub(crate) fn message(organization: OrganizationId, state: &EarningState) -> Message {
    let id = Uuid::now_v7();
    let kind = match state.status {
        PayoutStatus::Void => kind::EARNING_VOIDED,
        PayoutStatus::Pending
        | PayoutStatus::Approved
        | PayoutStatus::Rejected
        | PayoutStatus::Paid => kind::PAYOUT_ISSUE_PAID,
    };
    let envelope = Envelope::new(id, "payouts", kind, organization.0, noon(), None, state.clone());
    Message {
        id,
        kind: kind.to_owned(),
        organization: organization.0,
        subject: state.issue_id,
        body: Bytes::from(encode(&envelope)),
        traceparent: None,
    }
}

#[tokio::test]
async fn a_payment_shows_at_the_issue_and_ends_its_review() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::High).await;
        world.approve(&world.admin, issue).await.unwrap();
        let (said, before) = (world.told(issue).await, outbox::depth(&world.db).await.unwrap().0);
        let paid = earning(&world, issue, 2, PayoutStatus::Paid);
        let message = message(world.admin.organization(), &paid);
        world.issues.handle(std::slice::from_ref(&message)).await.unwrap();
        // The same event again changes nothing.
        world.issues.handle(std::slice::from_ref(&message)).await.unwrap();

        let seen = world.see(&world.aibek, issue).await.unwrap();
        assert_eq!(seen.view().payout_status, PayoutStatus::Paid);
        assert_eq!(seen.view().blocked_by, ["already_paid"]);
        let payment = seen.issue.payment.clone().unwrap();
        assert_eq!(payment.payout.map(|id| id.0), paid.payout_id);
        assert_eq!((payment.at, seen.issue.version), (Some(noon()), 3));

        // Payouts has told it already; here it is only on record.
        assert_eq!(world.told(issue).await, said);
        assert_eq!(outbox::depth(&world.db).await.unwrap().0, before);
        let noted = "SELECT count(*) FROM audit_log \
                     WHERE action = 'issue.payment_mirrored' AND reason IS NULL";
        assert_eq!(world.count(noted).await, 1);

        assert_eq!(reason(world.reject(&world.admin, issue).await), "INVALID_TRANSITION");
        let end = world.set(&world.admin, issue, IssueStatus::Duplicate, None).await;
        assert_eq!(reason(end), "INVALID_TRANSITION");
        world.set(&world.admin, issue, IssueStatus::Verified, None).await.unwrap();

        let totals = world.issues.cycle_totals(&world.admin, world.cycle).await.unwrap();
        assert!(totals.approved_unpaid.is_empty());
        assert_eq!((totals.paid[0].sum.minor(), totals.paid[0].count), (800_000, 1));
        assert_eq!(totals.committed, totals.paid);
    }
}

#[tokio::test]
async fn the_newest_word_wins_in_whatever_order_it_comes() {
    for world in worlds().await {
        let organization = world.admin.organization();
        for shuffle in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
            for batch in [1, 3] {
                let issue = world.file(&world.aibek, Severity::High).await;
                world.approve(&world.admin, issue).await.unwrap();
                let words = [
                    earning(&world, issue, 2, PayoutStatus::Paid),
                    earning(&world, issue, 3, PayoutStatus::Void),
                    earning(&world, issue, 4, PayoutStatus::Paid),
                ];
                let messages = shuffle.map(|place: usize| message(organization, &words[place]));
                for messages in messages.chunks(batch) {
                    world.issues.handle(messages).await.unwrap();
                }
                let seen = world.see(&world.admin, issue).await.unwrap();
                assert_eq!(seen.view().payout_status, PayoutStatus::Paid);
                let payout = seen.issue.payment.unwrap().payout;
                assert_eq!(payout.map(|id| id.0), words[2].payout_id);
            }
        }
    }
}

#[tokio::test]
async fn a_void_keeps_the_payment_visible() {
    for world in worlds().await {
        let organization = world.admin.organization();
        let issue = world.file(&world.aibek, Severity::High).await;
        world.approve(&world.admin, issue).await.unwrap();
        let paid = earning(&world, issue, 2, PayoutStatus::Paid);
        let void = EarningState {
            payout_id: None,
            paid_at: None,
            ..earning(&world, issue, 3, PayoutStatus::Void)
        };
        world.issues.handle(&[message(organization, &paid)]).await.unwrap();
        world.issues.handle(&[message(organization, &void)]).await.unwrap();
        let seen = world.see(&world.aibek, issue).await.unwrap();
        assert_eq!(seen.view().blocked_by, ["voided"]);
        let payment = seen.issue.payment.unwrap();
        assert_eq!((payment.payout.map(|id| id.0), payment.at), (paid.payout_id, Some(noon())));
        let totals = world.issues.cycle_totals(&world.admin, world.cycle).await.unwrap();
        assert!(totals.committed.is_empty());
    }
}

#[tokio::test]
async fn money_that_came_back_leaves_an_approved_issue() {
    for world in worlds().await {
        let organization = world.admin.organization();
        let issue = world.file(&world.aibek, Severity::High).await;
        world.approve(&world.admin, issue).await.unwrap();
        let paid = earning(&world, issue, 2, PayoutStatus::Paid);
        let returned = EarningState {
            payout_id: None,
            paid_at: None,
            ..earning(&world, issue, 3, PayoutStatus::Approved)
        };
        // In whatever order they come.
        for words in [[&paid, &returned], [&returned, &paid]] {
            for word in words {
                world.issues.handle(&[message(organization, word)]).await.unwrap();
            }
            let seen = world.see(&world.aibek, issue).await.unwrap();
            assert_eq!(seen.view().payout_status, PayoutStatus::Approved);
            assert_eq!(seen.issue.payment, None);
        }
        let again = earning(&world, issue, 4, PayoutStatus::Paid);
        world.issues.handle(&[message(organization, &again)]).await.unwrap();
        let seen = world.see(&world.aibek, issue).await.unwrap();
        assert_eq!(seen.view().payout_status, PayoutStatus::Paid);
    }
}

#[tokio::test]
async fn facts_from_payouts_win_over_a_review_and_say_so() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::High).await;
        world.reject(&world.admin, issue).await.unwrap();
        let paid = earning(&world, issue, 2, PayoutStatus::Paid);
        world.issues.handle(&[message(world.admin.organization(), &paid)]).await.unwrap();
        let seen = world.see(&world.admin, issue).await.unwrap();
        assert_eq!(seen.view().payout_status, PayoutStatus::Paid);
        let noted = "SELECT count(*) FROM audit_log WHERE action = 'issue.payment_mirrored' \
                     AND reason = 'payouts says paid while the review is rejected'";
        assert_eq!(world.count(noted).await, 1);
    }
}

#[tokio::test]
async fn a_batch_may_hold_strangers_and_several_organizations() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::High).await;
        let other = foreigner(&world.issues).await.organization();
        let paid = earning(&world, issue, 2, PayoutStatus::Paid);
        let lost = earning(&world, IssueId::new(), 2, PayoutStatus::Paid);
        let organization = world.admin.organization();
        let batch = [message(other, &paid), message(organization, &lost)];
        world.issues.handle(&batch).await.unwrap();
        // Another organization's word on our issue counts for nothing.
        assert_eq!(world.see(&world.admin, issue).await.unwrap().issue.payment, None);
        world.issues.handle(&[message(other, &lost), message(organization, &paid)]).await.unwrap();
        let seen = world.see(&world.admin, issue).await.unwrap();
        assert_eq!(seen.view().payout_status, PayoutStatus::Paid);
        assert_eq!(world.count("SELECT count(*) FROM inbox").await, 4);

        let broken = Message { body: Bytes::from_static(b"{}"), ..message(organization, &paid) };
        let refused = world.issues.handle(&[broken]).await;
        assert!(matches!(refused, Err(HandleError::Poison(_))));
    }
}
