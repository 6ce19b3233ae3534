//! Payouts and commissions, as the ledger understands them.

use quittance_events::{CommissionState, PayoutFailed, PayoutState};
use quittance_kernel::{MemberId, Method, Money};
use uuid::Uuid;

use super::{money, version};
use crate::app::Change;
use crate::domain::{Source, Stage};

/// As payouts tell where a payout comes from.
const MANUAL: &str = "manual";
const PROFIT_SHARE: &str = "profit_share";
const COMMISSION: &str = "commission";

pub(super) fn payout(told: &PayoutState) -> Result<Change, String> {
    let stage = stage(&told.source, &told.status)?;
    let amount = money(told.amount_minor, &told.currency);
    // All that it would have paid may have been kept back; then nothing moves.
    let amount = if told.amount_minor == 0 { zero(&told.currency) } else { amount }?;
    change(told.payout_id, told.version, stage, told.payee_id, amount, told.method)
}

/// What a payout in this state has done. Payouts of issues are told issue by issue once they are
/// paid, so that only their way to a provider is theirs.
fn stage(source: &str, status: &str) -> Result<Stage, String> {
    Ok(match (source, status) {
        (MANUAL | PROFIT_SHARE, "approved" | "processing" | "unknown") => Stage::Owed,
        (MANUAL | PROFIT_SHARE, "paid") => Stage::Paid,
        (MANUAL | PROFIT_SHARE, "void") => Stage::TakenBack,
        (COMMISSION, "paid") => Stage::Settled,
        (COMMISSION, "void") => Stage::SettledTakenBack,
        (_, "processing" | "unknown") => Stage::InTransit,
        (
            _,
            "pending_approval" | "approved" | "paid" | "rejected" | "cancelled" | "failed"
            | "returned" | "void",
        ) => Stage::None,
        (_, other) => return Err(format!("a payout cannot be {other:?}")),
    })
}

/// The money did not arrive: it is owed as before.
pub(super) fn failed(state: &PayoutFailed) -> Result<Change, String> {
    let amount = money(state.amount_minor, &state.currency)?;
    let method = Some(state.method);
    change(state.payout_id, state.version, Stage::None, state.payee_id, amount, method)
}

/// What a sale earned a partner, or what its refund took back.
pub(super) fn commission(state: &CommissionState) -> Result<Change, String> {
    let minor = state.amount_minor;
    let amount = Money::signed(minor, zero(&state.currency)?.currency());
    change(state.commission_id, state.version, Stage::Owed, state.partner_id, amount, None)
}

fn zero(code: &str) -> Result<Money, String> {
    code.parse()
        .map(|currency| Money::signed(0, currency))
        .map_err(|error: quittance_kernel::MoneyError| error.to_string())
}

fn change(
    id: Uuid,
    told: i64,
    stage: Stage,
    payee: Uuid,
    amount: Money,
    method: Option<Method>,
) -> Result<Change, String> {
    let version = version(told)?;
    Ok(Change::Source(id, Source { version, stage, payee: MemberId(payee), amount, method }))
}
