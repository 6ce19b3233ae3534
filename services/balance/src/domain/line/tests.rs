use proptest::prelude::*;
use quittance_kernel::OrganizationId;
use uuid::Uuid;

use super::*;
use crate::domain::Differences;

fn member(n: u128) -> MemberId {
    MemberId(Uuid::from_u128(n))
}

fn cycle(n: u128) -> CycleId {
    CycleId(Uuid::from_u128(n))
}

fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

fn tenge(minor: i64) -> Money {
    Money::signed(minor, Currency::KZT)
}

fn filing(version: i64, review: PayoutStatus) -> Filing {
    let price = (review == PayoutStatus::Approved).then(|| tenge(800_000));
    Filing {
        version,
        reporter: member(1),
        cycle: cycle(1),
        title: "Payment fails".into(),
        severity: Severity::High,
        status: IssueStatus::Open,
        review,
        price,
        rule: None,
        filed_at: noon(),
    }
}

fn payment() -> Payment {
    Payment { at: noon(), method: Some(Method::Kaspi), reference: Some("K-1".into()) }
}

fn earning(version: i64, state: EarningState) -> Earning {
    Earning { version, payee: member(1), cycle: cycle(1), amount: tenge(800_000), state }
}

fn line(filing: Option<Filing>, earning: Option<Earning>) -> Line {
    Line { filing, earning }
}

fn counts(line: &Line) -> Counts {
    line.contribution().counts.map(|(_, _, counts)| counts).unwrap_or_default()
}

fn sums(line: &Line) -> Sums {
    line.contribution().money.map(|(_, _, _, sums)| sums).unwrap_or_default()
}

#[test]
fn a_draft_is_not_filed() {
    let draft = Filing { status: IssueStatus::Draft, ..filing(1, PayoutStatus::Pending) };
    assert_eq!(line(Some(draft), None).contribution(), Contribution::default());
}

#[test]
fn an_undecided_issue_awaits_by_its_severity() {
    let line = line(Some(filing(1, PayoutStatus::Pending)), None);
    assert_eq!(counts(&line), Counts { issues: 1, pending_high: 1, ..Counts::default() });
    assert_eq!(line.amount(), None);
}

#[test]
fn an_approved_issue_is_pending_and_a_paid_one_earned() {
    let approved = filing(2, PayoutStatus::Approved);
    let accepted = Counts { issues: 1, approved: 1, decided: 1, ..Counts::default() };

    let unpaid = line(Some(approved.clone()), Some(earning(1, EarningState::Approved)));
    let paid = line(Some(approved), Some(earning(2, EarningState::Paid(payment()))));

    assert_eq!(counts(&unpaid), accepted);
    assert_eq!(sums(&unpaid), Sums { pending: 800_000, pending_count: 1, ..Sums::default() });
    assert_eq!(counts(&paid), Counts { paid: 1, ..accepted });
    assert_eq!(sums(&paid), Sums { earned: 800_000, earned_count: 1, ..Sums::default() });
}

#[test]
fn payouts_win_over_a_review_that_changed_its_mind() {
    let rejected = filing(3, PayoutStatus::Rejected);
    let line = line(Some(rejected), Some(earning(2, EarningState::Paid(payment()))));
    assert_eq!(line.payout_status(), PayoutStatus::Paid);
}

#[test]
fn a_voided_payment_is_owed_back_and_a_voided_promise_is_not() {
    let approved = Some(filing(2, PayoutStatus::Approved));
    let after = EarningState::Void { at: noon(), payment: Some(payment()), receivable: 800_000 };
    let before = EarningState::Void { at: noon(), payment: None, receivable: 0 };
    let voided = Sums { voided: 800_000, voided_count: 1, ..Sums::default() };

    let paid = line(approved.clone(), Some(earning(3, after)));
    let unpaid = line(approved, Some(earning(2, before)));

    assert_eq!(sums(&paid), Sums { receivable: 800_000, ..voided });
    assert_eq!(sums(&unpaid), voided);
    assert_eq!(counts(&paid), Counts { issues: 1, decided: 1, ..Counts::default() });
}

#[test]
fn money_that_was_returned_is_payable_again() {
    let line =
        line(Some(filing(2, PayoutStatus::Approved)), Some(earning(4, EarningState::Approved)));
    assert_eq!(sums(&line), Sums { pending: 800_000, pending_count: 1, ..Sums::default() });
}

#[test]
fn an_earning_whose_issue_is_not_known_yet_counts_its_money_alone() {
    let line = line(None, Some(earning(2, EarningState::Paid(payment()))));
    assert_eq!(line.contribution().counts, None);
    assert_eq!(sums(&line).earned, 800_000);
}

#[test]
fn differences_that_cancel_out_write_nothing() {
    let organization = OrganizationId::new();
    let (none, some) = (Line::default(), line(Some(filing(2, PayoutStatus::Approved)), None));
    let mut differences = Differences::default();
    differences.replace(organization, &none, &some).unwrap();
    differences.replace(organization, &some, &none).unwrap();
    differences.settle();
    assert_eq!(differences, Differences::default());
}

#[derive(Clone, Debug)]
enum Event {
    Issue(Filing),
    Earning(Earning),
}

fn apply(line: &mut Line, event: Event) {
    match event {
        Event::Issue(filing) => line.apply_issue(filing),
        Event::Earning(earning) => line.apply_earning(earning),
    }
}

fn states() -> impl Strategy<Value = EarningState> {
    prop_oneof![
        Just(EarningState::Pending),
        Just(EarningState::Approved),
        Just(EarningState::Rejected),
        Just(EarningState::Paid(payment())),
        Just(EarningState::Void { at: noon(), payment: Some(payment()), receivable: 800_000 }),
        Just(EarningState::Void { at: noon(), payment: None, receivable: 0 }),
    ]
}

prop_compose! {
    /// A history in its order: issue and earning versions from 1 on, with anything in them.
    fn histories()(
        filings in prop::collection::vec((0_usize..3, 0_usize..12, 0_usize..4, 1_i64..9), 0..6),
        earnings in prop::collection::vec((states(), 1_i64..9, 1_u128..3), 0..6),
    ) -> Vec<Event> {
        let reviews = [PayoutStatus::Pending, PayoutStatus::Approved, PayoutStatus::Rejected];
        let issues = (1..).zip(filings).map(|(version, (review, status, severity, minor))| {
            let mut filing = filing(version, reviews[review]);
            filing.status = IssueStatus::ALL[status];
            filing.severity = Severity::ALL[severity];
            filing.price = filing.price.map(|_| tenge(minor));
            Event::Issue(filing)
        });
        let earnings = (1..).zip(earnings).map(|(version, (state, minor, payee))| {
            let (payee, amount) = (member(payee), tenge(minor));
            Event::Earning(Earning { payee, amount, ..earning(version, state) })
        });
        issues.chain(earnings).collect()
    }
}

proptest! {
    #[test]
    fn neither_order_nor_repetition_of_events_matters(
        (history, shuffled) in histories().prop_flat_map(|history| {
            let twice = [history.clone(), history.clone()].concat();
            (Just(history), Just(twice).prop_shuffle())
        })
    ) {
        let organization = OrganizationId(Uuid::nil());
        let (mut expected, mut line) = (Line::default(), Line::default());
        for event in history {
            apply(&mut expected, event);
        }
        let mut kept = Differences::default();
        for event in shuffled {
            let before = line.clone();
            apply(&mut line, event);
            kept.replace(organization, &before, &line).unwrap();
        }
        let mut truth = Differences::default();
        truth.replace(organization, &Line::default(), &expected).unwrap();
        kept.settle();
        truth.settle();

        prop_assert_eq!(&line, &expected);
        prop_assert_eq!(kept.by_member(), truth.by_member());
        prop_assert_eq!(kept, truth);
    }
}
