//! Money that is taken from whoever pays for a product.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `charge.succeeded`, `.failed` and `.refunded`: the parts add up to the total.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChargeState {
    pub charge_id: Uuid,
    pub version: i64,
    /// `payout`, `top_up` or `escrow`.
    pub purpose: String,
    /// The payout, the top-up or the escrow that it is for.
    pub subject_id: Uuid,
    pub product_id: Uuid,
    /// Who has caused it.
    pub payer_id: Uuid,
    /// `succeeded`, `declined`, `failed_retryable` or `refunded`.
    pub status: String,
    /// The first for its subject, or a later one.
    pub number: i64,
    pub currency: String,
    pub value_minor: i64,
    pub tip_minor: i64,
    pub platform_fee_minor: i64,
    pub processor_fee_minor: i64,
    pub rounding_minor: i64,
    pub total_minor: i64,
    pub refunded_minor: i64,
    /// The provider's name of it.
    pub reference: String,
    /// Why it failed.
    pub reason: String,
}

/// `pre_fund.drawn`, `.returned` and `.low`: what a product has paid in advance, used for a payout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PreFundMove {
    pub move_id: Uuid,
    /// 1 when drawn, 2 when it is back.
    pub version: i64,
    pub product_id: Uuid,
    pub payout_id: Uuid,
    /// `drawn` or `returned`.
    pub status: String,
    pub currency: String,
    /// With the tip.
    pub value_minor: i64,
    pub platform_fee_minor: i64,
    /// What is left.
    pub balance_minor: i64,
    /// Below which it counts as low.
    pub low_minor: i64,
}
