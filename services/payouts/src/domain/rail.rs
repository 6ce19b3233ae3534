//! Accounts that providers pay to, and batches that they execute.

use quittance_kernel::{BatchId, MemberId, PayoutId, ProductId, Timestamp};
use uuid::Uuid;

use super::onboarding::{ProviderAccount, Standing};

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
    #[error("there is no charge {0}")]
    ChargeNotFound(Uuid),
    /// Its payer is not waited for.
    #[error("nothing is to be confirmed about this charge")]
    NothingToConfirm,
    /// A link that was made too long ago, or never.
    #[error("this link is not good any more, ask for another one")]
    LinkExpired,
    /// A signed body that is no event.
    #[error("the body is no event")]
    NoEvent,
}

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("webhooks are not set up here")]
    NotSetUp,
    #[error("the signature is not the provider's")]
    Forged,
    #[error("the signature is too old or from the future")]
    Stale,
}

/// Whether an account can be paid to yet: `known` is how it stood when its provider was last asked.
/// The sandbox is not asked: all but `acct_pending_…` are set up from the start.
#[must_use]
pub(crate) fn is_onboarded(rail: &str, account: &str, known: Option<&ProviderAccount>) -> bool {
    match known.filter(|known| known.rail == rail && known.account == account) {
        Some(known) => known.seen.standing == Standing::Onboarded,
        None => rail == "sandbox" && !account.starts_with("acct_pending_"),
    }
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
    use super::super::onboarding::Seen;
    use super::*;

    #[test]
    fn the_sandbox_believes_names_and_stripe_only_what_it_was_asked() {
        let known = |rail, account: &str, standing| ProviderAccount {
            id: uuid::Uuid::nil(),
            rail,
            account: account.to_owned(),
            seen: Seen { standing, reason: String::new() },
            asked: 0,
            version: 1,
            updated_at: chrono::DateTime::UNIX_EPOCH,
        };
        assert!(is_onboarded("sandbox", "acct_ok_1", None));
        assert!(!is_onboarded("sandbox", "acct_pending_1", None));
        assert!(!is_onboarded("stripe", "acct_ok_1", None), "nobody has asked yet");
        for (rail, standing, expected) in [
            ("stripe", Standing::Onboarded, true),
            ("stripe", Standing::Incomplete, false),
            ("stripe", Standing::Restricted, false),
            ("sandbox", Standing::Onboarded, true),
        ] {
            let known = known(rail, "acct_pending_1", standing);
            assert_eq!(is_onboarded(rail, "acct_pending_1", Some(&known)), expected);
            assert!(!is_onboarded("stripe", "acct_2", Some(&known)), "another account");
        }
        let played = known("sandbox", "acct_1", Standing::Onboarded);
        assert!(!is_onboarded("stripe", "acct_1", Some(&played)), "the sandbox has said so");
    }
}
