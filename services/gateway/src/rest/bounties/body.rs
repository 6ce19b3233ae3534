//! What a client sends of a bounty.

use quittance_proto::issues::v1 as wire;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::rest::shapes::Patch;
use crate::words::{BountyStatus, ClaimMode, RewardType};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewBounty {
    #[schema(value_type = RewardType)]
    reward_type: Option<RewardType>,
    title: String,
    description: Option<String>,
    /// Only for `PROFIT_SHARE`; null is the backlog.
    points: Option<i64>,
    /// Only for `FIXED_PAYMENT`; at least five dollars, or about as much in another currency.
    value_minor: Option<i64>,
    /// `USD` when absent.
    currency: Option<String>,
    /// `SINGLE` when absent.
    claim_mode: Option<ClaimMode>,
    /// Only for `MULTIPLE`: how many may hold a claim or be accepted.
    max_claims: Option<i64>,
    /// 14 when absent.
    claim_expiry_days: Option<i64>,
    /// What a submission has to show.
    evidence_description: Option<String>,
    /// `draft` or `open`; `open` when absent.
    status: Option<BountyStatus>,
}

impl NewBounty {
    pub(super) fn message(
        self,
        product: Uuid,
        key: &IdempotencyKey,
    ) -> Result<wire::CreateBountyRequest, Problem> {
        let kind = self.reward_type.ok_or_else(|| Problem::required("rewardType"))?;
        Ok(wire::CreateBountyRequest {
            request_id: key.request_id(),
            product_id: product.to_string(),
            reward_type: kind.number(),
            title: self.title,
            description: self.description.unwrap_or_default(),
            points: self.points,
            value_minor: self.value_minor,
            currency_code: self.currency.unwrap_or_default(),
            claim_mode: self.claim_mode.map(ClaimMode::number).unwrap_or_default(),
            max_claims: self.max_claims,
            claim_expiry_days: self.claim_expiry_days,
            evidence_description: self.evidence_description.unwrap_or_default(),
            status: self.status.map(BountyStatus::number).unwrap_or_default(),
        })
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BountyChange {
    title: Option<String>,
    description: Option<String>,
    status: Option<BountyStatus>,
    reward_type: Option<RewardType>,
    /// Null takes the points away.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    points: Patch<i64>,
    /// Null takes the value away.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    value_minor: Patch<i64>,
    currency: Option<String>,
    max_claims: Option<i64>,
    claim_expiry_days: Option<i64>,
    evidence_description: Option<String>,
}

fn parts(patch: Patch<i64>) -> (Option<i64>, bool) {
    match patch {
        Patch::Absent => (None, false),
        Patch::Null => (None, true),
        Patch::Value(value) => (Some(value), false),
    }
}

impl BountyChange {
    pub(super) fn message(
        self,
        id: Uuid,
        version: i64,
        key: &IdempotencyKey,
    ) -> wire::UpdateBountyRequest {
        let (points, clear_points) = parts(self.points);
        let (value_minor, clear_value) = parts(self.value_minor);
        wire::UpdateBountyRequest {
            request_id: key.request_id(),
            bounty_id: id.to_string(),
            version,
            title: self.title,
            description: self.description,
            status: self.status.map(BountyStatus::number).unwrap_or_default(),
            reward_type: self.reward_type.map(RewardType::number).unwrap_or_default(),
            points,
            clear_points,
            value_minor,
            clear_value,
            currency_code: self.currency.unwrap_or_default(),
            max_claims: self.max_claims,
            claim_expiry_days: self.claim_expiry_days,
            evidence_description: self.evidence_description,
        }
    }
}
