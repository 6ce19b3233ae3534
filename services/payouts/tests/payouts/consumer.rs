//! Earnings follow the reviews of issues.

use bytes::Bytes;
use quittance_chassis::bus::{HandleError, Handler as _, Message};
use quittance_events::{Envelope, IssueState, encode, kind};
use quittance_kernel::{IssueStatus, OrganizationId, PayoutStatus, Severity, Timestamp};
use uuid::Uuid;

use crate::facts::Issue;
use crate::world::{World, batch, group, paid, worlds};

fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

pub(crate) fn state(
    issue: Issue,
    version: i64,
    review: PayoutStatus,
    minor: Option<i64>,
) -> IssueState {
    IssueState {
        issue_id: issue.id.0,
        version,
        number: "SHP-1".to_owned(),
        product_id: Uuid::nil(),
        cycle_id: issue.cycle.0,
        reporter_id: issue.reporter.0,
        title: "Crash".to_owned(),
        severity: Severity::High,
        status: IssueStatus::Triaged,
        review,
        amount_minor: minor,
        currency: minor.map(|_| "KZT".to_owned()),
        rule: None,
        decided_by: None,
        decided_at: None,
        reason: None,
        verified_by: None,
        resolved_at: None,
        reverted_to_status: None,
        duplicate_of: None,
        bounty_id: None,
        points: None,
        filed_at: noon(),
    }
}

pub(crate) fn message(organization: OrganizationId, state: IssueState) -> Message {
    let (id, subject) = (Uuid::now_v7(), state.issue_id);
    let name = kind::ISSUE_UPDATED;
    let envelope = Envelope::new(id, "issues", name, organization.0, noon(), None, state);
    Message {
        id,
        kind: name.to_owned(),
        organization: organization.0,
        subject,
        body: Bytes::from(encode(&envelope)),
        traceparent: None,
    }
}

impl World {
    fn approval(&self, issue: Issue, version: i64, minor: i64) -> Message {
        let state = state(issue, version, PayoutStatus::Approved, Some(minor));
        message(self.admin.organization, state)
    }

    fn rejection(&self, issue: Issue, version: i64) -> Message {
        message(self.admin.organization, state(issue, version, PayoutStatus::Rejected, None))
    }

    async fn count(&self, table: &str, condition: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {table} WHERE {condition}")).await
    }
}

#[tokio::test]
async fn an_approval_is_owed_and_a_rejection_is_not() {
    for world in worlds().await {
        let (kept, dropped) = (world.issue(500), world.issue(700));
        let messages = [world.approval(kept, 2, 500), world.approval(dropped, 2, 700)];
        world.reviews.handle(&messages).await.unwrap();
        assert_eq!(world.count("earnings", "status = 'approved' AND version = 1").await, 2);
        world.reviews.handle(&[world.rejection(dropped, 3)]).await.unwrap();
        assert_eq!(world.count("earnings", "status = 'rejected' AND version = 2").await, 1);
        for (action, count) in [("earning.approved", 2), ("earning.rejected", 1)] {
            assert_eq!(world.count("outbox", &format!("kind = '{action}'")).await, count);
            assert_eq!(world.count("audit_log", &format!("action = '{action}'")).await, count);
        }
    }
}

#[tokio::test]
async fn what_is_heard_twice_or_late_changes_nothing() {
    for world in worlds().await {
        let issue = world.issue(500);
        let (first, second) = (world.approval(issue, 2, 500), world.rejection(issue, 3));
        world.reviews.handle(&[second.clone(), first.clone()]).await.unwrap();
        world.reviews.handle(std::slice::from_ref(&first)).await.unwrap();
        world.reviews.handle(&[second]).await.unwrap();
        assert_eq!(world.count("earnings", "status = 'approved'").await, 0);
        // Late, under a new event id, as after a restore of the broker.
        world.reviews.handle(&[world.approval(issue, 2, 500)]).await.unwrap();
        assert_eq!(world.count("earnings", "status = 'approved'").await, 0);
        world.reviews.handle(&[world.approval(issue, 5, 900)]).await.unwrap();
        world.reviews.handle(&[world.approval(issue, 6, 900)]).await.unwrap();
        world.reviews.handle(&[world.rejection(issue, 3)]).await.unwrap();
        let owed =
            "status = 'approved' AND amount_minor = 900 AND source_version = 6 AND version = 1";
        assert_eq!(world.count("earnings", owed).await, 1);
        assert_eq!(world.count("inbox", "consumer = 'payouts.issues'").await, 6);
    }
}

#[tokio::test]
async fn one_batch_may_hold_several_organizations() {
    for world in worlds().await {
        let (mine, theirs) = (world.issue(500), world.issue(700));
        let other = OrganizationId::new();
        let foreign = message(other, state(theirs, 2, PayoutStatus::Approved, Some(700)));
        world.reviews.handle(&[world.approval(mine, 2, 500), foreign]).await.unwrap();
        let apart = "SELECT count(DISTINCT organization_id) FROM";
        for table in ["earnings", "audit_log", "outbox"] {
            assert_eq!(world.number(&format!("{apart} {table}")).await, 2, "{table}");
        }
    }
}

#[tokio::test]
async fn a_payment_uses_the_earning_that_is_there_and_ends_its_following() {
    for world in worlds().await {
        let (heard, unheard) = (world.issue(500), world.issue(700));
        world.reviews.handle(&[world.approval(heard, 2, 500)]).await.unwrap();
        paid(world.batch(batch(vec![group(&[heard, unheard])])).await.unwrap());
        world.check(1, 2).await;
        assert_eq!(world.count("earnings", "version = 2").await, 1);
        let late = [world.approval(unheard, 2, 700), world.rejection(heard, 9)];
        world.reviews.handle(&late).await.unwrap();
        world.check(1, 2).await;
    }
}

#[tokio::test]
async fn the_price_of_the_newest_review_is_paid() {
    for world in worlds().await {
        let (older, newer) = (world.issue(500), world.issue(500));
        world.reviews.handle(&[world.approval(older, 1, 300)]).await.unwrap();
        world.reviews.handle(&[world.approval(newer, 4, 900)]).await.unwrap();
        let answer = paid(world.batch(batch(vec![group(&[older, newer])])).await.unwrap());
        assert_eq!(answer.totals[0].amount.as_ref().unwrap().minor_units, 1_400);
        world.check(1, 2).await;
        // A rejection that overtook the facts is heeded.
        let rejected = world.issue(500);
        let events = [world.approval(rejected, 2, 500), world.rejection(rejected, 3)];
        world.reviews.handle(&events[..1]).await.unwrap();
        world.reviews.handle(&events[1..]).await.unwrap();
        let refused = world.batch(batch(vec![group(&[rejected])])).await.unwrap();
        assert_eq!(crate::world::refused(refused), [["not_approved"]]);
    }
}

#[tokio::test]
async fn what_can_never_be_understood_is_poison() {
    for world in worlds().await {
        let issue = world.issue(500);
        let unpriced = state(issue, 2, PayoutStatus::Approved, None);
        let unpriced = message(world.admin.organization, unpriced);
        let garbled = Message { body: Bytes::from_static(b"{}"), ..world.approval(issue, 2, 5) };
        for bad in [unpriced, garbled] {
            let refused = world.reviews.handle(&[bad]).await;
            assert!(matches!(refused, Err(HandleError::Poison(_))), "{refused:?}");
        }
        assert_eq!(world.count("earnings", "true").await, 0);
    }
}
