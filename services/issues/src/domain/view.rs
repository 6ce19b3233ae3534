//! An issue as people see it: what it is worth, whether it can be paid, and where it stands.

use quittance_kernel::{IssueStatus, Money, PayoutStatus};

use super::gate::{self, Gate};
use super::issue::Issue;
use super::rates::{self, BOUNTY_RULE, Overrides, Price};
use super::review::Stand;
use super::status::is_verified;

/// What surrounds an issue and decides with it: its product, cycle and reporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub product_key: String,
    pub cycle_name: String,
    pub reporter_name: String,
    pub product_gate: Option<bool>,
    pub cycle_gate: Option<bool>,
    pub rates: Option<Overrides>,
    /// What the bounty offers for a submission, if it is money.
    pub offer: Option<Money>,
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageState {
    Done,
    /// The first stage that still stands between the issue and its payment.
    Next,
    Todo,
}

/// One stage of the pipeline strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    pub key: &'static str,
    pub label: &'static str,
    pub state: StageState,
}

/// What follows from an issue and its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub number: String,
    pub payout_status: PayoutStatus,
    /// None for a submission that earns points.
    pub suggestion: Option<Price>,
    pub gate: Gate,
    pub payable: bool,
    /// Every reason why it cannot be paid.
    pub blocked_by: Vec<&'static str>,
    pub pipeline: Vec<Stage>,
}

impl View {
    #[must_use]
    pub fn of(issue: &Issue, frame: &Frame) -> Self {
        let gate = gate::effective(frame.cycle_gate, frame.product_gate);
        let blocked_by = blocked_by(issue, gate);
        Self {
            number: number(frame, issue),
            payout_status: issue.payout_status(),
            suggestion: suggestion(issue, frame),
            gate,
            payable: blocked_by.is_empty(),
            blocked_by,
            pipeline: pipeline(issue, gate),
        }
    }
}

/// The number that people say, such as `SHP-12`.
#[must_use]
pub fn number(frame: &Frame, issue: &Issue) -> String {
    format!("{}-{}", frame.product_key, issue.number)
}

/// A bounty has its price; everything else is worth what its severity is.
fn suggestion(issue: &Issue, frame: &Frame) -> Option<Price> {
    match issue.bounty {
        None => Some(rates::suggest(frame.rates.as_ref(), issue.severity)),
        Some(_) => frame.offer.map(|amount| Price { amount, rule: BOUNTY_RULE.to_owned() }),
    }
}

fn blocked_by(issue: &Issue, gate: Gate) -> Vec<&'static str> {
    match issue.payout_status() {
        PayoutStatus::Paid => return vec!["already_paid"],
        PayoutStatus::Void => return vec!["voided"],
        PayoutStatus::Pending | PayoutStatus::Approved | PayoutStatus::Rejected => {}
    }
    let mut reasons = Vec::new();
    if issue.review.stand() != Stand::Approved {
        reasons.push("not_approved");
    }
    if issue.review.points().is_some() {
        // It is paid by the periods of its product.
        reasons.push("profit_share");
    }
    if gate.required && !is_verified(issue.status) {
        reasons.push("gate_not_verified");
    }
    reasons
}

/// How far the repair is; negative ends are nowhere.
fn progress(status: IssueStatus) -> u8 {
    match status {
        IssueStatus::Draft
        | IssueStatus::Open
        | IssueStatus::Duplicate
        | IssueStatus::Rejected
        | IssueStatus::CantReproduce
        | IssueStatus::WontFix => 0,
        IssueStatus::Triaged | IssueStatus::InProgress => 1,
        IssueStatus::Exported => 2,
        IssueStatus::FixShipped => 3,
        IssueStatus::Verified | IssueStatus::Closed => 4,
    }
}

/// Lays out the strip (S1-10, S1-11, S1-18). `exported` and `fix_shipped` inform and never gate
/// (INC-12): skipped ones count as done once what comes after them is.
fn pipeline(issue: &Issue, gate: Gate) -> Vec<Stage> {
    let paid = issue.payout_status() == PayoutStatus::Paid;
    let approved = issue.review.stand() == Stand::Approved;
    let reached = |step: u8| paid || step <= progress(issue.status);
    let label = if paid || approved { "Approved" } else { "Triaged" };
    // (key, label, done, gates)
    let mut stages = vec![
        ("triaged", label, paid || approved, true),
        ("exported", "Exported", reached(2), false),
    ];
    if gate.required {
        stages.push(("fix_shipped", "Fix shipped", reached(3), false));
        stages.push(("verified", "Verified", reached(4), true));
    }
    stages.push(("paid", "Paid", paid, true));

    // What was rejected or voided waits for nothing.
    let mut waits = match issue.payout_status() {
        PayoutStatus::Pending | PayoutStatus::Approved => true,
        PayoutStatus::Rejected | PayoutStatus::Paid | PayoutStatus::Void => false,
    };
    stages
        .into_iter()
        .map(|(key, label, done, gates)| {
            let state = if done {
                StageState::Done
            } else if gates && std::mem::take(&mut waits) {
                StageState::Next
            } else {
                StageState::Todo
            };
            Stage { key, label, state }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use quittance_kernel::{
        CycleId, IssueId, MemberId, OrganizationId, ProductId, Severity, Timestamp,
    };

    use super::*;
    use crate::domain::issue::{Actor, Payment};
    use crate::domain::review::Review;

    fn noon() -> Timestamp {
        "2026-05-08T12:00:00Z".parse().unwrap()
    }

    fn issue() -> Issue {
        Issue {
            id: IssueId::new(),
            organization: OrganizationId::new(),
            product: ProductId::new(),
            cycle: CycleId::new(),
            reporter: MemberId::new(),
            number: 12,
            title: "Payment fails".into(),
            body: String::new(),
            severity: Severity::High,
            status: IssueStatus::Open,
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

    fn frame(gate: bool) -> Frame {
        Frame {
            product_key: "SHP".into(),
            cycle_name: "Sweep".into(),
            reporter_name: "Aibek".into(),
            product_gate: Some(gate),
            cycle_gate: None,
            rates: None,
            offer: None,
        }
    }

    fn judge() -> Actor {
        Actor { member: MemberId::new(), judges: true, at: noon() }
    }

    fn approved() -> Issue {
        let price = rates::suggest(None, Severity::High);
        issue().approve(price, judge(), None).unwrap().issue
    }

    fn paid(issue: Issue, status: PayoutStatus) -> Issue {
        Issue { payment: Some(Payment { status, payout: None, at: None, amount: None }), ..issue }
    }

    fn strip(issue: &Issue, gate: bool) -> String {
        let view = View::of(issue, &frame(gate));
        let stages: Vec<String> = view
            .pipeline
            .iter()
            .map(|stage| format!("{}:{:?}", stage.key, stage.state).to_lowercase())
            .collect();
        stages.join(" ")
    }

    #[test]
    fn an_approved_unverified_issue_waits_for_verification() {
        let issue = approved();
        assert_eq!(
            strip(&issue, true),
            "triaged:done exported:todo fix_shipped:todo verified:next paid:todo"
        );
        let view = View::of(&issue, &frame(true));
        assert_eq!((view.payable, view.blocked_by), (false, vec!["gate_not_verified"]));
        assert_eq!(view.pipeline[0].label, "Approved");
        assert_eq!(view.number, "SHP-12");
    }

    #[test]
    fn without_a_gate_there_are_three_stages_and_approval_suffices() {
        let issue = approved();
        assert_eq!(strip(&issue, false), "triaged:done exported:todo paid:next");
        assert!(View::of(&issue, &frame(false)).payable);
    }

    #[test]
    fn verification_opens_the_gate_and_a_revert_shuts_it() {
        let issue = approved().set_status(IssueStatus::Verified, judge(), None).unwrap().issue;
        assert_eq!(
            strip(&issue, true),
            "triaged:done exported:done fix_shipped:done verified:done paid:next"
        );
        assert!(View::of(&issue, &frame(true)).payable);
        let issue = issue.set_status(IssueStatus::Triaged, judge(), None).unwrap().issue;
        assert!(!View::of(&issue, &frame(true)).payable);
    }

    #[test]
    fn a_paid_issue_has_every_stage_done() {
        let issue = paid(approved(), PayoutStatus::Paid);
        assert_eq!(
            strip(&issue, true),
            "triaged:done exported:done fix_shipped:done verified:done paid:done"
        );
        let view = View::of(&issue, &frame(true));
        assert_eq!(view.blocked_by, ["already_paid"]);
        assert_eq!(view.payout_status, PayoutStatus::Paid);
    }

    #[test]
    fn what_was_voided_or_rejected_waits_for_nothing() {
        let void = paid(approved(), PayoutStatus::Void);
        assert_eq!(strip(&void, false), "triaged:done exported:todo paid:todo");
        assert_eq!(View::of(&void, &frame(false)).blocked_by, ["voided"]);
        let rejected = issue().reject(judge(), None).unwrap().issue;
        assert_eq!(strip(&rejected, false), "triaged:todo exported:todo paid:todo");
    }

    #[test]
    fn an_undecided_issue_waits_for_the_decision() {
        assert_eq!(strip(&issue(), false), "triaged:next exported:todo paid:todo");
        let view = View::of(&issue(), &frame(true));
        assert_eq!(view.blocked_by, ["not_approved", "gate_not_verified"]);
        assert_eq!(view.pipeline[0].label, "Triaged");
        // INC-13: verified before it was approved.
        let triaged = Issue { status: IssueStatus::Triaged, ..issue() };
        let verified = triaged.set_status(IssueStatus::Verified, judge(), None).unwrap().issue;
        assert_eq!(View::of(&verified, &frame(true)).blocked_by, ["not_approved"]);
    }
}
