use proptest::prelude::*;
use quittance_kernel::PayoutId;

use super::*;
use crate::domain::earning::EarningStatus;
use crate::domain::eligibility::Facts;
use crate::domain::order::{OnBlocked, Source};

fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

fn run(filters: Filters) -> Run {
    Run::new(filters, Method::Kaspi, " MAY ".to_owned()).unwrap()
}

/// One issue: its earning, and what the issues service says of it.
#[derive(Clone, Debug)]
struct Case {
    earning: Earning,
    facts: Option<Facts>,
}

fn case(payee: MemberId, minor: i64) -> Case {
    let (issue, cycle) = (IssueId::new(), CycleId::new());
    let amount = Money::signed(minor, Currency::KZT);
    let earning = Earning {
        id: EarningId::new(),
        issue,
        cycle,
        payee,
        amount,
        status: EarningStatus::Approved,
        version: 1,
        source_version: 3,
        payout: None,
    };
    let facts = Facts {
        reporter: payee,
        cycle,
        approved: Some(amount),
        gate: false,
        verified: false,
        version: 3,
    };
    Case { earning, facts: Some(facts) }
}

fn known(cases: &[Case]) -> Known {
    let facts = |case: &Case| case.facts.clone().map(|facts| (case.earning.issue, facts));
    Known {
        limits: crate::domain::limits::Limits::default(),
        facts: cases.iter().filter_map(facts).collect(),
        earnings: cases.iter().map(|case| (case.earning.issue, case.earning)).collect(),
        accounts: None,
    }
}

fn drawn(cases: &[Case]) -> Drawn {
    draw(&run(Filters::default()), &known(cases), MemberId::new()).unwrap()
}

#[test]
fn the_digest_is_over_what_is_included_and_over_all_of_it() {
    let payee = MemberId::new();
    let cases = vec![case(payee, 100), case(payee, 200)];
    let shown = drawn(&cases);
    assert_eq!(shown.digest.len(), 64);
    assert_eq!(shown.digest, drawn(&cases).digest);
    assert_ne!(shown.digest, drawn(&cases[..1]).digest);
    let mut other = cases.clone();
    other[0].earning.version += 1;
    assert_ne!(shown.digest, drawn(&other).digest);
    let mut other = cases.clone();
    other[1].facts.as_mut().unwrap().approved = Some(Money::signed(200, Currency::USD));
    assert_ne!(shown.digest, drawn(&other).digest);
    // A newer version of the issue that says the same, and an exclusion, are no difference.
    let mut other = cases;
    other[0].facts.as_mut().unwrap().version += 1;
    other.push(Case { facts: None, ..case(payee, 300) });
    assert_eq!(shown.digest, drawn(&other).digest);
}

#[test]
fn a_difference_names_what_came_what_went_and_what_changed() {
    let payee = MemberId::new();
    let cases = vec![case(payee, 100), case(payee, 200), case(payee, 300)];
    let shown = drawn(&cases);
    let mut later = cases.clone();
    later[0].facts.as_mut().unwrap().gate = true;
    later[1].facts.as_mut().unwrap().approved = Some(Money::signed(250, Currency::KZT));
    later.push(case(payee, 400));
    let now = drawn(&later);
    let difference = difference(&shown.included, &now.included);
    assert_eq!(difference.removed, [cases[0].earning.issue]);
    assert_eq!(difference.changed, [cases[1].earning.issue]);
    assert_eq!(difference.added, [later[3].earning.issue]);
    assert_eq!(now.excluded[0].reasons, ["gate_not_verified"]);
}

#[test]
fn a_price_that_moved_to_another_currency_leaves_a_run_over_one_currency() {
    let mut moved = case(MemberId::new(), 100);
    moved.facts.as_mut().unwrap().approved = Some(Money::signed(100, Currency::USD));
    let filters = Filters { currency: Some(Currency::KZT), ..Filters::default() };
    let drawn = draw(&run(filters), &known(&[moved]), MemberId::new()).unwrap();
    assert!(drawn.included.is_empty() && drawn.settlement.batch.is_none());
    assert_eq!(drawn.excluded[0].reasons, ["currency_mismatch"]);
}

#[test]
fn a_plan_can_be_committed_for_a_day_and_while_it_is_open() {
    let run = run(Filters::default());
    assert_eq!(run.reference, "MAY");
    let drawn = drawn(&[case(MemberId::new(), 100)]);
    let plan = Plan::of(&run, &drawn, MemberId::new(), noon(), true);
    assert_eq!((plan.state, plan.batch), (PlanState::Open, None));
    let last = noon() + LIFETIME - TimeDelta::microseconds(1);
    assert_eq!(plan.check_open(last), Ok(()));
    assert_eq!(plan.check_open(noon() + LIFETIME), Err(PlanError::Expired));
    assert_eq!(plan.run().unwrap(), run);
    for state in PlanState::ALL {
        let moved = plan.moved(state, None, noon());
        assert_eq!(moved.version, 2);
        assert_eq!(moved.check_open(noon()).is_ok(), state == PlanState::Open);
    }
    let paid = Plan::of(&run, &drawn, MemberId::new(), noon(), false);
    assert_eq!((paid.state, paid.batch), (PlanState::Committed, drawn.settlement.batch));
    assert!(paid.batch.is_some());
}

#[test]
fn a_run_is_checked_before_anything_is_read() {
    let refused = Run::new(Filters::default(), Method::Stripe, "R".to_owned());
    assert!(matches!(refused, Err(OrderError::NotManual { .. })));
    let refused = Run::new(Filters::default(), Method::Cash, "  ".to_owned());
    assert!(matches!(refused, Err(OrderError::Reference { .. })));
    let period = |start, end| run(Filters { start, end, ..Filters::default() }).check_period();
    assert_eq!(period(Some(noon()), Some(noon())), Err(PlanError::Period));
    assert_eq!(period(Some(noon()), Some(noon() + LIFETIME)), Ok(()));
    assert_eq!(period(None, Some(noon())), Ok(()));
}

#[test]
fn a_run_drawn_in_pieces_reads_as_one_that_is_drawn_whole() {
    let payee = MemberId::new();
    let mut cases: Vec<Case> = (1..=50).map(|minor| case(payee, minor)).collect();
    cases.sort_unstable_by_key(|case| case.earning.id);
    for place in [0, 7, 8, 49] {
        cases[place].facts.as_mut().unwrap().gate = true;
    }
    let whole = drawn(&cases);
    let (mut digester, mut found) = (Digester::default(), Lines::default());
    for piece in cases.chunks(8) {
        let piece = lines(&run(Filters::default()), &known(piece), MemberId::new());
        piece.included.iter().for_each(|item| digester.item(item));
        found.included.extend(piece.included);
        found.excluded.extend(piece.excluded);
    }
    assert_eq!((found.included, found.excluded), (whole.included, whole.excluded));
    assert_eq!(digester.finish(), whole.digest);
}

fn any_case(payees: Vec<MemberId>) -> impl Strategy<Value = Case> {
    let status = prop::sample::select(EarningStatus::ALL.to_vec());
    let parts = (0..payees.len(), 1_i64..5, status, any::<[bool; 5]>(), 1_i64..5, 1_i64..5);
    parts.prop_map(move |(payee, minor, status, flags, version, heard)| {
        let mut case = case(payees[payee], minor);
        case.earning.status = status;
        case.earning.source_version = heard;
        case.earning.payout = (status == EarningStatus::Paid).then(PayoutId::new);
        let mut facts = case.facts.take().unwrap();
        (facts.gate, facts.verified, facts.version) = (flags[0], flags[1], version);
        facts.approved = facts.approved.filter(|_| flags[2] || flags[3]);
        case.facts = (flags[4] || flags[2]).then_some(facts);
        case
    })
}

proptest! {
    /// Rule 4: on the same facts all ways of paying decide alike, about each issue.
    #[test]
    fn all_ways_of_paying_decide_alike(
        cases in Just(vec![MemberId::new(), MemberId::new(), MemberId::new()])
            .prop_flat_map(|payees| {
                let cases = prop::collection::vec(any_case(payees.clone()), 1..20);
                (cases, Just(payees))
            })
    ) {
        let (cases, payees) = cases;
        let (payer, known) = (payees[0], known(&cases));
        let group = |issues: Vec<IssueId>| Group {
            payee: None,
            issues,
            method: Method::Kaspi,
            reference: "R".to_owned(),
        };
        let all = cases.iter().map(|case| case.earning.issue).collect();
        let batch = Order::batch(vec![group(all)], OnBlocked::Skip).unwrap();
        let batch = decide(&batch, &known, payer);
        // A dry run and the run that pays are the same drawing.
        let run = draw(&run(Filters::default()), &known, payer).unwrap();
        prop_assert_eq!(run.settlement.source, Source::RunBatch);
        for case in &cases {
            let issue = case.earning.issue;
            let single = Order::single(group(vec![issue]), None).unwrap();
            let single = decide(&single, &known, payer);
            let reasons = |excluded: &[Excluded]| {
                let found = excluded.iter().find(|excluded| excluded.issue == issue);
                found.map(|excluded| excluded.reasons.clone())
            };
            let paid = single.payable.first().map(|paid| paid.amount);
            let in_batch = batch.payable.iter().find(|paid| paid.issue == issue);
            let in_run = run.included.iter().find(|item| item.issue == issue);
            prop_assert_eq!(in_batch.map(|paid| paid.amount), paid);
            prop_assert_eq!(in_run.map(|item| item.amount), paid);
            prop_assert_eq!(reasons(&batch.excluded), reasons(&single.excluded));
            prop_assert_eq!(reasons(&run.settlement.excluded), reasons(&single.excluded));
        }
    }
}

#[test]
fn a_sum_below_the_minimum_of_its_currency_and_method_is_left_out_as_a_whole() {
    let (aibek, madina) = (MemberId::new(), MemberId::new());
    let cases = [case(aibek, 300), case(aibek, 200), case(madina, 499)];
    let with = |method, minor| {
        let mut known = known(&cases);
        known.limits.minimums.insert((Currency::KZT, method), minor);
        draw(&run(Filters::default()), &known, MemberId::new()).unwrap()
    };
    let reasons = |drawn: &Drawn| -> Vec<Vec<String>> {
        drawn.excluded.iter().map(|item| item.reasons.clone()).collect()
    };
    let reached = with(Method::Kaspi, 500);
    assert_eq!(reached.included.len(), 2);
    assert!(reached.included.iter().all(|item| item.payee == aibek));
    assert_eq!(reasons(&reached), [["below_minimum"]]);
    assert_eq!(reasons(&with(Method::Kaspi, 501)).len(), 3);
    assert!(reasons(&with(Method::Bank, 501)).is_empty(), "the run pays by another method");
}
