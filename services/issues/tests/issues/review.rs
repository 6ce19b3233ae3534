//! Filing, triage, approval and rejection (S0).

use quittance_issues::Issues;
use quittance_issues::app::{Answer, Judgement, Outcome, Target, Verdict};
use quittance_issues::domain::rates::MAX_AMOUNT;
use quittance_kernel::{Currency, IssueId, IssueStatus, Money, PayoutStatus, Severity};

use crate::fixture::{new_issue, noon, reason, worlds};

#[tokio::test]
async fn a_filed_issue_is_numbered_suggested_and_told() {
    for world in worlds().await {
        let first = world.file(&world.aibek, Severity::Critical).await;
        let second = world.file(&world.nazira, Severity::Low).await;
        let seen = world.see(&world.aibek, first).await.unwrap();
        let view = seen.view();
        assert_eq!((view.number.as_str(), seen.frame.reporter_name.as_str()), ("SHP-1", "Aibek"));
        let suggestion = view.suggestion.unwrap();
        assert_eq!(suggestion.amount, Money::signed(1_500_000, Currency::KZT));
        assert_eq!(suggestion.rule, "default rate, critical");
        assert_eq!(view.payout_status, PayoutStatus::Pending);
        assert_eq!((seen.issue.version, seen.issue.created_at), (1, noon()));
        assert_eq!(world.see(&world.admin, second).await.unwrap().view().number, "SHP-2");

        let events = world.events(first).await;
        assert_eq!(events.len(), 1);
        let (kind, state) = &events[0];
        assert_eq!(kind, "issue.created");
        assert_eq!((state.number.as_str(), state.version), ("SHP-1", 1));
        assert_eq!((state.filed_at, state.review), (noon(), PayoutStatus::Pending));
    }
}

#[tokio::test]
async fn an_issue_that_cannot_be_filed_changes_nothing() {
    for world in worlds().await {
        let refuse = |title: &str, status| {
            let mut new = new_issue(world.cycle, title, Severity::Low);
            new.status = status;
            world.issues.create_issue(&world.aibek, new, Answer::forgotten())
        };
        assert_eq!(reason(refuse(" ", IssueStatus::Open).await), "INVALID_FIELD");
        assert_eq!(reason(refuse(&"x".repeat(301), IssueStatus::Open).await), "INVALID_FIELD");
        assert_eq!(reason(refuse("ok", IssueStatus::Verified).await), "INVALID_FIELD");
        let lost = new_issue(quittance_kernel::CycleId::new(), "ok", Severity::Low);
        let lost = world.issues.create_issue(&world.aibek, lost, Answer::forgotten()).await;
        assert_eq!(reason(lost), "CYCLE_NOT_FOUND");
        assert_eq!(world.count("SELECT count(*) FROM issues").await, 0);
        assert_eq!(world.count("SELECT next_number FROM products").await, 1);
    }
}

#[tokio::test]
async fn an_approval_prices_triages_and_tells_once() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::High).await;
        let approved = world.approve(&world.admin, issue).await.unwrap();
        assert_eq!(approved.issue.status, IssueStatus::Triaged);
        assert_eq!(approved, world.see(&world.aibek, issue).await.unwrap());
        assert_eq!(approved.issue.review.amount(), Some(Money::signed(800_000, Currency::KZT)));
        assert_eq!(world.told(issue).await, ["issue.created", "issue.approved"]);
        let (_, state) = world.events(issue).await.pop().unwrap();
        assert_eq!(state.rule.as_deref(), Some("default rate, high"));
        assert_eq!((state.amount_minor, state.currency.as_deref()), (Some(800_000), Some("KZT")));
        assert_eq!(state.decided_by, Some(world.admin.member().0));
        assert_eq!(state.version, 2);
        let audited = "SELECT count(*) FROM audit_log WHERE action = 'issue.approved' \
                       AND event_id IS NOT NULL AND before IS NOT NULL";
        assert_eq!(world.count(audited).await, 1);

        // A second approval is refused and changes nothing.
        assert_eq!(reason(world.approve(&world.admin, issue).await), "INVALID_TRANSITION");
        assert_eq!(world.told(issue).await.len(), 2);
    }
}

#[tokio::test]
async fn a_custom_amount_must_be_payable() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::High).await;
        for minor in [0, -1, i64::MIN, i64::MAX, MAX_AMOUNT + 1] {
            let amount = Some(Money::signed(minor, Currency::USD));
            let refused = world.approve_at(&world.admin, issue, amount).await;
            assert_eq!(reason(refused), "INVALID_AMOUNT", "{minor}");
        }
        let amount = Some(Money::signed(5_000, Currency::USD));
        let approved = world.approve_at(&world.admin, issue, amount).await.unwrap();
        assert_eq!(approved.issue.review.amount(), amount);
        assert_eq!(approved.issue.review.rule(), Some("custom amount"));
    }
}

#[tokio::test]
async fn who_may_judge() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::Low).await;
        assert_eq!(reason(world.approve(&world.aibek, issue).await), "ROLE_REQUIRED");
        assert_eq!(reason(world.reject(&world.aibek, issue).await), "ROLE_REQUIRED");
        assert_eq!(reason(world.approve(&world.nazira, issue).await), "ISSUE_NOT_FOUND");
        world.approve(&world.lead, issue).await.unwrap();

        let own = world.file(&world.admin, Severity::Low).await;
        assert_eq!(reason(world.approve(&world.admin, own).await), "SELF_APPROVAL");
        let own = world.file(&world.lead, Severity::Low).await;
        assert_eq!(reason(world.approve(&world.lead, own).await), "SELF_APPROVAL");
        world.approve(&world.admin, own).await.unwrap();
    }
}

#[tokio::test]
async fn a_negative_end_rejects_the_review_in_one_change() {
    for world in worlds().await {
        for end in [
            IssueStatus::Duplicate,
            IssueStatus::Rejected,
            IssueStatus::CantReproduce,
            IssueStatus::WontFix,
        ] {
            let issue = world.file(&world.aibek, Severity::Low).await;
            world.approve(&world.admin, issue).await.unwrap();
            let ended = world.set(&world.admin, issue, end, Some("seen before")).await.unwrap();
            assert_eq!(ended.view().payout_status, PayoutStatus::Rejected);
            assert_eq!(ended, world.see(&world.admin, issue).await.unwrap());
            let (kind, state) = world.events(issue).await.pop().unwrap();
            assert_eq!((kind.as_str(), state.status), ("issue.rejected", end));
            assert_eq!((state.review, state.amount_minor), (PayoutStatus::Rejected, None));
            assert_eq!(state.reason.as_deref(), Some("seen before"));
            assert_eq!(world.told(issue).await.len(), 3);

            let reopened = world.set(&world.admin, issue, IssueStatus::Open, None).await;
            assert_eq!(reason(reopened), "INVALID_FIELD");
            let why = Some("it is another one");
            let open = world.set(&world.admin, issue, IssueStatus::Open, why).await.unwrap();
            assert_eq!(open.view().payout_status, PayoutStatus::Pending);
        }
    }
}

#[tokio::test]
async fn a_stale_version_is_refused() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::Low).await;
        let seen = |version| Target { issue, cycle: None, version };
        let set = |version| {
            let (to, answer) = (IssueStatus::Triaged, Answer::forgotten());
            world.issues.set_status(&world.admin, seen(version), to, None, answer)
        };
        assert_eq!(reason(set(2).await), "STALE_VERSION");
        assert_eq!(set(1).await.unwrap().issue.version, 2);
        let elsewhere = Target { cycle: Some(quittance_kernel::CycleId::new()), ..seen(0) };
        let answer = Answer::forgotten();
        let refused = world.issues.approve(&world.admin, elsewhere, None, None, answer).await;
        assert_eq!(reason(refused), "ISSUE_NOT_FOUND");
    }
}

#[tokio::test]
async fn sixteen_racing_approvals_leave_one() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::Low).await;
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (issues, admin) = (world.issues.clone(), world.admin.clone());
            racing.spawn(async move {
                let answer = Answer::forgotten();
                issues.approve(&admin, Target::of(issue), None, None, answer).await.is_ok()
            });
        }
        let won = racing.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1);
        assert_eq!(world.told(issue).await, ["issue.created", "issue.approved"]);
    }
}

async fn decide(world: &crate::fixture::World, issue: IssueId, verdict: Verdict) -> Outcome {
    let judgement = Judgement { issue, verdict };
    let done = world.issues.decide(&world.admin, judgement, Answer::forgotten()).await;
    done.or_else(|error| Outcome::refused(issue, error)).unwrap()
}

#[tokio::test]
async fn a_triage_decides_each_issue_by_itself() {
    for world in worlds().await {
        let good = world.file(&world.aibek, Severity::Medium).await;
        let bad = world.file(&world.aibek, Severity::Low).await;
        let own = world.file(&world.admin, Severity::Low).await;
        let approve = Verdict::Approve { amount: None };
        let amount = Some(Money::signed(300_000, Currency::KZT));
        let outcome = decide(&world, good, approve.clone()).await;
        assert_eq!(outcome.result, Ok((PayoutStatus::Approved, amount)));
        assert_eq!(world.see(&world.admin, good).await.unwrap().issue.status, IssueStatus::Triaged);

        let reject = Verdict::Reject { reason: Some("no".into()) };
        let outcome = decide(&world, bad, reject.clone()).await;
        assert_eq!(outcome.result, Ok((PayoutStatus::Rejected, None)));
        assert_eq!(world.see(&world.admin, bad).await.unwrap().issue.status, IssueStatus::Rejected);

        let code = |outcome: Outcome| outcome.result.unwrap_err().0;
        assert_eq!(code(decide(&world, own, approve.clone()).await), "SELF_APPROVAL");
        assert_eq!(code(decide(&world, good, approve.clone()).await), "INVALID_TRANSITION");
        assert_eq!(code(decide(&world, good, reject).await), "INVALID_TRANSITION");
        assert_eq!(code(decide(&world, IssueId::new(), approve).await), "ISSUE_NOT_FOUND");
    }
}

#[test]
fn a_triage_that_makes_no_sense_is_refused_as_a_whole() {
    let judgement =
        || Judgement { issue: IssueId::new(), verdict: Verdict::Approve { amount: None } };
    assert_eq!(reason(Issues::check_triage(&[])), "COUNT_OUT_OF_RANGE");
    let many: Vec<_> = (0..101).map(|_| judgement()).collect();
    assert_eq!(reason(Issues::check_triage(&many)), "COUNT_OUT_OF_RANGE");
    assert!(Issues::check_triage(&many[..100]).is_ok());
    let one = judgement();
    assert_eq!(reason(Issues::check_triage(&[one.clone(), one])), "DUPLICATE_ID");
}
