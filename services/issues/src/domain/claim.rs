//! A claim: one member's reservation of a bounty.
//!
//! ```text
//! active ─▶ submitted ─▶ accepted | rejected ; active ─▶ expired | abandoned
//! ```
//! Where a review is taken back, the claim follows: accepted and rejected lead back as it does.

use chrono::TimeDelta;
use quittance_kernel::{BountyId, ClaimId, IssueId, MemberId, Timestamp};

use super::review::Stand;
use super::status::InvalidTransition;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimState {
    Active,
    Submitted,
    Accepted,
    Rejected,
    Expired,
    Abandoned,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub id: ClaimId,
    pub bounty: BountyId,
    pub member: MemberId,
    pub state: ClaimState,
    pub expires_at: Timestamp,
    pub issue: Option<IssueId>,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl ClaimState {
    const ALL: [Self; 6] = [
        Self::Active,
        Self::Submitted,
        Self::Accepted,
        Self::Rejected,
        Self::Expired,
        Self::Abandoned,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Submitted => "submitted",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Abandoned => "abandoned",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Where the claim of a submission stands while its review stands there.
    #[must_use]
    pub fn of_review(stand: Stand) -> Self {
        match stand {
            Stand::Pending => Self::Submitted,
            Stand::Approved => Self::Accepted,
            Stand::Rejected => Self::Rejected,
        }
    }
}

/// When a claim that is made now expires.
#[must_use]
pub fn expiry(now: Timestamp, days: i64) -> Timestamp {
    now.checked_add_signed(TimeDelta::days(days)).unwrap_or(Timestamp::MAX_UTC)
}

impl Claim {
    /// Where it stands at an instant: nobody has to have written down that it expired. The end of
    /// its time is not part of it (rule 17).
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> ClaimState {
        let expired = self.state == ClaimState::Active && self.expires_at <= now;
        if expired { ClaimState::Expired } else { self.state }
    }

    /// Gives it up.
    pub fn abandon(self, now: Timestamp) -> Result<Self, InvalidTransition> {
        let state = self.state_at(now);
        if state == ClaimState::Active {
            return Ok(Self { state: ClaimState::Abandoned, ..self });
        }
        let (from, to) = (state.as_str(), ClaimState::Abandoned.as_str());
        Err(InvalidTransition { from, to, allowed: Vec::new() })
    }

    /// Hands work in for it.
    #[must_use]
    pub fn hand_in(self, issue: IssueId) -> Self {
        Self { state: ClaimState::Submitted, issue: Some(issue), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Claim {
        let noon = "2026-05-08T12:00:00Z".parse().unwrap();
        Claim {
            id: ClaimId::new(),
            bounty: BountyId::new(),
            member: MemberId::new(),
            state: ClaimState::Active,
            expires_at: expiry(noon, 14),
            issue: None,
            version: 1,
            created_at: noon,
            updated_at: noon,
        }
    }

    #[test]
    fn a_claim_expires_by_itself_at_the_end_of_its_days() {
        let last: Timestamp = "2026-05-22T11:59:59.999999Z".parse().unwrap();
        let end: Timestamp = "2026-05-22T12:00:00Z".parse().unwrap();
        assert_eq!(claim().state_at(last), ClaimState::Active);
        assert_eq!(claim().state_at(end), ClaimState::Expired);
        assert!(claim().abandon(last).is_ok());
        assert_eq!(claim().abandon(end).unwrap_err().from, "expired");
        let handed_in = claim().hand_in(IssueId::new());
        assert_eq!(handed_in.state_at(end), ClaimState::Submitted);
        assert!(handed_in.abandon(last).is_err());
    }

    #[test]
    fn a_claim_follows_the_review() {
        let states = [Stand::Pending, Stand::Approved, Stand::Rejected].map(ClaimState::of_review);
        assert_eq!(states, [ClaimState::Submitted, ClaimState::Accepted, ClaimState::Rejected]);
        for state in ClaimState::ALL {
            assert_eq!(ClaimState::parse(state.as_str()), Some(state));
        }
    }
}
