//! A bounty: work that is offered in advance, with exactly one reward (S4-1).
//!
//! ```text
//! draft ─▶ open ─▶ closed | cancelled ; draft ─▶ cancelled
//! ```
//! Points of `None` are the backlog, which only a profit share has (S4-24).

use quittance_kernel::{BountyId, Currency, IssueId, Money, OrganizationId, ProductId, Timestamp};

use super::rates::MAX_AMOUNT;
use super::status::InvalidTransition;

/// How long a claim stands when the bounty does not say (S4-4).
pub const DEFAULT_EXPIRY_DAYS: i64 = 14;
const MAX_EXPIRY_DAYS: i64 = 365;
const MAX_CLAIMS: i64 = 10_000;
/// Sums over all grants of a product still fit.
const MAX_POINTS: i64 = 1_000_000;

/// Exactly one of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reward {
    /// A lasting share of the pool.
    Points(Option<i64>),
    /// Paid on approval.
    Fixed(Money),
}

/// The kind of a reward by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RewardType {
    ProfitShare,
    FixedPayment,
}

/// How many may work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimMode {
    Single,
    Multiple,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BountyStatus {
    Draft,
    Open,
    Closed,
    Cancelled,
}

/// What somebody wants a reward to be, before it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    pub kind: RewardType,
    pub points: Option<i64>,
    pub value: Option<i64>,
    pub currency: Currency,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounty {
    pub id: BountyId,
    pub organization: OrganizationId,
    pub product: ProductId,
    /// Counts within the product, together with its issues.
    pub number: i64,
    pub product_key: String,
    pub title: String,
    pub description: String,
    pub status: BountyStatus,
    pub reward: Reward,
    pub mode: ClaimMode,
    pub max_claims: Option<i64>,
    pub expiry_days: i64,
    pub evidence: String,
    /// Those that hold a place; not written with the bounty.
    pub claims: i64,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Why a bounty refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BountyError {
    #[error("{0}")]
    Value(&'static str),
    #[error("{0}")]
    Points(&'static str),
    #[error("a fixed payment is at least {0}")]
    BelowMinimum(String),
    #[error("tip_minor: {0}")]
    Tip(&'static str),
    #[error("{field}: {detail}")]
    Terms { field: &'static str, detail: &'static str },
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    #[error("bounty {0} takes no claims: it is not open, or in the backlog")]
    NotOpen(BountyId),
    #[error("bounty {0} is claimed")]
    Claimed(BountyId),
    #[error("bounty {0} has as many claims as it takes")]
    Full(BountyId),
    #[error("you have an active claim to bounty {0}")]
    AlreadyClaimed(BountyId),
    #[error("issue {0} was handed in for a bounty: decide it as a submission")]
    Submission(IssueId),
    #[error("issue {0} was not handed in for a bounty")]
    NoSubmission(IssueId),
}

impl RewardType {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProfitShare => "PROFIT_SHARE",
            Self::FixedPayment => "FIXED_PAYMENT",
        }
    }
}

impl ClaimMode {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Single => "SINGLE",
            Self::Multiple => "MULTIPLE",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Single, Self::Multiple].into_iter().find(|mode| mode.as_str() == text)
    }
}

impl BountyStatus {
    const ALL: [Self; 4] = [Self::Draft, Self::Open, Self::Closed, Self::Cancelled];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    fn onward(self) -> &'static [Self] {
        match self {
            Self::Draft => &[Self::Open, Self::Cancelled],
            Self::Open => &[Self::Closed, Self::Cancelled],
            Self::Closed | Self::Cancelled => &[],
        }
    }

    /// Takes one step, or tells which there are.
    pub fn step(self, to: Self) -> Result<Self, InvalidTransition> {
        if self.onward().contains(&to) {
            return Ok(to);
        }
        let allowed = self.onward().iter().map(|status| status.as_str()).collect();
        Err(InvalidTransition { from: self.as_str(), to: to.as_str(), allowed })
    }
}

/// The least that a fixed payment may be, in minor units (S4-25): five dollars, and what is about
/// as much elsewhere.
#[must_use]
pub fn minimum(currency: Currency) -> Money {
    let minor = match currency.code() {
        "KZT" => 250_000,
        "JPY" => 500,
        "RUB" => 50_000,
        _ => 5 * 10_i64.pow(currency.exponent()),
    };
    Money::signed(minor, currency)
}

impl Reward {
    /// Checks the table of S4 (S4-20 … S4-25). What is null is absent.
    pub fn new(offer: Offer) -> Result<Self, BountyError> {
        let Offer { kind, points, value, currency } = offer;
        match kind {
            RewardType::FixedPayment => {
                let value = value.filter(|value| 0 < *value).ok_or(BountyError::Value(
                    "Fixed payment bounties require a positive valueMinor",
                ))?;
                if points.is_some() {
                    return Err(BountyError::Points("Fixed payment bounties cannot have points"));
                }
                let least = minimum(currency);
                if value < least.minor() {
                    return Err(BountyError::BelowMinimum(least.to_text()));
                }
                if MAX_AMOUNT < value {
                    return Err(BountyError::Value("valueMinor is too large"));
                }
                Ok(Self::Fixed(Money::signed(value, currency)))
            }
            RewardType::ProfitShare => {
                if value.is_some() {
                    return Err(BountyError::Value("Profit share bounties cannot have valueMinor"));
                }
                Ok(Self::Points(points.map(checked_points).transpose()?))
            }
        }
    }

    #[must_use]
    pub fn kind(self) -> RewardType {
        match self {
            Self::Points(_) => RewardType::ProfitShare,
            Self::Fixed(_) => RewardType::FixedPayment,
        }
    }

    #[must_use]
    pub fn points(self) -> Option<i64> {
        match self {
            Self::Points(points) => points,
            Self::Fixed(_) => None,
        }
    }

    #[must_use]
    pub fn value(self) -> Option<Money> {
        match self {
            Self::Points(_) => None,
            Self::Fixed(value) => Some(value),
        }
    }

    /// What a card shows (S4-61).
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::Fixed(value) => value.to_text(),
            Self::Points(Some(points)) => format!("{points} pts"),
            Self::Points(None) => "Backlog".to_owned(),
        }
    }

    /// What a submission earns in points: the bounty's, or other ones (S4-26).
    pub fn awarded(self, points: Option<i64>, tip: Option<i64>) -> Result<Award, BountyError> {
        match self {
            Self::Fixed(value) => {
                if points.is_some() {
                    return Err(BountyError::Points("Fixed payment bounties cannot have points"));
                }
                let tip = tip.unwrap_or_default();
                let total = value.minor().checked_add(tip).filter(|total| *total <= MAX_AMOUNT);
                let total = total.ok_or(BountyError::Tip("is too large"))?;
                if tip < 0 {
                    return Err(BountyError::Tip("must not be negative"));
                }
                let (amount, tip) =
                    (Money::signed(total, value.currency()), Money::signed(tip, value.currency()));
                Ok(Award::Money { amount, tip })
            }
            Self::Points(own) => {
                if tip.is_some() {
                    return Err(BountyError::Tip("is for fixed payments only"));
                }
                let points = points.or(own).ok_or(BountyError::Points(
                    "A bounty of the backlog says no points: give some",
                ))?;
                Ok(Award::Points(checked_points(points)?))
            }
        }
    }
}

/// What an accepted submission gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Award {
    Points(i64),
    /// With the tip, if any.
    Money {
        amount: Money,
        tip: Money,
    },
}

fn checked_points(points: i64) -> Result<i64, BountyError> {
    if (1..=MAX_POINTS).contains(&points) {
        Ok(points)
    } else {
        Err(BountyError::Points("points must be between 1 and 1000000"))
    }
}

/// Checks how many may claim it and for how long.
pub fn terms(
    mode: ClaimMode,
    max_claims: Option<i64>,
    expiry_days: i64,
) -> Result<(), BountyError> {
    if !(1..=MAX_EXPIRY_DAYS).contains(&expiry_days) {
        let detail = "must be between 1 and 365";
        return Err(BountyError::Terms { field: "claim_expiry_days", detail });
    }
    let detail = match (mode, max_claims) {
        (_, None) | (ClaimMode::Single, Some(1)) | (ClaimMode::Multiple, Some(1..=MAX_CLAIMS)) => {
            return Ok(());
        }
        (ClaimMode::Single, Some(_)) => "must be absent or 1 when the mode is SINGLE",
        (ClaimMode::Multiple, Some(_)) => "must be between 1 and 10000",
    };
    Err(BountyError::Terms { field: "max_claims", detail })
}

impl Bounty {
    /// The number that people say, such as `SHP-12`.
    #[must_use]
    pub fn spoken(&self) -> String {
        format!("{}-{}", self.product_key, self.number)
    }

    /// How many claims may hold a place at once.
    #[must_use]
    pub fn room(&self) -> Option<i64> {
        match self.mode {
            ClaimMode::Single => Some(1),
            ClaimMode::Multiple => self.max_claims,
        }
    }

    /// Refuses claims while it is not on offer.
    pub fn offered(&self) -> Result<(), BountyError> {
        if self.status == BountyStatus::Open && self.reward != Reward::Points(None) {
            Ok(())
        } else {
            Err(BountyError::NotOpen(self.id))
        }
    }

    /// Refuses a further claim when so many hold a place already.
    pub fn takes_another(&self, held: i64) -> Result<(), BountyError> {
        match (self.mode, self.room()) {
            (_, None) => Ok(()),
            (_, Some(room)) if held < room => Ok(()),
            (ClaimMode::Single, Some(_)) => Err(BountyError::Claimed(self.id)),
            (ClaimMode::Multiple, Some(_)) => Err(BountyError::Full(self.id)),
        }
    }

    /// Whether so many accepted submissions are all that it asked for.
    #[must_use]
    pub fn is_done_by(&self, accepted: i64) -> bool {
        self.status == BountyStatus::Open && self.room().is_some_and(|room| room <= accepted)
    }

    /// Refuses other terms while somebody works on these.
    pub fn keeps_its_word(&self, after: &Self, working: i64) -> Result<(), BountyError> {
        if 0 < working && self.reward != after.reward {
            return Err(BountyError::Claimed(self.id));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
