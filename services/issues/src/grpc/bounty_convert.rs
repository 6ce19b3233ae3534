//! Bounties, claims and pools between the domain and the wire.

use quittance_kernel::{Currency, MoneyError};
use quittance_proto::issues::v1 as proto;

use super::convert::{money, time};
use crate::app::Terms;
use crate::domain::bounty::{Bounty, BountyStatus, ClaimMode, RewardType};
use crate::domain::claim::{Claim, ClaimState};
use crate::domain::pool::Pool;
use crate::domain::status::is_verified;
use crate::domain::text::FieldError;
use crate::error::Error;
use quittance_kernel::Timestamp;

fn unknown(field: &str) -> Error {
    FieldError::new(field, "must be one of the values of its type").into()
}

/// Reads a reward type; none when it is left out.
pub(super) fn reward_type(value: i32) -> Result<Option<RewardType>, Error> {
    Ok(match proto::RewardType::try_from(value).map_err(|_| unknown("reward_type"))? {
        proto::RewardType::Unspecified => None,
        proto::RewardType::ProfitShare => Some(RewardType::ProfitShare),
        proto::RewardType::FixedPayment => Some(RewardType::FixedPayment),
    })
}

/// Reads a claim mode; none when it is left out.
pub(super) fn claim_mode(value: i32) -> Result<Option<ClaimMode>, Error> {
    Ok(match proto::ClaimMode::try_from(value).map_err(|_| unknown("claim_mode"))? {
        proto::ClaimMode::Unspecified => None,
        proto::ClaimMode::Single => Some(ClaimMode::Single),
        proto::ClaimMode::Multiple => Some(ClaimMode::Multiple),
    })
}

/// Reads a status; none when it is left out.
pub(super) fn bounty_status(value: i32) -> Result<Option<BountyStatus>, Error> {
    Ok(match proto::BountyStatus::try_from(value).map_err(|_| unknown("status"))? {
        proto::BountyStatus::Unspecified => None,
        proto::BountyStatus::Draft => Some(BountyStatus::Draft),
        proto::BountyStatus::Open => Some(BountyStatus::Open),
        proto::BountyStatus::Closed => Some(BountyStatus::Closed),
        proto::BountyStatus::Cancelled => Some(BountyStatus::Cancelled),
    })
}

/// Reads a currency; none when it is left out.
pub(super) fn currency(code: &str) -> Result<Option<Currency>, Error> {
    let field = "currency_code";
    let refused = |error: MoneyError| Error::Money { field, error };
    if code.is_empty() { Ok(None) } else { code.parse().map(Some).map_err(refused) }
}

fn kind(kind: RewardType) -> proto::RewardType {
    match kind {
        RewardType::ProfitShare => proto::RewardType::ProfitShare,
        RewardType::FixedPayment => proto::RewardType::FixedPayment,
    }
}

pub(super) fn bounty(bounty: &Bounty) -> proto::Bounty {
    let status = match bounty.status {
        BountyStatus::Draft => proto::BountyStatus::Draft,
        BountyStatus::Open => proto::BountyStatus::Open,
        BountyStatus::Closed => proto::BountyStatus::Closed,
        BountyStatus::Cancelled => proto::BountyStatus::Cancelled,
    };
    let mode = match bounty.mode {
        ClaimMode::Single => proto::ClaimMode::Single,
        ClaimMode::Multiple => proto::ClaimMode::Multiple,
    };
    proto::Bounty {
        bounty_id: bounty.id.to_string(),
        number: bounty.spoken(),
        product_id: bounty.product.to_string(),
        title: bounty.title.clone(),
        description: bounty.description.clone(),
        status: status.into(),
        reward_type: kind(bounty.reward.kind()).into(),
        points: bounty.reward.points(),
        value: bounty.reward.value().map(money),
        claim_mode: mode.into(),
        max_claims: bounty.max_claims,
        claim_expiry_days: bounty.expiry_days,
        evidence_description: bounty.evidence.clone(),
        version: bounty.version,
        create_time: Some(time(bounty.created_at)),
        update_time: Some(time(bounty.updated_at)),
        reward_label: bounty.reward.label(),
        claim_count: bounty.claims,
        claims: Vec::new(),
    }
}

/// A bounty with its claims, as they stand at an instant.
pub(super) fn whole(found: &Bounty, claims: &[Claim], now: Timestamp) -> proto::Bounty {
    let claims = claims.iter().map(|of| claim_at(of, now)).collect();
    proto::Bounty { claims, ..bounty(found) }
}

/// A claim as it was just written.
pub(super) fn claim(claim: &Claim) -> proto::Claim {
    claim_at(claim, claim.updated_at)
}

fn claim_at(claim: &Claim, now: Timestamp) -> proto::Claim {
    let status = match claim.state_at(now) {
        ClaimState::Active => proto::ClaimStatus::Active,
        ClaimState::Submitted => proto::ClaimStatus::Submitted,
        ClaimState::Accepted => proto::ClaimStatus::Accepted,
        ClaimState::Rejected => proto::ClaimStatus::Rejected,
        ClaimState::Expired => proto::ClaimStatus::Expired,
        ClaimState::Abandoned => proto::ClaimStatus::Abandoned,
    };
    proto::Claim {
        claim_id: claim.id.to_string(),
        bounty_id: claim.bounty.to_string(),
        member_id: claim.member.to_string(),
        status: status.into(),
        expire_time: Some(time(claim.expires_at)),
        issue_id: claim.issue.map(|issue| issue.to_string()).unwrap_or_default(),
        version: claim.version,
        create_time: Some(time(claim.created_at)),
        update_time: Some(time(claim.updated_at)),
    }
}

pub(super) fn terms(terms: &Terms) -> proto::GetSubmissionTermsResponse {
    let Terms { issue, bounty, fee_bps, gate } = terms;
    proto::GetSubmissionTermsResponse {
        issue_id: issue.id.to_string(),
        bounty_id: bounty.id.to_string(),
        product_id: issue.product.to_string(),
        reporter_id: issue.reporter.to_string(),
        reward_type: kind(bounty.reward.kind()).into(),
        value: bounty.reward.value().map(money),
        approved: issue.review.amount().map(money),
        platform_fee_bps: *fee_bps,
        version: issue.version,
        cycle_id: issue.cycle.to_string(),
        gate: *gate,
        verified: is_verified(issue.status),
        decided_by: issue
            .review
            .decision()
            .map(|decision| decision.by.to_string())
            .unwrap_or_default(),
    }
}

pub(super) fn pool(pool: &Pool) -> proto::RewardPool {
    let standings = pool.standings.iter().map(|standing| proto::Standing {
        member_id: standing.member.to_string(),
        member_name: standing.name.clone(),
        points: standing.points,
        share_bps: pool.share_bps(standing.points),
    });
    let expansions = pool.expansions.iter().map(|expansion| proto::PoolExpansion {
        before_points: expansion.before,
        after_points: expansion.after,
        issue_id: expansion.issue.to_string(),
        create_time: Some(time(expansion.at)),
    });
    proto::RewardPool {
        product_id: pool.product.to_string(),
        capacity_points: pool.capacity,
        granted_points: pool.granted,
        effective_points: pool.effective(),
        platform_fee_bps: pool.fee_bps,
        standings: standings.collect(),
        expansions: expansions.collect(),
    }
}
