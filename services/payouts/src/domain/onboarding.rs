//! Whether a provider pays to an account: known by asking, and asked again while it does not.

use chrono::TimeDelta;
use quittance_kernel::Timestamp;
use uuid::Uuid;

/// How long a link of the sandbox is good for, as the links of providers are.
pub(crate) const LINK_MINUTES: i64 = 5;
/// The pause before an account that is not onboarded is asked for again; doubled each time.
const AGAIN_SECONDS: i64 = 30;
const LONGEST_SECONDS: i64 = 3_600;
/// Accounts that are onboarded are looked at daily, should the news of a change have been lost.
const DAILY_SECONDS: i64 = 86_400;

/// Why a provider did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    #[error("the provider refused: {0}")]
    Refused(String),
    #[error("the provider does not answer, try again")]
    Unavailable,
}

/// How an account stands with its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not asked yet.
    Unknown,
    /// It can be paid to.
    Onboarded,
    /// Its owner, or the provider, has something left to do.
    Incomplete,
    /// The provider has turned it down.
    Restricted,
    /// The provider knows no such account of ours.
    Missing,
}

impl Standing {
    const ALL: [Self; 5] =
        [Self::Unknown, Self::Onboarded, Self::Incomplete, Self::Restricted, Self::Missing];

    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Onboarded => "onboarded",
            Self::Incomplete => "incomplete",
            Self::Restricted => "restricted",
            Self::Missing => "missing",
        }
    }

    pub(crate) fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == word)
    }
}

/// What a provider says of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) standing: Standing,
    /// What is in the way, in the provider's words; empty when nothing is.
    pub(crate) reason: String,
}

/// An account, and how it stood when its provider was last asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProviderAccount {
    /// That of the payout account.
    pub(crate) id: Uuid,
    /// Who was asked: what the sandbox says is not what Stripe says.
    pub(crate) rail: &'static str,
    pub(crate) account: String,
    pub(crate) seen: Seen,
    /// How often it was asked for without a change.
    pub(crate) asked: i64,
    pub(crate) version: i64,
    pub(crate) updated_at: Timestamp,
}

impl ProviderAccount {
    /// When to ask again after this was said.
    #[must_use]
    pub(crate) fn again_at(&self, seen: &Seen, now: Timestamp) -> Timestamp {
        let seconds = if seen.standing == Standing::Onboarded {
            DAILY_SECONDS
        } else {
            let times = if *seen == self.seen { self.asked } else { 0 };
            (AGAIN_SECONDS << times.clamp(0, 10)).min(LONGEST_SECONDS)
        };
        now + TimeDelta::seconds(seconds)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn who_is_not_onboarded_is_asked_for_less_and_less_often() {
        let seen = |standing| Seen { standing, reason: String::new() };
        let now = DateTime::UNIX_EPOCH;
        let mut account = ProviderAccount {
            id: Uuid::nil(),
            rail: "stripe",
            account: "acct_1".to_owned(),
            seen: seen(Standing::Incomplete),
            asked: 0,
            version: 1,
            updated_at: now,
        };
        let pause = |account: &ProviderAccount, standing| {
            (account.again_at(&seen(standing), now) - now).num_seconds()
        };
        assert_eq!(pause(&account, Standing::Incomplete), 30);
        account.asked = 2;
        assert_eq!(pause(&account, Standing::Incomplete), 120);
        assert_eq!(pause(&account, Standing::Restricted), 30, "it has changed");
        assert_eq!(pause(&account, Standing::Onboarded), 86_400);
        account.asked = 60;
        assert_eq!(pause(&account, Standing::Incomplete), 3_600);
    }

    #[test]
    fn every_standing_reads_back() {
        for standing in Standing::ALL {
            assert_eq!(Standing::read(standing.as_str()), Some(standing));
        }
    }
}
