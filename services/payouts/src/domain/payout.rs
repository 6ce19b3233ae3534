//! Payouts as they are read.

use quittance_kernel::{
    BatchId, EarningId, IssueId, MemberId, Method, Money, PayoutId, PayoutItemId, Timestamp,
};

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// Where a payout stands (product.md, "State machines").
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum PayoutState { $($(#[$doc])* $name),+ }

        impl PayoutState {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            #[must_use]
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

states! {
    PendingApproval = "pending_approval",
    Approved = "approved",
    Processing = "processing",
    Paid = "paid",
    Rejected = "rejected",
    Cancelled = "cancelled",
    Failed = "failed",
    /// A provider was asked and did not answer.
    Unknown = "unknown",
    Returned = "returned",
    Void = "void",
}

/// One movement of money to one payee in one currency by one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payout {
    pub id: PayoutId,
    pub batch: Option<BatchId>,
    pub payee: MemberId,
    /// What was paid: the items' sum less `netted_minor`.
    pub amount: Money,
    /// What the payee owed and was kept back.
    pub netted_minor: i64,
    /// Known once it is paid.
    pub method: Option<Method>,
    pub reference: String,
    pub state: PayoutState,
    pub item_count: i64,
    pub paid_at: Option<Timestamp>,
    pub created_by: MemberId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// One earning's place in one payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PayoutItem {
    pub id: PayoutItemId,
    pub earning: EarningId,
    pub issue: IssueId,
    pub amount: Money,
    /// Whether it still counts.
    pub live: bool,
}
