//! The status machine of an issue (product.md, "State machines").
//!
//! ```text
//! draft ─▶ open ─▶ triaged ─▶ in_progress ─▶ exported ─▶ fix_shipped ─▶ verified ─▶ closed
//! negative ends, while unpaid: duplicate | rejected | cant_reproduce | wont_fix ; reopened ─▶ open
//! verified ─▶ triaged | in_progress
//! ```

use quittance_kernel::IssueStatus;

/// A move that a machine does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot go from {from} to {to}; allowed: {}", if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") })]
pub struct InvalidTransition {
    pub from: &'static str,
    pub to: &'static str,
    pub allowed: Vec<&'static str>,
}

/// The ends that pay nothing.
const NEGATIVE_ENDS: [IssueStatus; 4] = [
    IssueStatus::Duplicate,
    IssueStatus::Rejected,
    IssueStatus::CantReproduce,
    IssueStatus::WontFix,
];

/// Where a status may go by itself. `in_progress`, `exported` and `fix_shipped` are facts about the
/// repair, not gates (INC-12): each may be skipped on the way to `verified`.
fn onward(from: IssueStatus) -> &'static [IssueStatus] {
    use IssueStatus::{
        CantReproduce, Closed, Draft, Duplicate, Exported, FixShipped, InProgress, Open, Rejected,
        Triaged, Verified, WontFix,
    };
    match from {
        Open => &[Triaged],
        Triaged => &[InProgress, Exported, FixShipped, Verified],
        InProgress => &[Exported, FixShipped, Verified],
        Exported => &[FixShipped, Verified],
        FixShipped => &[Verified],
        Verified => &[Closed, Triaged, InProgress],
        Closed => &[],
        Draft | Duplicate | Rejected | CantReproduce | WontFix => &[Open],
    }
}

/// Lists where an issue may go. A negative end is open to whatever has not been paid.
#[must_use]
pub fn allowed(from: IssueStatus, unpaid: bool) -> Vec<IssueStatus> {
    let mut allowed = onward(from).to_vec();
    if unpaid && from != IssueStatus::Closed && !from.is_negative_end() {
        allowed.extend(NEGATIVE_ENDS);
    }
    allowed
}

/// Checks one move.
pub fn step(from: IssueStatus, to: IssueStatus, unpaid: bool) -> Result<(), InvalidTransition> {
    let allowed = allowed(from, unpaid);
    if allowed.contains(&to) {
        return Ok(());
    }
    let allowed = allowed.into_iter().map(IssueStatus::as_str).collect();
    Err(InvalidTransition { from: from.as_str(), to: to.as_str(), allowed })
}

/// Whether the fix was tested again and found good; closing comes after that only.
#[must_use]
pub fn is_verified(status: IssueStatus) -> bool {
    match status {
        IssueStatus::Verified | IssueStatus::Closed => true,
        IssueStatus::Draft
        | IssueStatus::Open
        | IssueStatus::Triaged
        | IssueStatus::InProgress
        | IssueStatus::Exported
        | IssueStatus::FixShipped
        | IssueStatus::Duplicate
        | IssueStatus::Rejected
        | IssueStatus::CantReproduce
        | IssueStatus::WontFix => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_from_to_and_what_is_allowed() {
        let refused = step(IssueStatus::Draft, IssueStatus::Verified, false).unwrap_err();
        assert_eq!((refused.from, refused.to), ("draft", "verified"));
        assert_eq!(refused.allowed, ["open"]);
        let text = step(IssueStatus::Closed, IssueStatus::Open, true).unwrap_err().to_string();
        assert_eq!(text, "cannot go from closed to open; allowed: nothing");
    }

    #[test]
    fn facts_about_the_repair_may_be_skipped() {
        for from in [IssueStatus::Triaged, IssueStatus::InProgress, IssueStatus::Exported] {
            assert!(step(from, IssueStatus::Verified, true).is_ok());
        }
        assert!(step(IssueStatus::Open, IssueStatus::Verified, true).is_err());
    }

    #[test]
    fn what_is_paid_has_no_negative_end() {
        for from in IssueStatus::ALL {
            for end in NEGATIVE_ENDS {
                assert!(step(*from, end, false).is_err(), "{from} to {end}");
            }
        }
        assert!(step(IssueStatus::Verified, IssueStatus::Duplicate, true).is_ok());
    }

    #[test]
    fn a_negative_end_can_only_be_reopened() {
        for end in NEGATIVE_ENDS {
            assert_eq!(allowed(end, true), [IssueStatus::Open]);
        }
    }
}
