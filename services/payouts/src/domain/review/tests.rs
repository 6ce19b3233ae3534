use proptest::prelude::*;
use quittance_kernel::{Currency, PayoutId};

use super::*;

fn review(issue: IssueId, version: i64, decision: Decision) -> Review {
    Review { issue, cycle: CycleId::new(), payee: MemberId::new(), version, decision }
}

fn approved(minor: i64) -> Decision {
    Decision::Approved(Money::signed(minor, Currency::KZT))
}

/// What a database would hold after the step.
fn write(before: Standing, step: Option<Step>) -> Standing {
    match step {
        None => before,
        Some(Step::Open(earning)) => Standing { earning: Some(earning), ..before },
        Some(Step::Change { earning, .. }) => {
            let version = earning.version + 1;
            Standing { earning: Some(Earning { version, ..earning }), ..before }
        }
        Some(Step::Refresh { source_version, .. }) => Standing {
            earning: before.earning.map(|earning| Earning { source_version, ..earning }),
            ..before
        },
        Some(Step::Remember { version, .. }) => Standing { rejected: version, ..before },
    }
}

fn hear(before: Standing, issue: IssueId, reviews: Vec<Review>) -> (Standing, Option<Step>) {
    let after = fold(before, reviews);
    let step = step(&before, after, issue);
    (write(before, step), step)
}

#[test]
fn an_approval_opens_an_earning_and_a_rejection_closes_it() {
    let issue = IssueId::new();
    let (open, step) = hear(Standing::default(), issue, vec![review(issue, 2, approved(5))]);
    assert!(matches!(step, Some(Step::Open(earning)) if earning.version == 1));
    let (_, step) = hear(open, issue, vec![review(issue, 2, approved(5))]);
    assert_eq!(step, None);
    let (open, step) = hear(open, issue, vec![review(issue, 3, approved(5))]);
    assert!(matches!(step, Some(Step::Refresh { source_version: 3, .. })));
    let (closed, step) = hear(open, issue, vec![review(issue, 4, Decision::Pending)]);
    assert!(matches!(step, Some(Step::Change { was: EarningStatus::Approved, .. })));
    assert_eq!(closed.earning.map(|e| (e.status, e.version)), Some((EarningStatus::Rejected, 2)));
}

#[test]
fn facts_from_payouts_win() {
    let issue = IssueId::new();
    for status in [EarningStatus::Paid, EarningStatus::Void] {
        let owed = owed(&review(issue, 2, approved(5)), Money::signed(5, Currency::KZT));
        let paid = Earning { status, payout: Some(PayoutId::new()), ..owed };
        let before = Standing { earning: Some(paid), rejected: 0 };
        for decision in [Decision::Rejected, Decision::Pending, approved(9)] {
            let after = hear(before, issue, vec![review(issue, 9, decision)]);
            assert_eq!(after, (before, None));
        }
    }
}

#[test]
fn an_approval_that_comes_after_its_own_rejection_does_not_revive() {
    let issue = IssueId::new();
    let (known, step) =
        hear(Standing::default(), issue, vec![review(issue, 4, Decision::Rejected)]);
    assert_eq!(step, Some(Step::Remember { issue, version: 4 }));
    let (known, step) = hear(known, issue, vec![review(issue, 3, approved(5))]);
    assert_eq!(step, None);
    let (_, step) = hear(known, issue, vec![review(issue, 6, approved(5))]);
    assert!(matches!(step, Some(Step::Open(_))));
}

#[test]
fn an_issue_that_was_only_filed_leaves_nothing() {
    let issue = IssueId::new();
    let (known, step) = hear(Standing::default(), issue, vec![review(issue, 1, Decision::Pending)]);
    assert_eq!((known, step), (Standing::default(), None));
}

/// A history that the review machine allows, one version after the other.
fn history() -> impl Strategy<Value = Vec<Decision>> {
    proptest::collection::vec((0_u8..4, 1_i64..4), 1..12).prop_map(|moves| {
        let mut decision = Decision::Pending;
        let mut history = vec![decision];
        for (choice, minor) in moves {
            decision = match (decision, choice) {
                (Decision::Pending, 1) => approved(minor),
                (Decision::Pending | Decision::Approved(_), 2) => Decision::Rejected,
                (Decision::Rejected, 3) => Decision::Pending,
                (same, _) => same,
            };
            history.push(decision);
        }
        history
    })
}

proptest! {
    #[test]
    fn any_order_with_any_repetition_in_any_batches_ends_the_same(
        history in history(),
        places in proptest::collection::vec(any::<proptest::sample::Index>(), 0..20),
        shuffle in any::<u64>(),
        size in 1_usize..6,
    ) {
        let issue = IssueId::new();
        let reviews: Vec<Review> =
            (1..).zip(&history).map(|(version, decision)| review(issue, version, *decision)).collect();
        let mut heard = reviews.clone();
        heard.extend(places.iter().map(|place| reviews[place.index(reviews.len())]));
        // A cheap shuffle that proptest can shrink and repeat.
        let key = |place: usize| (place as u64).wrapping_add(shuffle).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut order: Vec<usize> = (0..heard.len()).collect();
        order.sort_by_key(|place| key(*place));
        let mut known = Standing::default();
        for batch in order.chunks(size) {
            let batch = batch.iter().map(|place| heard[*place]).collect();
            known = hear(known, issue, batch).0;
        }
        let owed = known.earning.filter(|earning| earning.status == EarningStatus::Approved);
        match history.last() {
            Some(Decision::Approved(amount)) => {
                prop_assert_eq!(owed.map(|earning| earning.amount), Some(*amount));
            }
            Some(Decision::Pending | Decision::Rejected) | None => prop_assert_eq!(owed, None),
        }
    }
}
