use proptest::prelude::*;
use quittance_kernel::{Currency, EarningId};

use super::*;

fn price(minor: i64) -> Money {
    Money::signed(minor, Currency::KZT)
}

fn facts() -> Facts {
    Facts {
        reporter: MemberId::new(),
        cycle: CycleId::new(),
        approved: Some(price(100)),
        gate: false,
        verified: false,
        version: 5,
    }
}

fn earning(status: EarningStatus, source_version: i64) -> Earning {
    Earning {
        id: EarningId::new(),
        issue: IssueId::new(),
        cycle: CycleId::new(),
        payee: MemberId::new(),
        amount: price(70),
        status,
        version: 1,
        source_version,
        payout: None,
    }
}

fn of<'a>(facts: Option<&'a Facts>, earning: Option<&'a Earning>) -> Candidate<'a> {
    Candidate {
        issue: IssueId::new(),
        facts,
        earning,
        payer: MemberId::new(),
        payee: None,
        cycle: None,
        onboarded: true,
        cooling: false,
    }
}

#[test]
fn an_approved_issue_without_a_gate_is_payable() {
    let facts = facts();
    let candidate = of(Some(&facts), None);
    assert_eq!(eligible(&candidate), []);
    assert_eq!(candidate.price(), Some(price(100)));
}

#[test]
fn the_gate_blocks_until_verified_and_only_while_it_is_on() {
    for (gate, verified, blocked) in
        [(true, false, true), (true, true, false), (false, false, false), (false, true, false)]
    {
        let facts = Facts { gate, verified, ..facts() };
        let reasons = eligible(&of(Some(&facts), None));
        assert_eq!(reasons == [Reason::GateNotVerified], blocked, "{gate} {verified}");
    }
}

#[test]
fn the_newest_review_decides() {
    let facts = facts();
    let newer = earning(EarningStatus::Rejected, 6);
    assert_eq!(eligible(&of(Some(&facts), Some(&newer))), [Reason::NotApproved]);
    let older = earning(EarningStatus::Rejected, 4);
    assert_eq!(eligible(&of(Some(&facts), Some(&older))), []);
    let repriced = earning(EarningStatus::Approved, 6);
    assert_eq!(of(Some(&facts), Some(&repriced)).price(), Some(price(70)));
    let same = earning(EarningStatus::Approved, 5);
    assert_eq!(of(Some(&facts), Some(&same)).price(), Some(price(100)));
}

#[test]
fn every_reason_is_named_and_not_only_the_first() {
    let facts = Facts { approved: None, gate: true, ..facts() };
    let candidate =
        Candidate { payer: facts.reporter, payee: Some(MemberId::new()), ..of(Some(&facts), None) };
    let all =
        [Reason::NotApproved, Reason::GateNotVerified, Reason::PayeeMismatch, Reason::SelfPayment];
    assert_eq!(eligible(&candidate), all);
}

#[test]
fn what_is_unknown_or_elsewhere_is_only_unknown() {
    assert_eq!(eligible(&of(None, None)), [Reason::UnknownIssue]);
    let paid = earning(EarningStatus::Paid, 5);
    assert_eq!(eligible(&of(None, Some(&paid))), [Reason::UnknownIssue]);
    let facts = facts();
    let elsewhere = Candidate { cycle: Some(CycleId::new()), ..of(Some(&facts), None) };
    assert_eq!(eligible(&elsewhere), [Reason::UnknownIssue]);
    let here = Candidate { cycle: Some(facts.cycle), ..of(Some(&facts), None) };
    assert_eq!(eligible(&here), []);
}

fn status() -> impl Strategy<Value = Option<EarningStatus>> {
    proptest::option::of(proptest::sample::select(EarningStatus::ALL.to_vec()))
}

#[test]
fn what_a_payout_holds_and_whom_nobody_can_pay_is_refused() {
    let facts = facts();
    let row = Earning {
        payout: Some(quittance_kernel::PayoutId::new()),
        ..earning(EarningStatus::Approved, 5)
    };
    assert_eq!(eligible(&of(Some(&facts), Some(&row))), [Reason::AlreadyInPayout]);
    let without = Candidate { onboarded: false, ..of(Some(&facts), None) };
    assert_eq!(eligible(&without), [Reason::PayeeNotOnboarded]);
}

proptest! {
    #[test]
    fn payable_means_known_unpaid_priced_passed_and_somebody_elses(
        known: bool,
        minor in proptest::option::of(-1_i64..3),
        gate: bool,
        verified: bool,
        version in 1_i64..4,
        status in status(),
        heard in 1_i64..4,
        own: bool,
        named in proptest::option::of(any::<bool>()),
    ) {
        let facts = Facts { approved: minor.map(price), gate, verified, version, ..facts() };
        let row = status.map(|status| earning(status, heard));
        let candidate = Candidate {
            payer: if own { facts.reporter } else { MemberId::new() },
            payee: named.map(|right| if right { facts.reporter } else { MemberId::new() }),
            ..of(known.then_some(&facts), row.as_ref())
        };
        let reasons = eligible(&candidate);
        if reasons.is_empty() {
            prop_assert!(known && !own && named != Some(false));
            prop_assert!(!status.is_some_and(EarningStatus::is_settled));
            prop_assert!(!gate || verified);
            prop_assert!(candidate.price().is_some_and(|price| price.minor() > 0));
        } else {
            let mut words: Vec<_> = reasons.iter().map(|reason| reason.as_str()).collect();
            words.sort_unstable();
            words.dedup();
            prop_assert_eq!(words.len(), reasons.len());
        }
        let settled = reasons.iter().any(|r| matches!(r, Reason::AlreadyPaid | Reason::Voided));
        prop_assert_eq!(settled, known && status.is_some_and(EarningStatus::is_settled));
    }
}

#[test]
fn a_changed_account_waits_whatever_else_is_right() {
    let facts = facts();
    let waiting = Candidate { cooling: true, ..of(Some(&facts), None) };
    assert_eq!(eligible(&waiting), [Reason::AccountCoolingDown]);
    let unknown = Candidate { cooling: true, ..of(None, None) };
    assert_eq!(eligible(&unknown), [Reason::UnknownIssue]);
}
