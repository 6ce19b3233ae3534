//! Partners, their payouts and commissions, between the domain and the wire.

use chrono::DateTime;
use prost_types::Timestamp as ProtoTime;
use quittance_chassis::problem::invalid;
use quittance_kernel::{Money, PayoutId, Timestamp, TimestampExt};
use quittance_proto::common::v1 as common;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::commission_rate::Rate as WireRate;
use tonic::Status;

use super::convert::{self, money, time};
use crate::app::{Created, Error, Moved, Summary};
use crate::domain::commission::{Attribution, Group, MAX_HOLDING, Rate, Rule};
use crate::domain::partner::{PartnerError, PartnerPayout, Period};
use crate::domain::payout::PayoutState;
use crate::store::partner_read::{Filter, Partner, Stat};

/// Reads an amount above zero. `field` is where it stands.
pub(super) fn amount(field: &'static str, amount: Option<common::Money>) -> Result<Money, Status> {
    let amount = amount.ok_or_else(|| invalid(field, "must be given"))?;
    let unknown = || Error::from(PartnerError::Currency(cut(&amount.currency_code)));
    let currency = amount.currency_code.parse().map_err(|_| unknown())?;
    Ok(Money::positive(amount.minor_units, currency)
        .map_err(|_| Error::from(PartnerError::Amount { field }))?)
}

/// Texts of others are not repeated whole.
fn cut(text: &str) -> String {
    text.chars().take(16).collect()
}

/// Reads an instant, which must be given.
pub(super) fn instant(field: &str, time: Option<ProtoTime>) -> Result<Timestamp, Status> {
    let time = time.ok_or_else(|| invalid(field, "must be given"))?;
    let nanos = u32::try_from(time.nanos).ok();
    nanos
        .and_then(|nanos| DateTime::from_timestamp(time.seconds, nanos))
        // What every database can hold.
        .filter(|time| (1970..=9000).contains(&chrono::Datelike::year(time)))
        .map(TimestampExt::to_micros)
        .ok_or_else(|| invalid(field, "is out of range"))
}

/// Reads a period that may be left out.
pub(super) fn optional_period(text: &str) -> Result<Option<Period>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    Ok(Some(Period::parse(text).map_err(Error::from)?))
}

/// Reads which payouts are wanted.
pub(super) fn filter(filter: Option<proto::PartnerPayoutFilter>) -> Result<Filter, Status> {
    let filter = filter.unwrap_or_default();
    let query = filter.query.trim();
    if 200 < query.chars().count() {
        return Err(invalid("query", "must have at most 200 characters"));
    }
    let currency = match filter.currency_code.as_str() {
        "" => None,
        code => {
            let unknown = || Error::from(PartnerError::Currency(cut(code)));
            Some(code.parse().map_err(|_| unknown())?)
        }
    };
    Ok(Filter {
        state: convert::optional_state("state", filter.state)?,
        partner: convert::optional_id("partner_id", &filter.partner_id)?,
        period: optional_period(&filter.period)?.map(|period| period.text),
        currency,
        query: Some(query.to_owned()).filter(|query| !query.is_empty()),
    })
}

/// Reads what a sale earns.
pub(super) fn rate(rate: Option<proto::CommissionRate>) -> Result<Rate, Status> {
    match rate.and_then(|rate| rate.rate) {
        Some(WireRate::BasisPoints(points)) => {
            Ok(Rate::basis_points(points.into()).map_err(Error::from)?)
        }
        Some(WireRate::Flat(flat)) => Ok(Rate::Flat(amount("rate.flat.minor_units", Some(flat))?)),
        None => Err(invalid("rate", "must be a share or a fixed amount")),
    }
}

/// Reads for how many days commissions are held back.
pub(super) fn holding(days: i32) -> Result<i64, Status> {
    let days = i64::from(days);
    if (0..=MAX_HOLDING).contains(&days) {
        Ok(days)
    } else {
        Err(invalid("holding_days", "must be between 0 and 365"))
    }
}

/// Reads the payouts of a bulk approval.
pub(super) fn payout_ids(ids: &[String]) -> Result<Vec<PayoutId>, Status> {
    let read = |(place, text): (usize, &String)| convert::id(&format!("payout_ids[{place}]"), text);
    ids.iter().enumerate().map(read).collect()
}

/// A payout with what is known of a partner's besides.
pub(super) fn payout(of: &PartnerPayout) -> proto::PartnerPayout {
    proto::PartnerPayout {
        payout: Some(convert::payout(of.payout.clone())),
        partner_name: of.name.clone(),
        period: of.period.clone(),
        notes: of.notes.clone(),
        source: of.source.as_str().to_owned(),
        approved_by: of.approved_by.map(|member| member.to_string()).unwrap_or_default(),
        approve_time: of.approved_at.map(time),
        rejection: of.rejection.clone(),
    }
}

/// The payout of an answer about one.
pub(super) fn moved(moved: &[Moved]) -> Option<proto::PartnerPayout> {
    moved.first().and_then(|(_, result)| result.as_ref().ok()).map(payout)
}

/// What became of each payout of a bulk approval.
pub(super) fn bulk(moved: &[Moved], applied: bool) -> proto::BulkApprovePartnerPayoutsResponse {
    let result = |(id, result): &Moved| {
        let (state, code, detail) = match result {
            Ok(payout) if applied => (payout.payout.state, "", String::new()),
            Ok(_) => {
                let detail = "it could be approved, but not all of them can";
                (PayoutState::PendingApproval, "NOT_APPLIED", detail.to_owned())
            }
            Err(error) => {
                let (code, detail) = (error.reason().to_owned(), error.to_string());
                let payout_id = id.to_string();
                return proto::BulkApproveResult { payout_id, code, detail, ..Default::default() };
            }
        };
        proto::BulkApproveResult {
            payout_id: id.to_string(),
            ok: applied,
            state: convert::wire_state(state).into(),
            code: code.to_owned(),
            detail,
        }
    };
    let results = moved.iter().map(result).collect();
    proto::BulkApprovePartnerPayoutsResponse { results, applied }
}

/// Payouts by state and currency.
pub(super) fn stats(stats: &[Stat]) -> proto::GetPayoutStatsResponse {
    let stat = |stat: &Stat| proto::PayoutStat {
        state: convert::wire_state(stat.state).into(),
        total: Some(convert::total(stat.sum, stat.count)),
    };
    proto::GetPayoutStatsResponse { states: stats.iter().map(stat).collect() }
}

/// Somebody who was credited.
pub(super) fn partner(partner: Partner) -> proto::Partner {
    proto::Partner {
        partner_id: partner.id.to_string(),
        name: partner.name,
        create_time: Some(time(partner.created_at)),
    }
}

/// What a partner was paid and waits for.
pub(super) fn summary(summary: Summary) -> proto::GetPartnerSummaryResponse {
    let mut totals = std::collections::BTreeMap::<&str, proto::PartnerTotal>::new();
    for stat in &summary.stats {
        let code = stat.sum.currency().code();
        let total = totals.entry(code).or_default();
        code.clone_into(&mut total.currency_code);
        match stat.state {
            PayoutState::Paid => total.earned_minor += stat.sum.minor(),
            PayoutState::PendingApproval => total.pending_minor += stat.sum.minor(),
            PayoutState::Approved
            | PayoutState::Processing
            | PayoutState::Failed
            | PayoutState::Unknown => total.approved_minor += stat.sum.minor(),
            PayoutState::Rejected
            | PayoutState::Cancelled
            | PayoutState::Returned
            | PayoutState::Void => {}
        }
    }
    proto::GetPartnerSummaryResponse {
        partner_id: summary.partner.id.to_string(),
        name: summary.partner.name,
        totals: totals.into_values().collect(),
        payout_count: summary.stats.iter().map(|stat| stat.count).sum(),
        last_payout_time: summary.stats.iter().filter_map(|stat| stat.last_paid).max().map(time),
    }
}

fn wire_rate(rate: Rate) -> proto::CommissionRate {
    let rate = match rate {
        Rate::BasisPoints(points) => {
            WireRate::BasisPoints(i32::try_from(points).unwrap_or(i32::MAX))
        }
        Rate::Flat(amount) => WireRate::Flat(money(amount)),
    };
    proto::CommissionRate { rate: Some(rate) }
}

/// A commission rule.
pub(super) fn rule(rule: &Rule) -> proto::CommissionRule {
    proto::CommissionRule {
        rule_id: rule.id.to_string(),
        partner_id: rule.partner.map(|id| id.to_string()).unwrap_or_default(),
        product_id: rule.product.map(|id| id.to_string()).unwrap_or_default(),
        rate: Some(wire_rate(rule.rate)),
        holding_days: i32::try_from(rule.holding_days).unwrap_or(i32::MAX),
        create_time: Some(time(rule.created_at)),
    }
}

/// A sale credited to a partner.
pub(super) fn attribution(of: &Attribution) -> proto::Attribution {
    let currency = of.amount.currency();
    proto::Attribution {
        attribution_id: of.id.to_string(),
        external_id: of.external_id.clone(),
        partner_id: of.partner.to_string(),
        product_id: of.product.map(|id| id.to_string()).unwrap_or_default(),
        amount: Some(money(of.amount)),
        occur_time: Some(time(of.occurred_at)),
        refunded: Some(money(Money::signed(of.refunded, currency))),
        commission: Some(money(Money::signed(of.commission, currency))),
        rate: Some(wire_rate(of.rate)),
        payable_time: Some(time(of.payable_at)),
        version: of.version,
        create_time: Some(time(of.created_at)),
        update_time: Some(time(of.updated_at)),
    }
}

/// Commissions that no payout covers.
pub(super) fn pending(group: &Group) -> proto::PendingCommission {
    proto::PendingCommission {
        partner_id: group.partner.to_string(),
        net: Some(money(group.net)),
        count: i64::try_from(group.commissions.len()).unwrap_or(i64::MAX),
        clawback_minor: group.clawback,
    }
}

/// What came of the commissions of a period.
pub(super) fn created(created: &Created) -> proto::CreateCommissionPayoutsResponse {
    proto::CreateCommissionPayoutsResponse {
        payouts: created.payouts.iter().map(payout).collect(),
        carried_over: created.carried.iter().map(pending).collect(),
        more: created.more,
    }
}
