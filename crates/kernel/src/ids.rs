//! Typed identifiers: a `PayoutId` can never be passed where an `IssueId` is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text was not a UUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID")]
pub struct ParseIdError;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Makes a new identifier (UUIDv7: later ones sort after earlier ones).
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self).map_err(|_| ParseIdError)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )+};
}

ids! {
    /// The tenant; every row, event and query carries it.
    OrganizationId,
    /// A file or a link that belongs to an issue.
    AttachmentId,
    /// A person in an organization.
    MemberId,
    /// What is worked on.
    ProductId,
    /// A time-boxed sweep of a product.
    CycleId,
    /// One piece of submitted work.
    IssueId,
    /// One amount owed to one payee for one source.
    EarningId,
    /// One movement of money to one payee.
    PayoutId,
    /// One earning's place in one payout.
    PayoutItemId,
    /// Payouts made together.
    BatchId,
    /// A stored dry run that can be committed exactly as shown.
    PlanId,
    /// One thing that a member was told.
    NotificationId,
    /// Work that is offered in advance.
    BountyId,
    /// One member's reservation of a bounty.
    ClaimId,
    /// One event on the bus; also the id of its outbox row.
    EventId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_writes() {
        let id = IssueId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("42".parse::<IssueId>(), Err(ParseIdError));
    }
}
