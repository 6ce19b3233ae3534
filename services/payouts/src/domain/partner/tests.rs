use super::*;

fn payout(state: PayoutState, source: Source) -> PartnerPayout {
    let usd = "USD".parse().unwrap();
    let new = NewPayout::of(MemberId::new(), "Acme".to_owned(), Money::signed(500, usd), source);
    let mut payout = new.created(MemberId::new(), noon());
    payout.payout.state = state;
    payout
}

fn noon() -> Timestamp {
    "2026-02-09T12:00:00Z".parse().unwrap()
}

fn steps() -> [Step; 3] {
    let paid = Step::mark_paid(Method::Ach, "ACH-1").unwrap();
    [Step::Approve, Step::reject("wrong amount").unwrap(), paid]
}

#[test]
fn a_partner_payout_takes_its_own_steps_and_no_other() {
    for state in PayoutState::ALL {
        for step in steps() {
            let before = payout(*state, Source::Manual);
            let taken = step.take(&before, MemberId::new(), noon());
            if *state == step.from() {
                assert_eq!(taken.unwrap().payout.state, step.to());
            } else {
                assert!(matches!(taken, Err(PartnerError::Transition { .. })), "{state:?}");
            }
        }
    }
    let issue = payout(PayoutState::PendingApproval, Source::Issue);
    assert!(Step::Approve.take(&issue, MemberId::new(), noon()).is_err());
}

#[test]
fn nobody_approves_or_pays_their_own_payout() {
    let [approve, reject, pay] = steps();
    let pending = payout(PayoutState::PendingApproval, Source::Commission);
    let own = Err(PartnerError::SelfApproval(pending.payout.id));
    assert_eq!(approve.take(&pending, pending.payout.payee, noon()), own);
    assert!(reject.take(&pending, pending.payout.payee, noon()).is_ok());
    let approved = payout(PayoutState::Approved, Source::Commission);
    assert!(pay.take(&approved, approved.payout.payee, noon()).is_err());
}

#[test]
fn a_period_is_a_month_or_a_quarter() {
    for (text, end) in [
        ("2026-02", "2026-03-01T00:00:00Z"),
        ("2026-12", "2027-01-01T00:00:00Z"),
        ("2026-Q1", "2026-04-01T00:00:00Z"),
        ("2026-Q4", "2027-01-01T00:00:00Z"),
    ] {
        let end: Timestamp = end.parse().unwrap();
        assert_eq!(Period::parse(text).unwrap().end, end, "{text}");
    }
    for bad in
        ["", "2026", "2026-13", "2026-00", "2026-Q5", "2026-Q0", "26-0002", "2026-+2", "+026-02"]
    {
        assert!(Period::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_rejection_says_why_and_a_payment_names_its_reference() {
    assert!(Step::reject("  ").is_err());
    assert!(Step::mark_paid(Method::Bank, " ").is_err());
    assert_eq!(Step::mark_paid(Method::Stripe, "x"), Err(PartnerError::NotManual(Method::Stripe)));
}

#[test]
fn a_bulk_names_one_to_a_hundred_payouts_each_once() {
    let id = PayoutId::new();
    assert_eq!(check_bulk(&[]), Err(PartnerError::Count));
    assert_eq!(check_bulk(&[id, id]), Err(PartnerError::Twice(id)));
    let many: Vec<_> = (0..101).map(|_| PayoutId::new()).collect();
    assert_eq!(check_bulk(&many), Err(PartnerError::Count));
    assert_eq!(check_bulk(&many[1..]), Ok(()));
}
