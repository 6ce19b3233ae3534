//! The verification gate (S1), as far as the issues service is concerned.

use quittance_issues::app::{Answer, CyclePatch, ProductPatch};
use quittance_issues::domain::gate::GateSource;
use quittance_issues::domain::view::StageState;
use quittance_kernel::{Currency, IssueStatus, Money, PayoutStatus, Severity};

use crate::fixture::{World, noon, reason, worlds};

async fn product_gate(world: &World, required: bool) {
    let patch = ProductPatch { requires_verification: Some(required), ..ProductPatch::default() };
    let answer = Answer::forgotten();
    world.issues.update_product(&world.admin, world.product, patch, answer).await.unwrap();
}

async fn cycle_gate(world: &World, setting: Option<bool>) {
    let patch = CyclePatch { requires_verification: Some(setting), ..CyclePatch::default() };
    let answer = Answer::forgotten();
    world.issues.update_cycle(&world.admin, world.cycle, patch, answer).await.unwrap();
}

#[tokio::test]
async fn an_approved_issue_behind_a_gate_waits_for_its_verification() {
    for world in worlds().await {
        product_gate(&world, true).await;
        let issue = world.file(&world.aibek, Severity::High).await;
        let view = world.approve(&world.admin, issue).await.unwrap().view();
        assert_eq!((view.payable, view.blocked_by), (false, vec!["gate_not_verified"]));
        assert_eq!((view.gate.required, view.gate.source), (true, GateSource::Product));
        let states: Vec<_> = view.pipeline.iter().map(|stage| (stage.key, stage.state)).collect();
        assert_eq!(
            states,
            [
                ("triaged", StageState::Done),
                ("exported", StageState::Todo),
                ("fix_shipped", StageState::Todo),
                ("verified", StageState::Next),
                ("paid", StageState::Todo),
            ]
        );

        let verified = world.set(&world.lead, issue, IssueStatus::Verified, None).await.unwrap();
        assert!(verified.view().payable);
        let known = verified.issue.verification.clone().unwrap();
        assert_eq!((known.by, known.at), (world.lead.member(), noon()));
        let (kind, state) = world.events(issue).await.pop().unwrap();
        assert_eq!(kind, "issue.verified");
        assert_eq!(state.verified_by, Some(world.lead.member().0));
        assert_eq!((state.cycle_id, state.resolved_at), (world.cycle.0, Some(noon())));
    }
}

#[tokio::test]
async fn reverting_a_verification_blocks_the_payment_again() {
    for world in worlds().await {
        cycle_gate(&world, Some(true)).await;
        for to in [IssueStatus::Triaged, IssueStatus::InProgress] {
            let issue = world.file(&world.aibek, Severity::High).await;
            world.approve(&world.admin, issue).await.unwrap();
            world.set(&world.admin, issue, IssueStatus::Verified, None).await.unwrap();
            let reverted = world.set(&world.admin, issue, to, None).await.unwrap();
            assert_eq!(reverted.view().blocked_by, ["gate_not_verified"]);
            assert_eq!(reverted.issue.verification, None);
            let (kind, state) = world.events(issue).await.pop().unwrap();
            assert_eq!((kind.as_str(), state.reverted_to_status), ("issue.unverified", Some(to)));
            assert_eq!((state.verified_by, state.resolved_at), (None, None));
            assert_eq!(reverted, world.see(&world.admin, issue).await.unwrap());
        }
    }
}

#[tokio::test]
async fn the_cycle_beats_the_product_and_a_switch_acts_at_once() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::High).await;
        world.approve(&world.admin, issue).await.unwrap();
        let cases = [
            (false, None, true, GateSource::Product),
            (true, None, false, GateSource::Product),
            (true, Some(false), true, GateSource::Cycle),
            (false, Some(true), false, GateSource::Cycle),
        ];
        for (product, cycle, payable, source) in cases {
            product_gate(&world, product).await;
            cycle_gate(&world, cycle).await;
            let view = world.see(&world.admin, issue).await.unwrap().view();
            assert_eq!((view.payable, view.gate.source), (payable, source));
            let facts = world.issues.pay_facts(&world.admin, &[issue]).await.unwrap();
            assert_eq!((facts[0].gate, facts[0].verified), (!payable, false));
            assert_eq!(view.pipeline.len(), if payable { 3 } else { 5 });
        }
    }
}

#[tokio::test]
async fn verifying_an_undecided_issue_is_allowed_and_does_not_make_it_payable() {
    for world in worlds().await {
        let issue = world.file(&world.aibek, Severity::High).await;
        let early = world.set(&world.admin, issue, IssueStatus::Verified, None).await;
        assert_eq!(reason(early), "INVALID_TRANSITION");
        world.set(&world.lead, issue, IssueStatus::Triaged, None).await.unwrap();
        let verified = world.set(&world.lead, issue, IssueStatus::Verified, None).await.unwrap();
        assert_eq!(verified.view().blocked_by, ["not_approved"]);
        let approved = world.approve(&world.admin, issue).await.unwrap();
        assert_eq!(approved.issue.status, IssueStatus::Verified);
        assert!(approved.view().payable);
        let refused = world.set(&world.aibek, issue, IssueStatus::Closed, None).await;
        assert_eq!(reason(refused), "ROLE_REQUIRED");
    }
}

#[tokio::test]
async fn a_preview_tells_what_a_switch_would_do() {
    for world in worlds().await {
        let unverified = world.file(&world.aibek, Severity::High).await;
        let dollars = world.file(&world.aibek, Severity::Low).await;
        let verified = world.file(&world.aibek, Severity::Low).await;
        world.file(&world.aibek, Severity::Critical).await;
        world.approve(&world.admin, unverified).await.unwrap();
        let amount = Some(Money::signed(700, Currency::USD));
        world.approve_at(&world.admin, dollars, amount).await.unwrap();
        world.approve(&world.admin, verified).await.unwrap();
        world.set(&world.admin, verified, IssueStatus::Verified, None).await.unwrap();

        let preview = |setting| world.issues.preview_gate(&world.lead, world.cycle, setting);
        let on = preview(Some(true)).await.unwrap();
        assert!(on.effective && on.becomes_payable.is_empty());
        let sums: Vec<_> =
            on.becomes_blocked.iter().map(|total| (total.sum.to_string(), total.count)).collect();
        assert_eq!(sums, [("8000.00 KZT".to_owned(), 1), ("7.00 USD".to_owned(), 1)]);
        assert!(preview(None).await.unwrap().becomes_blocked.is_empty());
        cycle_gate(&world, Some(true)).await;
        let off = preview(None).await.unwrap();
        assert!(!off.effective && off.becomes_blocked.is_empty());
        assert_eq!(off.becomes_payable, on.becomes_blocked);

        let totals = world.issues.cycle_totals(&world.lead, world.cycle).await.unwrap();
        assert_eq!(totals.approved_unpaid[0].sum.minor(), 900_000);
        assert_eq!((totals.paid.len(), &totals.committed), (0, &totals.approved_unpaid));
        let view = world.see(&world.admin, verified).await.unwrap().view();
        assert_eq!(view.payout_status, PayoutStatus::Approved);
    }
}
