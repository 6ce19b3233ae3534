//! Words of the business as people read them, and the name that their colour goes by.

use quittance_proto::common::v1 as common;

use super::view::Choice;
use crate::words::{
    BountyStatus, ClaimStatus, CycleStatus, HoldState, IssueStatus, JobRunState, Method,
    PayoutState, PayoutStatus, PlanState, ScheduleState, Severity,
};

/// A word with its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Badge {
    /// A class of the style sheet. The word itself never depends on the colour.
    pub(super) tone: &'static str,
    pub(super) label: &'static str,
}

const fn badge(tone: &'static str, label: &'static str) -> Badge {
    Badge { tone, label }
}

const UNKNOWN: Badge = badge("plain", "–");

pub(super) fn severity(number: i32) -> Badge {
    Severity::read(number).map_or(UNKNOWN, |word| match word {
        Severity::Critical => badge("bad", "critical"),
        Severity::High => badge("warn", "high"),
        Severity::Medium => badge("info", "medium"),
        Severity::Low => badge("plain", "low"),
    })
}

pub(super) fn status(number: i32) -> Badge {
    IssueStatus::read(number).map_or(UNKNOWN, |word| match word {
        IssueStatus::Draft => badge("plain", "draft"),
        IssueStatus::Open => badge("info", "open"),
        IssueStatus::Triaged => badge("info", "triaged"),
        IssueStatus::InProgress => badge("info", "in progress"),
        IssueStatus::Exported => badge("info", "exported"),
        IssueStatus::FixShipped => badge("info", "fix shipped"),
        IssueStatus::Verified => badge("good", "verified"),
        IssueStatus::Closed => badge("good", "closed"),
        IssueStatus::Duplicate => badge("bad", "duplicate"),
        IssueStatus::Rejected => badge("bad", "rejected"),
        IssueStatus::CantReproduce => badge("bad", "can’t reproduce"),
        IssueStatus::WontFix => badge("bad", "won’t fix"),
    })
}

pub(super) fn payout(number: i32) -> Badge {
    PayoutStatus::read(number).map_or(UNKNOWN, |word| match word {
        PayoutStatus::Pending => badge("plain", "pending"),
        PayoutStatus::Approved => badge("info", "approved"),
        PayoutStatus::Rejected => badge("bad", "rejected"),
        PayoutStatus::Paid => badge("good", "paid"),
        PayoutStatus::Void => badge("warn", "void"),
    })
}

pub(super) fn payout_state(number: i32) -> Badge {
    PayoutState::read(number).map_or(UNKNOWN, |word| match word {
        PayoutState::PendingApproval => badge("plain", "pending approval"),
        PayoutState::Approved => badge("info", "approved"),
        PayoutState::Processing => badge("info", "processing"),
        PayoutState::Paid => badge("good", "paid"),
        PayoutState::Rejected => badge("bad", "rejected"),
        PayoutState::Cancelled => badge("plain", "cancelled"),
        PayoutState::Failed => badge("bad", "failed"),
        PayoutState::Unknown => badge("warn", "unknown"),
        PayoutState::Returned => badge("warn", "returned"),
        PayoutState::Void => badge("warn", "void"),
    })
}

pub(super) fn plan_state(number: i32) -> Badge {
    PlanState::read(number).map_or(UNKNOWN, |word| match word {
        PlanState::Open => badge("info", "open"),
        PlanState::Committed => badge("good", "committed"),
        PlanState::Expired => badge("plain", "expired"),
        PlanState::Stale => badge("warn", "stale"),
        PlanState::Cancelled => badge("plain", "cancelled"),
    })
}

pub(super) fn cycle_status(number: i32) -> Badge {
    CycleStatus::read(number).map_or(UNKNOWN, |word| match word {
        CycleStatus::Open => badge("good", "open"),
        CycleStatus::Closed => badge("plain", "closed"),
    })
}

pub(super) fn schedule_state(number: i32) -> Badge {
    ScheduleState::read(number).map_or(UNKNOWN, |word| match word {
        ScheduleState::Pending => badge("info", "pending"),
        ScheduleState::Triggered => badge("info", "triggered"),
        ScheduleState::Processing => badge("info", "processing"),
        ScheduleState::Processed => badge("good", "processed"),
        ScheduleState::Failed => badge("bad", "failed"),
        ScheduleState::Cancelled => badge("plain", "cancelled"),
    })
}

pub(super) fn hold_state(number: i32) -> Badge {
    HoldState::read(number).map_or(UNKNOWN, |word| match word {
        HoldState::Active => badge("warn", "active"),
        HoldState::Released => badge("good", "released"),
        HoldState::Cancelled => badge("plain", "cancelled"),
    })
}

pub(super) fn job_state(number: i32) -> Badge {
    JobRunState::read(number).map_or(UNKNOWN, |word| match word {
        JobRunState::Running => badge("info", "running"),
        JobRunState::Completed => badge("good", "completed"),
        JobRunState::Stopped => badge("warn", "stopped early"),
        JobRunState::Failed => badge("bad", "failed"),
        JobRunState::Abandoned => badge("bad", "abandoned"),
    })
}

pub(super) fn bounty_status(number: i32) -> Badge {
    BountyStatus::read(number).map_or(UNKNOWN, |word| match word {
        BountyStatus::Draft => badge("plain", "draft"),
        BountyStatus::Open => badge("info", "open"),
        BountyStatus::Closed => badge("good", "closed"),
        BountyStatus::Cancelled => badge("plain", "cancelled"),
    })
}

pub(super) fn claim_status(number: i32) -> Badge {
    ClaimStatus::read(number).map_or(UNKNOWN, |word| match word {
        ClaimStatus::Active => badge("info", "active"),
        ClaimStatus::Submitted => badge("warn", "handed in"),
        ClaimStatus::Accepted => badge("good", "accepted"),
        ClaimStatus::Rejected => badge("bad", "rejected"),
        ClaimStatus::Expired => badge("plain", "expired"),
        ClaimStatus::Abandoned => badge("plain", "given up"),
    })
}

/// How the payment of a bounty stands: the payout's state, or what keeps it.
pub(super) fn payment_state(word: &str) -> Badge {
    match word {
        "pending_approval" => badge("plain", "pending approval"),
        "approved" => badge("info", "approved"),
        "on_hold" => badge("warn", "on hold"),
        "processing" => badge("info", "processing"),
        "paid" => badge("good", "paid"),
        "failed" => badge("bad", "failed"),
        "unknown" => badge("warn", "unknown"),
        "rejected" => badge("bad", "rejected"),
        "cancelled" => badge("plain", "cancelled"),
        "returned" => badge("warn", "returned"),
        "void" => badge("warn", "void"),
        _ => UNKNOWN,
    }
}

pub(super) fn method(number: i32) -> &'static str {
    Method::read(number).map_or("–", |word| match word {
        Method::Kaspi => "Kaspi",
        Method::Bank => "Bank",
        Method::Cash => "Cash",
        Method::Ach => "ACH",
        Method::Paypal => "PayPal",
        Method::Stripe => "Stripe",
    })
}

/// Why something cannot be paid (rule 4).
pub(super) fn reason(word: &str) -> &str {
    match word {
        "gate_not_verified" => "Awaiting verification",
        "not_approved" => "Not approved yet",
        "already_paid" => "Already paid",
        "already_in_payout" => "In another payout",
        "voided" => "Void",
        "hold_active" => "Held back",
        "schedule_not_due" => "Not due yet",
        "payee_not_onboarded" => "The payee has no account",
        "payee_suspended" => "The payee is suspended",
        "below_minimum" => "Too small a sum: it accumulates",
        "currency_mismatch" => "Another currency",
        "method_not_allowed" => "This method is not allowed",
        "missing_reference" => "The reference is missing",
        "limit_exceeded" => "Over a limit",
        "self_payment" => "Nobody pays their own work",
        "unknown_issue" => "Unknown",
        "account_cooling_down" => "The account was changed lately",
        "payee_mismatch" => "The work of somebody else",
        "payer_missing" => "Nobody is named who pays",
        "payer_action_required" => "The payer has to confirm the charge",
        other => other,
    }
}

/// The words of a list as choices, by the number that the services know them by.
fn choices(all: &str, badges: &[(i32, Badge)], chosen: &str) -> Vec<Choice> {
    let word =
        |(number, badge): &(i32, Badge)| Choice::new(&number.to_string(), badge.label, chosen);
    std::iter::once(Choice::new("", all, chosen)).chain(badges.iter().map(word)).collect()
}

fn numbered(numbers: impl Iterator<Item = i32>, read: fn(i32) -> Badge) -> Vec<(i32, Badge)> {
    numbers.map(|number| (number, read(number))).collect()
}

pub(super) fn severities(all: &str, chosen: &str) -> Vec<Choice> {
    choices(all, &numbered(1..=4, severity), chosen)
}

pub(super) fn statuses(all: &str, chosen: &str) -> Vec<Choice> {
    choices(all, &numbered(1..=12, status), chosen)
}

pub(super) fn payouts(all: &str, chosen: &str) -> Vec<Choice> {
    choices(all, &numbered(1..=5, payout), chosen)
}

pub(super) fn payout_states(all: &str, chosen: &str) -> Vec<Choice> {
    choices(all, &numbered(1..=10, payout_state), chosen)
}

pub(super) fn schedule_states(all: &str, chosen: &str) -> Vec<Choice> {
    choices(all, &numbered(1..=6, schedule_state), chosen)
}

pub(super) fn hold_states(all: &str, chosen: &str) -> Vec<Choice> {
    choices(all, &numbered(1..=3, hold_state), chosen)
}

/// All methods, those of providers too.
pub(super) fn all_methods(chosen: &str) -> Vec<Choice> {
    (1..=6).map(|n| Choice::new(&n.to_string(), method(n), chosen)).collect()
}

/// Methods whose money a person moves.
pub(super) fn manual_methods(chosen: &str) -> Vec<Choice> {
    let first = i32::from(common::Method::Kaspi);
    let last = i32::from(common::Method::Paypal);
    (first..=last).map(|n| Choice::new(&n.to_string(), method(n), chosen)).collect()
}

/// Reads the number of a word; 0, which says nothing, when it is none.
pub(super) fn number(text: &str) -> i32 {
    text.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_a_label() {
        assert!((1..=4).all(|n| severity(n) != UNKNOWN));
        assert!((1..=12).all(|n| status(n) != UNKNOWN));
        assert!((1..=5).all(|n| payout(n) != UNKNOWN));
        assert!((1..=10).all(|n| payout_state(n) != UNKNOWN));
        assert!((1..=5).all(|n| plan_state(n) != UNKNOWN));
        assert!((1..=6).all(|n| method(n) != "–"));
        assert!((1..=6).all(|n| schedule_state(n) != UNKNOWN));
        assert!((1..=3).all(|n| hold_state(n) != UNKNOWN));
        assert!((1..=5).all(|n| job_state(n) != UNKNOWN));
        assert!((1..=4).all(|n| bounty_status(n) != UNKNOWN));
        assert!((1..=6).all(|n| claim_status(n) != UNKNOWN));
        assert_eq!(severity(0), UNKNOWN);
        assert_eq!(manual_methods("1").len(), 5);
    }
}
