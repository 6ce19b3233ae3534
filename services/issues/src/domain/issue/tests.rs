use proptest::prelude::*;
use quittance_kernel::{Currency, IssueStatus as S};

use super::*;

fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

fn issue(status: S) -> Issue {
    Issue {
        id: IssueId::new(),
        organization: OrganizationId::new(),
        product: ProductId::new(),
        cycle: CycleId::new(),
        reporter: MemberId::new(),
        number: 1,
        title: "Payment fails".into(),
        body: String::new(),
        severity: Severity::High,
        status,
        review: Review::Pending,
        verification: None,
        payment: None,
        duplicate_of: None,
        bounty: None,
        version: 1,
        created_at: noon(),
        updated_at: noon(),
    }
}

fn judge() -> Actor {
    Actor { member: MemberId::new(), judges: true, at: noon() }
}

fn price() -> Price {
    super::super::rates::suggest(None, Severity::High)
}

fn why() -> String {
    "because".to_owned()
}

fn payment(status: PayoutStatus) -> Payment {
    let amount = Some(Money::signed(1, Currency::KZT));
    Payment { status, payout: Some(PayoutId::new()), at: Some(noon()), amount }
}

#[test]
fn a_reporter_hands_in_a_draft_and_nothing_else() {
    let draft = issue(S::Draft);
    let reporter = Actor { member: draft.reporter, judges: false, at: noon() };
    let change = draft.clone().set_status(S::Open, reporter, None).unwrap();
    assert_eq!((change.issue.status, change.event), (S::Open, Event::Updated));
    let refused = change.issue.clone().set_status(S::Triaged, reporter, None);
    assert_eq!(refused, Err(IssueError::NotPermitted(draft.id)));
    let stranger = Actor { member: MemberId::new(), judges: false, at: noon() };
    assert_eq!(
        draft.clone().set_status(S::Open, stranger, None),
        Err(IssueError::NotPermitted(draft.id))
    );
}

#[test]
fn nobody_approves_their_own_issue() {
    let open = issue(S::Open);
    let actor = Actor { member: open.reporter, ..judge() };
    let id = open.id;
    assert_eq!(open.approve(price(), actor, None), Err(IssueError::SelfApproval(id)));
}

#[test]
fn an_approval_triages_an_open_issue_and_keeps_a_later_status() {
    let change = issue(S::Open).approve(price(), judge(), None).unwrap();
    assert_eq!((change.issue.status, change.event), (S::Triaged, Event::Approved));
    assert_eq!(change.issue.review.amount(), Some(price().amount));
    let change = issue(S::Verified).approve(price(), judge(), None).unwrap();
    assert_eq!(change.issue.status, S::Verified);
    assert!(matches!(
        issue(S::Draft).approve(price(), judge(), None),
        Err(IssueError::Transition(InvalidTransition { from: "draft", .. }))
    ));
}

#[test]
fn a_negative_end_rejects_the_review_and_drops_the_price() {
    let approved = issue(S::Open).approve(price(), judge(), None).unwrap().issue;
    let change = approved.set_status(S::Duplicate, judge(), Some(why())).unwrap();
    assert_eq!(change.event, Event::Rejected);
    assert_eq!(change.issue.review.stand(), Stand::Rejected);
    assert_eq!(change.issue.review.amount(), None);
    let id = change.issue.id;
    let refused = change.issue.clone().set_status(S::Open, judge(), None);
    assert_eq!(refused, Err(IssueError::ReasonRequired(id)));
    let change = change.issue.set_status(S::Open, judge(), Some(why())).unwrap();
    assert_eq!((change.event, change.issue.review), (Event::Updated, Review::Pending));
}

#[test]
fn verifying_sets_who_and_when_and_reverting_clears_both() {
    let who = judge();
    let change = issue(S::Triaged).set_status(S::Verified, who, None).unwrap();
    assert_eq!(change.event, Event::Verified);
    assert_eq!(change.issue.verification, Some(Verification { by: who.member, at: noon() }));
    for to in [S::Triaged, S::InProgress] {
        let change = change.issue.clone().set_status(to, judge(), None).unwrap();
        assert_eq!(change.event, Event::Unverified { to });
        assert_eq!(change.issue.verification, None);
    }
    let closed = change.issue.set_status(S::Closed, judge(), None).unwrap();
    assert_eq!(closed.event, Event::Closed);
    assert_eq!(closed.issue.verification, Some(Verification { by: who.member, at: noon() }));
}

/// One call that somebody might make.
#[derive(Clone, Debug)]
enum Call {
    Status(S, bool),
    Approve,
    Reject,
    Mirror(PayoutStatus),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let status = prop::sample::select(S::ALL.to_vec());
    let call = prop_oneof![
        6 => (status, any::<bool>()).prop_map(|(to, reason)| Call::Status(to, reason)),
        2 => Just(Call::Approve),
        1 => Just(Call::Reject),
        1 => prop_oneof![Just(PayoutStatus::Paid), Just(PayoutStatus::Void)].prop_map(Call::Mirror),
    ];
    prop::collection::vec(call, 0..60)
}

/// The machine once more, as the drawing in product.md says it in words.
fn drawn(from: S, to: S) -> bool {
    const CHAIN: [S; 8] = [
        S::Draft,
        S::Open,
        S::Triaged,
        S::InProgress,
        S::Exported,
        S::FixShipped,
        S::Verified,
        S::Closed,
    ];
    let place = |status| CHAIN.iter().position(|s| *s == status);
    match (place(from), place(to)) {
        (Some(6), Some(2 | 3)) => true,
        (Some(a), Some(b)) if (2..=6).contains(&a) && (2..=6).contains(&b) => a < b,
        (Some(a), Some(b)) => a + 1 == b,
        (Some(a), None) => a < 7,
        (None, Some(b)) => b == 1,
        (None, None) => false,
    }
}

fn reviewed(from: Stand, to: Stand) -> bool {
    from == to
        || matches!(
            (from, to),
            (Stand::Pending, Stand::Approved | Stand::Rejected)
                | (Stand::Rejected, Stand::Pending)
                | (Stand::Approved, Stand::Rejected)
        )
}

proptest! {
    #[test]
    fn no_sequence_of_calls_reaches_a_state_that_the_machines_do_not_allow(calls in calls()) {
        let mut now = issue(S::Draft);
        for call in calls {
            let reason = |given: bool| given.then(|| "because".to_owned());
            let result = match call {
                Call::Status(to, given) => now.clone().set_status(to, judge(), reason(given)),
                Call::Approve => now.clone().approve(price(), judge(), None),
                Call::Reject => now.clone().reject(judge(), None),
                Call::Mirror(status) => {
                    now.payment = Some(payment(status));
                    continue;
                }
            };
            let Ok(change) = result else { continue };
            let next = change.issue;
            prop_assert!(next.status == now.status || drawn(now.status, next.status));
            prop_assert!(reviewed(now.review.stand(), next.review.stand()));
            if next.status.is_negative_end() {
                prop_assert_eq!(next.review.stand(), Stand::Rejected);
                prop_assert!(next.status == now.status || now.payment.is_none());
            }
            if now.payment.is_some() {
                prop_assert_eq!(&next.review, &now.review);
            }
            prop_assert_eq!(next.verification.is_some(), is_verified(next.status));
            prop_assert_eq!(next.review.amount().is_some(), next.review.stand() == Stand::Approved);
            prop_assert!(next.status != S::Draft || next.review == Review::Pending
                || next.review.stand() == Stand::Rejected);
            prop_assert_eq!(change.before.as_ref(), Some(&now));
            now = next;
        }
    }
}

#[test]
fn a_duplicate_names_another_issue_of_its_product_and_forgets_it_when_reopened() {
    let issue = issue(S::Open);
    let original = Issue { id: IssueId::new(), ..issue.clone() };
    let ended = issue.clone().set_status(S::Duplicate, judge(), None).unwrap();
    let itself = ended.clone().repeating(&issue).unwrap_err();
    assert_eq!(itself, IssueError::BadOriginal("must be another issue"));
    let elsewhere = Issue { product: ProductId::new(), ..original.clone() };
    assert!(matches!(ended.clone().repeating(&elsewhere), Err(IssueError::BadOriginal(_))));
    let triaged = issue.set_status(S::Triaged, judge(), None).unwrap();
    assert!(matches!(triaged.repeating(&original), Err(IssueError::BadOriginal(_))));
    let ended = ended.repeating(&original).unwrap().issue;
    assert_eq!(ended.duplicate_of, Some(original.id));
    let reopened = ended.set_status(S::Open, judge(), Some(why())).unwrap().issue;
    assert_eq!(reopened.duplicate_of, None);
}
