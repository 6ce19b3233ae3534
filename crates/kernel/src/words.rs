//! Words of the business that travel between services, each with one spelling.

use serde::{Deserialize, Serialize};

/// The text is not one of the words of its list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {allowed}")]
pub struct UnknownWord {
    /// The words that would have been understood, separated by commas.
    pub allowed: String,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            /// All words, in their order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The spelling on every wire and in every database.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or_else(|| {
                    let words: Vec<_> = Self::ALL.iter().map(|word| word.as_str()).collect();
                    UnknownWord { allowed: words.join(", ") }
                })
            }
        }
    };
}

words! {
    /// How bad a defect is, from the worst (S0-20). The order is the triage order.
    Severity {
        Critical = "critical",
        High = "high",
        Medium = "medium",
        Low = "low",
    }
}

words! {
    /// Where an issue stands (product.md, "State machines").
    IssueStatus {
        Draft = "draft",
        Open = "open",
        Triaged = "triaged",
        InProgress = "in_progress",
        Exported = "exported",
        FixShipped = "fix_shipped",
        Verified = "verified",
        Closed = "closed",
        Duplicate = "duplicate",
        Rejected = "rejected",
        CantReproduce = "cant_reproduce",
        WontFix = "wont_fix",
    }
}

words! {
    /// Where an issue's money stands: its review, and once there is one, its earning (S0-10).
    PayoutStatus {
        Pending = "pending",
        Approved = "approved",
        Rejected = "rejected",
        Paid = "paid",
        Void = "void",
    }
}

words! {
    /// How money moves (S0-12, S3-15, S4-3).
    Method {
        Kaspi = "kaspi",
        Bank = "bank",
        Cash = "cash",
        Ach = "ach",
        Paypal = "paypal",
        Stripe = "stripe",
    }
}

impl Method {
    /// Whether a person moves the money and records a reference, rather than we through a provider.
    #[must_use]
    pub fn is_manual(self) -> bool {
        match self {
            Self::Kaspi | Self::Bank | Self::Cash | Self::Ach | Self::Paypal => true,
            Self::Stripe => false,
        }
    }
}

impl IssueStatus {
    /// An end that pays nothing (S0-11).
    #[must_use]
    pub fn is_negative_end(self) -> bool {
        match self {
            Self::Duplicate | Self::Rejected | Self::CantReproduce | Self::WontFix => true,
            Self::Draft
            | Self::Open
            | Self::Triaged
            | Self::InProgress
            | Self::Exported
            | Self::FixShipped
            | Self::Verified
            | Self::Closed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_name_what_is_allowed() {
        for status in IssueStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        let error = "barter".parse::<Method>().unwrap_err();
        assert_eq!(error.to_string(), "must be one of kaspi, bank, cash, ach, paypal, stripe");
    }

    #[test]
    fn the_worst_severity_comes_first() {
        assert!(Severity::Critical < Severity::Low);
    }
}
