//! Bounties, claims to them and points.

use quittance_kernel::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `bounty.created`, `.updated` and `.closed`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BountyState {
    pub bounty_id: Uuid,
    pub version: i64,
    pub number: String,
    pub product_id: Uuid,
    pub title: String,
    /// `draft`, `open`, `closed` or `cancelled`.
    pub status: String,
    /// `PROFIT_SHARE` or `FIXED_PAYMENT`.
    pub reward_type: String,
    /// Absent in the backlog, and of a fixed payment.
    pub points: Option<i64>,
    pub value_minor: Option<i64>,
    pub currency: Option<String>,
    /// `SINGLE` or `MULTIPLE`.
    pub claim_mode: String,
    pub max_claims: Option<i64>,
    pub claim_expiry_days: i64,
}

/// `claim.created`, `.updated` and `.expired`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimState {
    pub claim_id: Uuid,
    pub version: i64,
    pub bounty_id: Uuid,
    pub member_id: Uuid,
    /// `active`, `submitted`, `accepted`, `rejected`, `expired` or `abandoned`.
    pub status: String,
    pub expires_at: Timestamp,
    /// The work that was handed in for it.
    pub issue_id: Option<Uuid>,
}

/// `points.granted` and `.revoked`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PointsState {
    pub grant_id: Uuid,
    /// 1 when granted, 2 when revoked.
    pub version: i64,
    pub product_id: Uuid,
    pub bounty_id: Uuid,
    pub issue_id: Uuid,
    pub member_id: Uuid,
    pub points: i64,
    pub capacity_points: i64,
    /// All points of the product after it.
    pub granted_points: i64,
}

/// One member's part of a profit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProfitAllocation {
    pub member_id: Uuid,
    pub points: i64,
    pub amount_minor: i64,
    /// What the platform keeps of the amount.
    pub platform_fee_minor: i64,
    /// Absent where there is nothing to pay.
    pub payout_id: Option<Uuid>,
}

/// `profit_period.distributed`: allocations and residual add up to the total.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProfitPeriodState {
    pub profit_period_id: Uuid,
    pub version: i64,
    pub product_id: Uuid,
    /// `2026-02` or `2026-Q1`.
    pub period: String,
    pub currency: String,
    pub profit_minor: i64,
    pub pool_bps: i64,
    pub total_minor: i64,
    /// What stays with the founder.
    pub residual_minor: i64,
    pub effective_points: i64,
    pub allocations: Vec<ProfitAllocation>,
}
