//! Charges and what was paid in advance, as the ledger understands them: each part of a charge is a
//! source of its own, so that fees can be seen.

use quittance_events::{ChargeState, PreFundMove};
use quittance_kernel::{Currency, MemberId, Method, Money};
use uuid::Uuid;

use super::version;
use crate::app::Change;
use crate::domain::{Source, Stage};

/// Whatever a charge was for, its parts are where they belong once it succeeded, and nowhere before
/// and after.
pub(super) fn charge(told: &ChargeState) -> Result<Vec<Change>, String> {
    let taken = told.status == "succeeded";
    let net = match told.purpose.as_str() {
        "payout" => Stage::Charged,
        "top_up" => Stage::PreFunded,
        other => return Err(format!("a charge cannot be for {other:?}")),
    };
    let value = told.value_minor.checked_add(told.tip_minor).ok_or("a charge is out of range")?;
    let parts = [
        (net, value),
        (Stage::PlatformFee, told.platform_fee_minor),
        (Stage::ProcessorFee, told.processor_fee_minor),
        (Stage::Rounding, told.rounding_minor),
    ];
    let parts = parts.map(|(stage, minor)| (if taken { stage } else { Stage::None }, minor));
    sources(told.charge_id, told.version, told.payer_id, &told.currency, &parts)
}

/// What was paid in advance and is used for a payout, or is back.
pub(super) fn drawn(told: &PreFundMove) -> Result<Vec<Change>, String> {
    let drawn = told.status == "drawn";
    let parts = [(Stage::Drawn, told.value_minor), (Stage::DrawnFee, told.platform_fee_minor)];
    let parts = parts.map(|(stage, minor)| (if drawn { stage } else { Stage::None }, minor));
    sources(told.move_id, told.version, Uuid::nil(), &told.currency, &parts)
}

/// The source of each part has an id that follows from that of the whole.
fn sources(
    id: Uuid,
    told: i64,
    payer: Uuid,
    code: &str,
    parts: &[(Stage, i64)],
) -> Result<Vec<Change>, String> {
    let currency: Currency =
        code.parse().map_err(|error: quittance_kernel::MoneyError| error.to_string())?;
    let version = version(told)?;
    let change = |(place, (stage, minor)): (u128, &(Stage, i64))| {
        let source = Source {
            version,
            stage: *stage,
            payee: MemberId(payer),
            amount: Money::signed(*minor, currency),
            method: Some(Method::Stripe),
        };
        Change::Source(Uuid::from_u128(id.as_u128() ^ place), source)
    };
    Ok((0..).zip(parts).map(change).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: &str) -> ChargeState {
        ChargeState {
            charge_id: Uuid::now_v7(),
            version: 3,
            purpose: "payout".to_owned(),
            subject_id: Uuid::now_v7(),
            product_id: Uuid::now_v7(),
            payer_id: Uuid::now_v7(),
            status: status.to_owned(),
            number: 1,
            currency: "USD".to_owned(),
            value_minor: 50_000,
            tip_minor: 0,
            platform_fee_minor: 5_000,
            processor_fee_minor: 1_674,
            rounding_minor: 0,
            total_minor: 56_674,
            refunded_minor: 0,
            reference: "py_1".to_owned(),
            reason: String::new(),
        }
    }

    /// INC-34: each part of the 566.74 stands on an account of its own.
    #[test]
    fn every_part_of_a_charge_is_posted_and_nothing_of_one_that_failed() {
        let minors = |told: &ChargeState| -> Vec<(Stage, i64)> {
            let read = |change| {
                let Change::Source(_, source) = change else { panic!("{change:?}") };
                (source.stage, source.amount.minor())
            };
            charge(told).unwrap().into_iter().map(read).collect()
        };
        let parts = minors(&told("succeeded"));
        assert_eq!(parts.iter().map(|(_, minor)| minor).sum::<i64>(), 56_674);
        assert_eq!(parts[1], (Stage::PlatformFee, 5_000));
        assert!(minors(&told("declined")).iter().all(|(stage, _)| *stage == Stage::None));
    }
}
