use quittance_kernel::Method;

use super::*;
use crate::domain::plan::{Filters, PlanState, Run, draw};

fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

fn policy(currency: Currency, above_minor: i64, approvers: i64) -> PayoutPolicy {
    Wanted::new(currency, above_minor, approvers).unwrap().after(None, MemberId::new(), noon())
}

fn plan(minor: i64) -> Plan {
    let run = Run::new(Filters::default(), Method::Kaspi, "MAY".to_owned()).unwrap();
    let author = MemberId::new();
    let drawn = draw(&run, &crate::domain::decision::Known::default(), author).unwrap();
    let plan = Plan::of(&run, &drawn, author, noon(), true);
    Plan { totals: vec![(Money::signed(minor, Currency::KZT), 1)], ..plan }
}

fn by(member: MemberId, digest: &str) -> Approver<'_> {
    Approver { member, is_payee: false, digest }
}

#[test]
fn a_policy_asks_above_its_amount_in_its_currency_and_the_most_counts() {
    let policies = [policy(Currency::KZT, 100, 2), policy(Currency::USD, 0, 3)];
    let asked = |sums: &[(i64, Currency)]| {
        needed(&policies, sums.iter().map(|(minor, currency)| Money::signed(*minor, *currency)))
    };
    assert_eq!(asked(&[]), 0);
    assert_eq!(asked(&[(100, Currency::KZT)]), 0);
    assert_eq!(asked(&[(101, Currency::KZT)]), 2);
    assert_eq!(asked(&[(101, Currency::KZT), (1, Currency::USD)]), 3);
    assert_eq!(asked(&[(9_999, "EUR".parse().unwrap())]), 0);
    let off = [policy(Currency::KZT, 0, 0)];
    assert!(check_unplanned(&off, std::iter::once(Money::signed(5, Currency::KZT))).is_ok());
    let refused = check_unplanned(&policies, std::iter::once(Money::signed(101, Currency::KZT)));
    assert_eq!(refused, Err(PlanError::ApprovalsRequired { needed: 2 }));
}

#[test]
fn a_policy_has_bounds() {
    for (above, approvers, field) in
        [(-1, 1, "above_minor"), (0, -1, "approvers"), (0, MAX_APPROVERS + 1, "approvers")]
    {
        let refused = Wanted::new(Currency::KZT, above, approvers);
        assert!(matches!(refused, Err(PlanError::Policy { field: named, .. }) if named == field));
    }
    let first = policy(Currency::KZT, 1, 1);
    let wanted = Wanted::new(Currency::KZT, 2, 2).unwrap();
    let next = wanted.after(Some(&first), first.updated_by, noon());
    assert_eq!((next.id, next.version, next.above_minor), (first.id, 2, 2));
}

#[test]
fn as_many_others_as_are_needed_approve_what_they_have_seen() {
    let policies = [policy(Currency::KZT, 100, 2)];
    let plan = plan(101).needing(&policies);
    let missing = |given| Err(PlanError::ApprovalsMissing { needed: 2, given });
    assert_eq!(plan.check_approved(), missing(0));
    let (one, two) = (MemberId::new(), MemberId::new());
    let digest = plan.digest.clone();
    let first = plan.approved(by(one, &digest), noon()).unwrap().unwrap();
    assert_eq!((first.version, first.check_approved()), (plan.version + 1, missing(1)));
    // Twice by the same counts once.
    assert_eq!(first.approved(by(one, &digest), noon()), Ok(None));
    let twice = first.approved(by(two, &digest), noon()).unwrap().unwrap();
    assert_eq!(twice.check_approved(), Ok(()));
    // What was approved was something else.
    let other = Plan { digest: "0".repeat(64), ..twice };
    assert_eq!(other.check_approved(), missing(0));
}

#[test]
fn neither_the_author_nor_a_payee_approves_nor_anybody_who_saw_something_else() {
    let plan = plan(1);
    let digest = plan.digest.clone();
    let refused = |by| plan.approved(by, noon()).unwrap_err();
    assert_eq!(refused(by(plan.created_by, &digest)), PlanError::OwnPlan);
    let payee = Approver { is_payee: true, ..by(MemberId::new(), &digest) };
    assert_eq!(refused(payee), PlanError::SelfPayment);
    let mismatch = PlanError::DigestMismatch { digest: digest.clone() };
    assert_eq!(refused(by(MemberId::new(), "other")), mismatch);
    let over = plan.moved(PlanState::Cancelled, None, noon());
    let late = over.approved(by(MemberId::new(), &digest), noon());
    assert_eq!(late, Err(PlanError::NotOpen(PlanState::Cancelled)));
}

#[test]
fn less_is_asked_for_only_with_a_second_admin() {
    let (first, second) = (MemberId::new(), MemberId::new());
    let at: Timestamp = "2026-05-08T12:00:00Z".parse().unwrap();
    let wanted = |above, approvers| Wanted::new(Currency::KZT, above, approvers).unwrap();
    let holds = wanted(500, 2).after(None, first, at);
    // The first policy of a currency, and whatever asks for more, holds at once.
    assert!(!wanted(500, 2).loosens(None));
    for (above, approvers) in [(500, 2), (499, 2), (500, 3), (0, 10)] {
        assert!(!wanted(above, approvers).loosens(Some(&holds)), "{above} {approvers}");
    }
    for (above, approvers) in [(501, 2), (500, 1), (0, 0), (501, 10)] {
        assert!(wanted(above, approvers).loosens(Some(&holds)), "{above} {approvers}");
    }
    let off = wanted(0, 0).after(Some(&holds), first, at);
    assert!(!wanted(900, 1).loosens(Some(&off)), "nothing is asked for as it is");

    let proposal = Proposal::new(wanted(501, 2), holds.version, first, at);
    assert_eq!(proposal.check(Some(&holds), first), Err(PlanError::OwnProposal));
    assert_eq!(proposal.check(Some(&off), second), Err(PlanError::PolicyChanged));
    assert_eq!(proposal.check(Some(&holds), second), Ok(()));
}
