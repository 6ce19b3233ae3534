//! What a client sends about a cycle.

use quittance_proto::issues::v1 as wire;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::PayoutRates;
use crate::idempotency::IdempotencyKey;
use crate::rest::shapes::Patch;
use crate::words::CycleStatus;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewCycle {
    product_id: Uuid,
    name: String,
    /// Null or absent follows the product.
    requires_verification: Option<bool>,
    payout_rates: Option<PayoutRates>,
    lead_ids: Option<Vec<Uuid>>,
    member_ids: Option<Vec<Uuid>>,
}

impl NewCycle {
    pub(super) fn message(self, key: &IdempotencyKey) -> wire::CreateCycleRequest {
        wire::CreateCycleRequest {
            request_id: key.request_id(),
            product_id: self.product_id.to_string(),
            name: self.name,
            gate: gate(self.requires_verification.map_or(Patch::Null, Patch::Value)).into(),
            payout_rates: self.payout_rates.map(wire::PayoutRates::from),
            lead_ids: texts(&self.lead_ids.unwrap_or_default()),
            member_ids: texts(&self.member_ids.unwrap_or_default()),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CycleChange {
    name: Option<String>,
    status: Option<CycleStatus>,
    /// Null follows the product; absent leaves it as it is.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    requires_verification: Patch<bool>,
    /// Null takes the overrides away; absent leaves them as they are.
    #[serde(default)]
    #[schema(value_type = Option<PayoutRates>)]
    payout_rates: Patch<PayoutRates>,
    lead_ids: Option<Vec<Uuid>>,
    member_ids: Option<Vec<Uuid>>,
}

impl CycleChange {
    pub(super) fn message(
        self,
        id: Uuid,
        version: i64,
        key: &IdempotencyKey,
    ) -> wire::UpdateCycleRequest {
        let (payout_rates, clear_payout_rates) = match self.payout_rates {
            Patch::Absent => (None, false),
            Patch::Null => (None, true),
            Patch::Value(rates) => (Some(rates.into()), false),
        };
        wire::UpdateCycleRequest {
            request_id: key.request_id(),
            cycle_id: id.to_string(),
            version,
            name: self.name,
            status: self.status.map(CycleStatus::number).unwrap_or_default(),
            gate: gate(self.requires_verification).into(),
            payout_rates,
            clear_payout_rates,
            leads: self.lead_ids.as_deref().map(people),
            members: self.member_ids.as_deref().map(people),
        }
    }
}

impl From<PayoutRates> for wire::PayoutRates {
    fn from(rates: PayoutRates) -> Self {
        Self {
            critical: rates.critical,
            high: rates.high,
            medium: rates.medium,
            low: rates.low,
            currency_code: rates.currency.unwrap_or_default(),
        }
    }
}

/// Turns the three positions of the switch, and "leave it", into the word of the service.
pub(super) fn gate(setting: Patch<bool>) -> wire::GateSetting {
    match setting {
        Patch::Absent => wire::GateSetting::Unspecified,
        Patch::Null => wire::GateSetting::Inherit,
        Patch::Value(true) => wire::GateSetting::Required,
        Patch::Value(false) => wire::GateSetting::NotRequired,
    }
}

fn people(ids: &[Uuid]) -> wire::MemberList {
    wire::MemberList { member_ids: texts(ids) }
}

fn texts(ids: &[Uuid]) -> Vec<String> {
    ids.iter().map(Uuid::to_string).collect()
}
