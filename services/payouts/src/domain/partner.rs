//! Payouts to partners: what may be asked for, and their part of the state machine.
//!
//! ```text
//! pending_approval ─▶ approved ─▶ paid ; pending_approval ─▶ rejected
//! ```

use chrono::{Months, NaiveDate, NaiveTime};
use quittance_kernel::{EarningId, MemberId, Method, Money, PayoutId, PayoutItemId, Timestamp};
use uuid::Uuid;

use super::payout::{Payout, PayoutState};

/// The most payouts that are approved in one call.
pub(crate) const MAX_BULK: usize = 100;

const MAX_NOTES: usize = 2_000;
const MAX_REFERENCE: usize = 255;

/// What can be wrong with payouts of partners, their attributions and commissions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartnerError {
    #[error("{field}: {detail}")]
    Field { field: &'static str, detail: &'static str },
    #[error("{field}: must be greater than zero")]
    Amount { field: &'static str },
    #[error("unknown currency {0:?}, use an ISO 4217 code")]
    Currency(String),
    #[error("{0} is not a method that a person can record")]
    NotManual(Method),
    #[error("a payout cannot go from {from} to {to}")]
    Transition { from: &'static str, to: &'static str, allowed: String },
    #[error("nobody approves or pays their own payout {0}")]
    SelfApproval(PayoutId),
    #[error("payout {0} not found")]
    PayoutNotFound(PayoutId),
    #[error("partner {0} not found")]
    PartnerNotFound(MemberId),
    #[error("between 1 and {MAX_BULK} payouts can be approved at once")]
    Count,
    #[error("payout {0} is named twice")]
    Twice(PayoutId),
    #[error("no commission rule covers this sale; make one first")]
    NoRule,
    #[error("the sale {0:?} was recorded before")]
    SaleRecorded(String),
    #[error("attribution {0} not found")]
    AttributionNotFound(Uuid),
    #[error("more would be refunded than the sale was worth")]
    RefundTooLarge,
}

/// Where the obligation of a payout comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Issue,
    Manual,
    Commission,
    Schedule,
    /// Points of a reward pool (rule 11).
    ProfitShare,
}

impl Source {
    pub(crate) const ALL: [Self; 5] =
        [Self::Issue, Self::Manual, Self::Commission, Self::Schedule, Self::ProfitShare];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Manual => "manual",
            Self::Commission => "commission",
            Self::Schedule => "schedule",
            Self::ProfitShare => "profit_share",
        }
    }
}

/// A payout with what is known of a partner's besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartnerPayout {
    pub payout: Payout,
    pub name: String,
    pub source: Source,
    pub period: String,
    pub notes: String,
    pub rejection: String,
    pub approved_by: Option<MemberId>,
    pub approved_at: Option<Timestamp>,
}

/// A payout that is about to wait for approval, with the earning that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewPayout {
    pub id: PayoutId,
    pub earning: EarningId,
    pub item: PayoutItemId,
    pub partner: MemberId,
    pub name: String,
    pub amount: Money,
    pub period: String,
    pub notes: String,
    pub source: Source,
}

impl NewPayout {
    pub(crate) fn of(partner: MemberId, name: String, amount: Money, source: Source) -> Self {
        Self {
            id: PayoutId::new(),
            earning: EarningId::new(),
            item: PayoutItemId::new(),
            partner,
            name,
            amount,
            period: String::new(),
            notes: String::new(),
            source,
        }
    }

    /// As it reads once it is written.
    pub(crate) fn created(&self, by: MemberId, now: Timestamp) -> PartnerPayout {
        PartnerPayout {
            payout: Payout {
                id: self.id,
                batch: None,
                payee: self.partner,
                amount: self.amount,
                netted_minor: 0,
                method: None,
                reference: String::new(),
                state: PayoutState::PendingApproval,
                item_count: 1,
                paid_at: None,
                created_by: by,
                version: 1,
                created_at: now,
                updated_at: now,
            },
            name: self.name.clone(),
            source: self.source,
            period: self.period.clone(),
            notes: self.notes.clone(),
            rejection: String::new(),
            approved_by: None,
            approved_at: None,
        }
    }
}

/// A month or a quarter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub text: String,
    /// Not part of it (rule 17).
    pub end: Timestamp,
}

impl Period {
    /// Reads `2026-02` or `2026-Q1`.
    pub(crate) fn parse(text: &str) -> Result<Self, PartnerError> {
        Self::read(text).ok_or(PartnerError::Field {
            field: "period",
            detail: "must be a month such as 2026-02 or a quarter such as 2026-Q1",
        })
    }

    fn read(text: &str) -> Option<Self> {
        let (year, part) = text.split_once('-').filter(|_| text.len() == 7)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (month, length) = match part.strip_prefix('Q') {
            Some(quarter) => {
                let quarter: u32 = quarter.parse().ok()?;
                ((1..=4).contains(&quarter).then(|| quarter * 3 - 2)?, 3)
            }
            None => (Some(part).filter(|part| digits(part))?.parse().ok()?, 1),
        };
        let year = Some(year).filter(|year| digits(year) && year.len() == 4)?.parse().ok()?;
        let start = NaiveDate::from_ymd_opt(year, month, 1)?;
        let end = start.checked_add_months(Months::new(length))?;
        Some(Self { text: text.to_owned(), end: end.and_time(NaiveTime::MIN).and_utc() })
    }
}

/// What is done to a payout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Approve,
    Reject { notes: String },
    MarkPaid { method: Method, reference: String },
}

impl Step {
    pub(crate) fn reject(notes: &str) -> Result<Self, PartnerError> {
        let notes = text("notes", notes)?;
        if notes.is_empty() {
            return Err(PartnerError::Field { field: "notes", detail: "must say why" });
        }
        Ok(Self::Reject { notes })
    }

    pub(crate) fn mark_paid(method: Method, reference: &str) -> Result<Self, PartnerError> {
        if !method.is_manual() {
            return Err(PartnerError::NotManual(method));
        }
        let reference = reference.trim();
        if reference.is_empty() || MAX_REFERENCE < reference.chars().count() {
            let detail = "must have 1 to 255 characters";
            return Err(PartnerError::Field { field: "reference", detail });
        }
        Ok(Self::MarkPaid { method, reference: reference.to_owned() })
    }

    pub(crate) fn from(&self) -> PayoutState {
        match self {
            Self::Approve | Self::Reject { .. } => PayoutState::PendingApproval,
            Self::MarkPaid { .. } => PayoutState::Approved,
        }
    }

    pub(crate) fn to(&self) -> PayoutState {
        match self {
            Self::Approve => PayoutState::Approved,
            Self::Reject { .. } => PayoutState::Rejected,
            Self::MarkPaid { .. } => PayoutState::Paid,
        }
    }

    /// Takes the step, or says why it cannot be taken.
    pub(crate) fn take(
        &self,
        before: &PartnerPayout,
        by: MemberId,
        now: Timestamp,
    ) -> Result<PartnerPayout, PartnerError> {
        let payout = &before.payout;
        if payout.state != self.from() || before.source == Source::Issue {
            let allowed = if before.source == Source::Issue { &[] } else { next(payout.state) };
            let words: Vec<_> = allowed.iter().map(|state| state.as_str()).collect();
            return Err(PartnerError::Transition {
                from: payout.state.as_str(),
                to: self.to().as_str(),
                allowed: words.join(","),
            });
        }
        // Who may gain by a step must not take it; rejecting gains nobody anything (rule 8).
        let gains = matches!(self, Self::Approve | Self::MarkPaid { .. });
        if gains && payout.payee == by {
            return Err(PartnerError::SelfApproval(payout.id));
        }
        let mut after = before.clone();
        after.payout.state = self.to();
        after.payout.version += 1;
        after.payout.updated_at = now;
        match self {
            Self::Approve => (after.approved_by, after.approved_at) = (Some(by), Some(now)),
            Self::Reject { notes } => after.rejection.clone_from(notes),
            Self::MarkPaid { method, reference } => {
                after.payout.method = Some(*method);
                after.payout.reference.clone_from(reference);
                after.payout.paid_at = Some(now);
            }
        }
        Ok(after)
    }
}

/// Where a partner's payout can go.
fn next(state: PayoutState) -> &'static [PayoutState] {
    match state {
        PayoutState::PendingApproval => &[PayoutState::Approved, PayoutState::Rejected],
        PayoutState::Approved => &[PayoutState::Paid],
        PayoutState::Processing
        | PayoutState::Paid
        | PayoutState::Rejected
        | PayoutState::Cancelled
        | PayoutState::Failed
        | PayoutState::Unknown
        | PayoutState::Returned
        | PayoutState::Void => &[],
    }
}

/// Checks the payouts of a bulk approval.
pub(crate) fn check_bulk(ids: &[PayoutId]) -> Result<(), PartnerError> {
    if ids.is_empty() || MAX_BULK < ids.len() {
        return Err(PartnerError::Count);
    }
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(PartnerError::Twice(pair[0])),
        None => Ok(()),
    }
}

/// Reads a text that people wrote.
pub(crate) fn text(field: &'static str, text: &str) -> Result<String, PartnerError> {
    let text = text.trim();
    if MAX_NOTES < text.chars().count() {
        return Err(PartnerError::Field { field, detail: "must have at most 2,000 characters" });
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
