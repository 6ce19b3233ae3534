use proptest::prelude::*;
use quittance_kernel::{
    CycleId, IssueStatus, Method, OrganizationId, PayoutStatus, Severity, Timestamp,
};
use uuid::Uuid;

use super::account::Owner;
use super::*;
use crate::domain::{EarningState, Filing, Payment};

fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

fn member() -> MemberId {
    MemberId(Uuid::from_u128(7))
}

fn tenge(minor: i64) -> Money {
    Money::signed(minor, Currency::KZT)
}

fn earning(version: i64, minor: i64, state: EarningState) -> Earning {
    let cycle = CycleId(Uuid::from_u128(1));
    Earning { version, payee: member(), cycle, amount: tenge(minor), state }
}

fn payment(method: Method) -> Payment {
    Payment { at: noon(), method: Some(method), reference: None }
}

fn line(earning: Earning) -> Line {
    Line { filing: None, earning: Some(earning) }
}

fn book() -> Book {
    let organization = OrganizationId(Uuid::from_u128(9));
    Book { organization, ordinal: 0, hash: GENESIS, accounts: BTreeMap::new() }
}

fn texts(transfers: &[Transfer]) -> Vec<String> {
    let text = |t: &Transfer| format!("{} <- {} {}", t.debit, t.credit, t.minor);
    transfers.iter().map(text).collect()
}

const PAYEE: &str = "00000000-0000-0000-0000-000000000007";

#[test]
fn what_is_approved_is_payable_and_what_is_paid_has_left_by_its_rail() {
    let none = Line::default().position().unwrap();
    let owed = line(earning(1, 800, EarningState::Approved)).position().unwrap();
    let paid = line(earning(2, 800, EarningState::Paid(payment(Method::Kaspi))));
    let paid = paid.position().unwrap();
    let payable = format!("payable:{PAYEE}:KZT");

    assert_eq!(
        texts(&none.to(&owed).unwrap()),
        [format!("payer_due:organization:KZT <- {payable} 800")]
    );
    assert_eq!(texts(&owed.to(&paid).unwrap()), [format!("{payable} <- rail:kaspi:KZT 800")]);
    assert_eq!(paid.to(&paid).unwrap(), []);
}

#[test]
fn a_void_is_owed_back_and_what_is_kept_back_is_owed_no_more() {
    let void = |receivable| {
        let payment = Some(payment(Method::Bank));
        line(earning(3, 800, EarningState::Void { at: noon(), payment, receivable }))
    };
    let paid = line(earning(2, 800, EarningState::Paid(payment(Method::Bank))));
    let (paid, all) = (paid.position().unwrap(), void(800).position().unwrap());
    let some = void(300).position().unwrap();
    let receivable = format!("receivable:{PAYEE}:KZT");

    assert_eq!(
        texts(&paid.to(&all).unwrap()),
        [format!("{receivable} <- payer_due:organization:KZT 800")]
    );
    assert_eq!(texts(&all.to(&some).unwrap()), [format!("rail:bank:KZT <- {receivable} 500")]);
}

#[test]
fn money_with_a_provider_is_in_transit_until_it_answers() {
    let source = |stage| Source {
        version: 1,
        stage,
        payee: member(),
        amount: tenge(500),
        method: Some(Method::Stripe),
    };
    let under_way = source(Stage::InTransit).position().unwrap();
    let none = source(Stage::None).position().unwrap();
    let away = format!("payable:{PAYEE}:KZT <- in_transit:{PAYEE}:KZT 500");
    let back = format!("in_transit:{PAYEE}:KZT <- payable:{PAYEE}:KZT 500");
    assert_eq!(texts(&none.to(&under_way).unwrap()), [away]);
    assert_eq!(texts(&under_way.to(&none).unwrap()), [back]);
}

#[test]
fn an_older_word_on_a_payout_changes_nothing() {
    let source =
        |version, stage| Source { version, stage, payee: member(), amount: tenge(1), method: None };
    let new = source(2, Stage::None);
    assert_eq!(Source::or_newer(Some(new), source(1, Stage::InTransit)), new);
    assert_eq!(Source::or_newer(Some(new), source(2, Stage::InTransit)), new);
    assert_eq!(Source::or_newer(None, new), new);
}

#[test]
fn every_account_reads_back_from_its_text() {
    let owners = [
        Owner::Organization,
        Owner::Member(member()),
        Owner::Rail(None),
        Owner::Rail(Some(Method::Stripe)),
    ];
    for kind in AccountKind::ALL {
        for owner in owners {
            let account = Account { kind: *kind, owner, currency: Currency::USD };
            assert_eq!(account.to_string().parse(), Ok(account));
        }
    }
    for text in ["", "payable", "payable:x:KZT", "payable:organization:tenge", "rail:kaspi:KZT:"] {
        assert!(text.parse::<Account>().is_err(), "{text}");
    }
}

#[test]
fn what_does_not_sum_to_zero_is_not_posted() {
    let mut wrong = Position::default();
    wrong.add(Account::rail(None, Currency::KZT), 1).unwrap();
    let refused = Position::default().to(&wrong);
    assert_eq!(refused, Err(LedgerError::Unbalanced(Currency::KZT)));
}

#[test]
fn a_balance_that_cannot_be_counted_is_refused() {
    let most = line(earning(1, i64::MAX, EarningState::Approved)).position().unwrap();
    let transfers = Position::default().to(&most).unwrap();
    let mut book = book();
    let posting = |version| Posting {
        source: Uuid::nil(),
        version,
        event: Uuid::nil(),
        kind: "earning.approved".into(),
        occurred_at: noon(),
        transfers: transfers.clone(),
    };
    book.post(&posting(1), noon()).unwrap();
    assert_eq!(book.post(&posting(2), noon()), Err(LedgerError::OutOfRange));
}

#[test]
fn every_part_of_an_entry_and_the_hash_before_it_change_its_hash() {
    let owed = line(earning(1, 800, EarningState::Approved)).position().unwrap();
    let posting = Posting {
        source: Uuid::nil(),
        version: 1,
        event: Uuid::nil(),
        kind: "earning.approved".into(),
        occurred_at: noon(),
        transfers: Position::default().to(&owed).unwrap(),
    };
    let (entry, _, hash) = book().post(&posting, noon()).unwrap().remove(0);
    let mut changed = vec![entry.clone(); 14];
    changed[0].organization = OrganizationId(Uuid::nil());
    changed[1].ordinal = 2;
    changed[2].source = Uuid::max();
    changed[3].version = 2;
    changed[4].part = 1;
    changed[5].event = Uuid::max();
    changed[6].kind = "earning.returned".into();
    changed[7].occurred_at = noon() + chrono::TimeDelta::microseconds(1);
    changed[8].posted_at = noon() + chrono::TimeDelta::microseconds(1);
    changed[9].transfer.minor = 801;
    changed[10].transfer.debit = entry.transfer.credit;
    changed[11].transfer.credit = entry.transfer.debit;
    changed[12].debit_balance = 1;
    changed[13].credit_balance = 1;
    let mut hashes: Vec<Hash> = changed.iter().map(|entry| entry.hash(&GENESIS)).collect();
    hashes.extend([hash, entry.hash(&[1; 32])]);
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 16);
}

fn states() -> impl Strategy<Value = EarningState> {
    prop_oneof![
        Just(EarningState::Pending),
        Just(EarningState::Approved),
        Just(EarningState::Rejected),
        Just(EarningState::Paid(payment(Method::Kaspi))),
        Just(EarningState::Paid(payment(Method::Bank))),
        (0_i64..9).prop_map(|receivable| EarningState::Void {
            at: noon(),
            payment: Some(payment(Method::Kaspi)),
            receivable,
        }),
    ]
}

prop_compose! {
    fn lines()(state in states(), minor in 9_i64..99, review in 0_usize..4) -> Line {
        let reviews = [PayoutStatus::Pending, PayoutStatus::Approved, PayoutStatus::Rejected];
        let filing = reviews.get(review).map(|review| Filing {
            version: 1,
            reporter: MemberId(Uuid::from_u128(8)),
            cycle: CycleId(Uuid::from_u128(1)),
            title: String::new(),
            severity: Severity::High,
            status: IssueStatus::Open,
            review: *review,
            price: (*review == PayoutStatus::Approved).then(|| Money::signed(minor, Currency::USD)),
            rule: None,
            filed_at: noon(),
        });
        Line { filing, earning: Some(earning(1, minor, state)) }
    }
}

proptest! {
    /// Whatever a source goes through, the book holds its last position, sums to zero, and says
    /// the same of pending and receivable as the balance.
    #[test]
    fn entries_telescope_to_the_last_position(lines in prop::collection::vec(lines(), 1..9)) {
        let (mut book, mut before) = (book(), Position::default());
        for (version, line) in (1..).zip(&lines) {
            let after = line.position().unwrap();
            let transfers = before.to(&after).unwrap();
            prop_assert!(transfers.iter().all(|transfer| 0 < transfer.minor));
            let posting = Posting {
                source: Uuid::nil(),
                version,
                event: Uuid::nil(),
                kind: String::new(),
                occurred_at: noon(),
                transfers,
            };
            book.post(&posting, noon()).unwrap();
            before = after;
        }
        let held: BTreeMap<Account, i64> = book
            .accounts
            .iter()
            .filter(|(_, standing)| standing.balance != 0)
            .map(|(account, standing)| (*account, standing.balance))
            .collect();
        let expected: BTreeMap<Account, i64> =
            before.0.into_iter().filter(|(_, minor)| *minor != 0).collect();
        prop_assert_eq!(&held, &expected);
        for currency in [Currency::KZT, Currency::USD] {
            let of = |kind| -> i64 {
                let here = |a: &Account| a.currency == currency && a.kind == kind;
                held.iter().filter(|(a, _)| here(a)).map(|(_, minor)| minor).sum()
            };
            let all: i64 = held.iter().filter(|(a, _)| a.currency == currency).map(|x| x.1).sum();
            prop_assert_eq!(all, 0);
            let money = lines.last().and_then(|line| line.contribution().money);
            let sums = money.filter(|money| money.2 == currency).map(|money| money.3);
            let sums = sums.unwrap_or_default();
            prop_assert_eq!(-of(AccountKind::Payable), sums.pending);
            prop_assert_eq!(of(AccountKind::Receivable), sums.receivable);
        }
    }
}
