//! What is refused, with which reasons, and what a refusal leaves behind.

use quittance_kernel::{IssueId, Role};
use quittance_proto::common::v1::{Method, PayoutStatus};
use quittance_proto::payouts::v1 as proto;

use crate::facts::Issue;
use crate::world::{batch, group, paid, problem, refused, refused_issue, single, somebody, worlds};

#[tokio::test]
async fn the_gate_refuses_a_whole_batch_and_tells_everybody() {
    for world in worlds().await {
        let (good, gated) = (world.issue(5), world.issue(6));
        world.facts.change(gated.id, |fact| fact.gate = true);
        let answer = world.batch(batch(vec![group(&[good, gated])])).await.unwrap();
        assert_eq!(refused(answer), [["gate_not_verified"]]);
        world.check(0, 0).await;
        let told = "SELECT count(*) FROM outbox WHERE kind = 'payout.gate_blocked' \
                    AND body LIKE '%\"source\":\"batch_pay\"%'";
        assert_eq!(world.number(told).await, 1);
        let audited = "SELECT count(*) FROM audit_log WHERE action = 'payout.gate_blocked'";
        assert_eq!(world.number(audited).await, 1);

        let answer = world.pay(&world.admin, single(gated, "")).await.unwrap();
        assert_eq!(refused_issue(answer), ["gate_not_verified"]);
        let told = "SELECT count(*) FROM outbox WHERE body LIKE '%\"source\":\"manual\"%'";
        assert_eq!(world.number(told).await, 1);

        // Switched off, it no longer blocks (S1-23).
        world.facts.change(gated.id, |fact| fact.gate = false);
        paid(world.batch(batch(vec![group(&[good, gated])])).await.unwrap());
        world.check(1, 2).await;
    }
}

#[tokio::test]
async fn skipping_pays_the_rest_and_reports() {
    for world in worlds().await {
        let (good, gated) = (world.issue(5), world.issue(6));
        world.facts.change(gated.id, |fact| fact.gate = true);
        let skip = |issues: &[Issue]| proto::BatchPayRequest {
            on_blocked: proto::OnBlocked::Skip.into(),
            ..batch(vec![group(issues)])
        };
        let answer = paid(world.batch(skip(&[good, gated])).await.unwrap());
        assert_eq!(answer.excluded.len(), 1);
        assert_eq!(answer.excluded[0].issue_id, gated.id.to_string());
        world.check(1, 1).await;
        let told = "SELECT count(*) FROM outbox WHERE kind = 'payout.gate_blocked'";
        assert_eq!(world.number(told).await, 1);
        // With nothing left, there is nothing to pay.
        let answer = world.batch(skip(&[good, gated])).await.unwrap();
        assert_eq!(refused(answer), [["already_paid"], ["gate_not_verified"]]);
        world.check(1, 1).await;
    }
}

#[tokio::test]
async fn unknown_undecided_and_own_work_is_not_paid() {
    for world in worlds().await {
        let unknown = Issue { id: IssueId::new(), ..world.issue(1) };
        let undecided = world.issue(5);
        world.facts.change(undecided.id, |fact| {
            fact.review = PayoutStatus::Pending.into();
            fact.amount = None;
        });
        let own = world.facts.approved(world.admin.member, 5, "KZT");
        let answer = world.batch(batch(vec![group(&[unknown, undecided, own])])).await.unwrap();
        assert_eq!(refused(answer), [["unknown_issue"], ["not_approved"], ["self_payment"]]);
        let other =
            proto::PayGroup { payee_id: world.madina.to_string(), ..group(&[world.issue(5)]) };
        let answer = world.batch(batch(vec![other])).await.unwrap();
        assert_eq!(refused(answer), [["payee_mismatch"]]);
        world.check(0, 0).await;
        let audited = "SELECT count(*) FROM audit_log WHERE action = 'payout.refused'";
        assert_eq!(world.number(audited).await, 4);
    }
}

#[tokio::test]
async fn a_malformed_batch_is_refused_where_it_is_wrong() {
    for world in worlds().await {
        let (one, two) = (world.issue(1), world.issue(2));
        let with = |change: fn(&mut proto::PayGroup)| {
            let mut second = group(&[two]);
            change(&mut second);
            batch(vec![group(&[one]), second])
        };
        let many: Vec<_> =
            std::iter::repeat_with(|| Issue { id: IssueId::new(), ..one }).take(10_001).collect();
        let cases = [
            (batch(vec![]), "EMPTY_BATCH", "groups"),
            (with(|group| group.issue_ids.clear()), "EMPTY_BATCH", "groups[1].issue_ids"),
            (with(|group| group.reference = " ".into()), "INVALID_FIELD", "groups[1].reference"),
            (with(|group| group.method = 0), "INVALID_FIELD", "groups[1].method"),
            (
                with(|group| group.method = Method::Stripe.into()),
                "METHOD_NOT_ALLOWED",
                "groups[1].method",
            ),
            (with(|group| group.payee_id = "x".into()), "INVALID_FIELD", "groups[1].payee_id"),
            (
                with(|group| group.issue_ids.push("x".into())),
                "INVALID_FIELD",
                "groups[1].issue_ids[1]",
            ),
            (
                batch(vec![group(&[one, two]), group(&[two])]),
                "DUPLICATE_ISSUE",
                "groups[1].issue_ids[0]",
            ),
            (batch(vec![group(&many)]), "BATCH_TOO_LARGE", "groups"),
        ];
        for (request, reason, field) in cases {
            let refused = problem(world.batch(request).await);
            assert_eq!((refused.reason.as_str(), refused.fields[0].0.as_str()), (reason, field));
        }
        assert_eq!(world.facts.calls(), 0, "nobody is asked about a malformed batch");
        world.check(0, 0).await;
    }
}

#[tokio::test]
async fn a_total_that_does_not_fit_is_refused() {
    for world in worlds().await {
        let issues = [world.issue(i64::MAX), world.issue(1)];
        let answer = problem(world.batch(batch(vec![group(&issues)])).await);
        assert_eq!(answer.reason, "AMOUNT_OUT_OF_RANGE");
        world.check(0, 0).await;
    }
}

#[tokio::test]
async fn without_facts_nothing_is_paid() {
    for world in worlds().await {
        let issue = world.issue(5);
        world.facts.down(true);
        let answer = problem(world.pay(&world.admin, single(issue, "k")).await);
        assert_eq!(answer.reason, "ISSUES_UNAVAILABLE");
        world.check(0, 0).await;
    }
}

#[tokio::test]
async fn only_those_who_may_pay_reach_the_use_case() {
    for world in worlds().await {
        let issue = world.issue(5);
        for role in [Role::Member, Role::Finance, Role::Auditor, Role::PlatformAdmin, Role::Service]
        {
            let who = somebody(world.admin.organization, &[role]);
            let code = world.pay(&who, single(issue, "")).await.unwrap_err().code();
            assert_eq!(code, tonic::Code::PermissionDenied, "{role}");
        }
        let mut viewing = world.admin.clone();
        viewing.impersonator = Some(world.madina);
        let code = world.pay(&viewing, single(issue, "")).await.unwrap_err().code();
        assert_eq!(code, tonic::Code::PermissionDenied);
        world.check(0, 0).await;
    }
}
