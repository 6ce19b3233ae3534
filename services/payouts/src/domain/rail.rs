//! Accounts that providers pay to, and batches that they execute.

use quittance_kernel::{BatchId, MemberId, PayoutId, ProductId, Timestamp};

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RailError {
    #[error("batch {0} not found")]
    BatchNotFound(BatchId),
    #[error("member {0} has no account that can be paid to")]
    NotOnboarded(MemberId),
    #[error("member {0} has changed their account lately, and has to wait")]
    CoolingDown(MemberId),
    #[error("nobody is named who pays for product {0}")]
    NoPayer(ProductId),
    #[error("nothing was charged for payout {0} that could be given back")]
    NothingToRefund(PayoutId),
    /// What failed has been paid in another way since, or is no longer owed.
    #[error("an issue of this payout is paid otherwise or no longer owed")]
    NoLongerOwed,
}

/// Whether an account can be paid to yet: that of `acct_pending_…` is not set up.
#[must_use]
pub(crate) fn is_onboarded(account: &str) -> bool {
    !account.starts_with("acct_pending_")
}

/// How far a batch is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) id: BatchId,
    pub(crate) state: String,
    pub(crate) created_by: MemberId,
    pub(crate) created_at: Timestamp,
    pub(crate) item_count: i64,
    /// Payouts by state.
    pub(crate) counts: Vec<(String, i64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_is_not_set_up_cannot_be_paid_to() {
        assert!(is_onboarded("acct_ok_1") && !is_onboarded("acct_pending_1"));
    }
}
