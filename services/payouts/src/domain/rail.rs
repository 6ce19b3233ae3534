//! Accounts that providers pay to, and batches that they execute.

use quittance_kernel::{BatchId, MemberId, Timestamp};

/// The longest id of an account, in characters.
const MAX_ACCOUNT: usize = 100;

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RailError {
    #[error("batch {0} not found")]
    BatchNotFound(BatchId),
    #[error("account_id {0}")]
    Account(&'static str),
    #[error("member {0} has no account that can be paid to")]
    NotOnboarded(MemberId),
    /// What failed has been paid in another way since, or is no longer owed.
    #[error("an issue of this payout is paid otherwise or no longer owed")]
    NoLongerOwed,
}

/// Checks the id of an account.
pub(crate) fn account(text: &str) -> Result<String, RailError> {
    let text = text.trim();
    if !text.starts_with("acct_") || text.len() == "acct_".len() {
        return Err(RailError::Account("must begin with acct_"));
    }
    if text.chars().count() > MAX_ACCOUNT {
        return Err(RailError::Account("must have at most 100 characters"));
    }
    if !text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Err(RailError::Account("must have letters, digits and underscores only"));
    }
    Ok(text.to_owned())
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
    fn an_account_is_named_as_providers_name_them() {
        assert_eq!(account(" acct_ok_1 "), Ok("acct_ok_1".to_owned()));
        for bad in ["", "acct_", "ok_1", "acct_a b", "acct_ж"] {
            assert!(matches!(account(bad), Err(RailError::Account(_))), "{bad}");
        }
        assert!(account(&format!("acct_{}", "x".repeat(95))).is_ok());
        assert!(account(&format!("acct_{}", "x".repeat(96))).is_err());
        assert!(is_onboarded("acct_ok_1") && !is_onboarded("acct_pending_1"));
    }
}
