//! Words of the business in JSON, and their numbers in protobuf.

use quittance_proto::{common::v1 as common, issues::v1 as issues, payouts::v1 as payouts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Declares a word of JSON, and which way it goes: `read` from a service, as a `number` to one.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident is $wire:ty [$($way:ident),+] $variants:tt) => {
        words!(@word [$(#[$doc])*] $name $variants);
        $(words!(@$way $name, $wire, $variants);)+
    };
    // As the seed writes them.
    (@loud $(#[$doc:meta])* $name:ident is $wire:ty [$($way:ident),+] $variants:tt) => {
        words!(@shout [$(#[$doc])*] $name $variants);
        $(words!(@$way $name, $wire, $variants);)+
    };
    (@shout [$(#[$doc:meta])*] $name:ident { $($variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub(crate) enum $name { $($variant),+ }
    };
    (@word [$(#[$doc:meta])*] $name:ident { $($variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name { $($variant),+ }
    };
    (@read $name:ident, $wire:ty, { $($variant:ident),+ $(,)? }) => {
        impl $name {
            /// Reads a number. `None` when it says nothing, or a word that is newer than we are.
            pub(crate) fn read(number: i32) -> Option<Self> {
                type Wire = $wire;
                match Wire::try_from(number) {
                    $(Ok(Wire::$variant) => Some(Self::$variant),)+
                    Ok(Wire::Unspecified) | Err(_) => None,
                }
            }
        }
    };
    (@number $name:ident, $wire:ty, { $($variant:ident),+ $(,)? }) => {
        impl $name {
            /// Returns the number of this word.
            pub(crate) fn number(self) -> i32 {
                type Wire = $wire;
                match self { $(Self::$variant => Wire::$variant.into()),+ }
            }
        }
    };
}

words! {
    /// How bad a defect is.
    Severity is common::Severity [read, number] { Critical, High, Medium, Low }
}

words! {
    /// Where an issue stands.
    IssueStatus is common::IssueStatus [read, number] {
        Draft, Open, Triaged, InProgress, Exported, FixShipped, Verified, Closed,
        Duplicate, Rejected, CantReproduce, WontFix,
    }
}

words! {
    /// Where the money of an issue stands.
    PayoutStatus is common::PayoutStatus [read, number] { Pending, Approved, Rejected, Paid, Void }
}

words! {
    /// How money moves. All but `stripe` are recorded by a person.
    Method is common::Method [read, number] { Kaspi, Bank, Cash, Ach, Paypal, Stripe }
}

words! {
    @loud
    /// What a bounty gives.
    RewardType is issues::RewardType [read, number] { ProfitShare, FixedPayment }
}

words! {
    @loud
    /// How many may work on a bounty.
    ClaimMode is issues::ClaimMode [read, number] { Single, Multiple }
}

words! {
    /// Where a bounty stands.
    BountyStatus is issues::BountyStatus [read, number] { Draft, Open, Closed, Cancelled }
}

words! {
    /// Where a claim stands.
    ClaimStatus is issues::ClaimStatus [read] {
        Active, Submitted, Accepted, Rejected, Expired, Abandoned,
    }
}

words! {
    /// Whether a cycle takes issues.
    CycleStatus is issues::CycleStatus [read, number] { Open, Closed }
}

words! {
    /// Where the effective gate comes from.
    GateSource is issues::GateSource [read] { Default, Product, Cycle }
}

words! {
    /// Where a stage of the pipeline stands.
    StageState is issues::StageState [read] { Done, Next, Todo }
}

words! {
    /// How far a delivery of a webhook is.
    DeliveryState is issues::DeliveryState [read] { Pending, Delivered, Failed }
}

words! {
    /// What happens to a batch with an issue that cannot be paid.
    OnBlocked is payouts::OnBlocked [number] { Fail, Skip }
}

words! {
    /// Where a payout stands.
    PayoutState is payouts::PayoutState [read, number] {
        PendingApproval, Approved, Processing, Paid, Rejected, Cancelled, Failed, Unknown,
        Returned, Void,
    }
}

words! {
    /// Where a plan stands.
    PlanState is payouts::PlanState [read] { Open, Committed, Expired, Stale, Cancelled }
}

words! {
    /// Where a run of a job stands.
    JobRunState is payouts::JobRunState [read] { Running, Completed, Stopped, Failed, Abandoned }
}

words! {
    /// Where a schedule stands.
    ScheduleState is payouts::ScheduleState [read, number] {
        Pending, Triggered, Processing, Processed, Failed, Cancelled,
    }
}

words! {
    /// Where an escrow hold stands.
    HoldState is payouts::HoldState [read, number] { Active, Released, Cancelled }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_in_their_spelling() {
        assert_eq!(
            IssueStatus::read(IssueStatus::CantReproduce.number()).unwrap(),
            IssueStatus::CantReproduce
        );
        assert_eq!(serde_json::to_value(IssueStatus::WontFix).unwrap(), "wont_fix");
        assert_eq!(serde_json::to_value(PayoutState::PendingApproval).unwrap(), "pending_approval");
        assert_eq!(Severity::read(0), None);
        assert_eq!(Severity::read(99), None);
    }
}
