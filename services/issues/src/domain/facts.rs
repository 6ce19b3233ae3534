//! What payouts must know of an issue to pay it.

use quittance_kernel::{CycleId, IssueId, MemberId, Money};

use super::review::Stand;

/// Decision, price, payee, gate and verification of one issue. Payments are not in it: payouts
/// knows those better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayFact {
    pub issue: IssueId,
    pub reporter: MemberId,
    pub cycle: CycleId,
    pub review: Stand,
    pub amount: Option<Money>,
    pub gate: bool,
    pub verified: bool,
    pub version: i64,
}
