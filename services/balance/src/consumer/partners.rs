//! What partners earn and are paid: commissions, and payouts that are not of issues (S3).

use quittance_chassis::bus::Message;
use quittance_events::{CommissionState, PayoutState, ReceivableState, kind};
use quittance_kernel::MemberId;

use super::facts::{version, whole};
use crate::app::{Change, Fact};
use crate::domain::partner::{Entry, EntryKind, Owed, Standing};

/// Whether an event may be about a partner's money.
pub(super) fn is_meant(event: &str) -> bool {
    matches!(
        event,
        kind::COMMISSION_CREATED
            | kind::RECEIVABLE_NETTED
            | kind::PAYOUT_CREATED
            | kind::PAYOUT_APPROVED
            | kind::PAYOUT_REJECTED
            | kind::PAYOUT_PROCESSING
            | kind::PAYOUT_UNKNOWN
            | kind::PAYOUT_PAID
            | kind::PAYOUT_VOIDED
            | kind::PAYOUT_RETURNED
            | kind::PAYOUT_CANCELLED
    )
}

/// Reads such an event; `None` if it is a payout of issues, which are told one by one.
pub(super) fn read(message: &Message) -> Result<Option<Fact>, String> {
    let mut entry = None;
    let (organization, at, ()) = match message.kind.as_str() {
        kind::COMMISSION_CREATED => {
            whole(message, |_, state| commission(&state).map(|read| entry = Some(read)))?
        }
        kind::RECEIVABLE_NETTED => {
            whole(message, |_, state| netted(&state).map(|read| entry = Some(read)))?
        }
        _ => whole(message, |_, state| payout(&state).map(|read| entry = read))?,
    };
    Ok(entry.map(|(id, entry)| {
        let change = Change::Partner(id, entry);
        Fact { event: message.id, kind: message.kind.clone(), at, organization, change }
    }))
}

fn commission(state: &CommissionState) -> Result<(uuid::Uuid, Entry), String> {
    let standing = Standing {
        version: version(state.version)?,
        kind: EntryKind::Commission,
        minor: state.amount_minor,
        status: String::new(),
    };
    Ok((state.commission_id, entry(state.partner_id, &state.currency, Some(standing), None)?))
}

fn payout(state: &PayoutState) -> Result<Option<(uuid::Uuid, Entry)>, String> {
    let kind = match state.source.as_str() {
        // A share of a profit is agreed on like any other sum (rule 11).
        "manual" | "profit_share" => EntryKind::Manual,
        "commission" => EntryKind::Covering,
        // Payouts of issues, and those that an earlier version told, which were all of issues.
        _ => return Ok(None),
    };
    let kept = state.netted_minor.unwrap_or_default();
    let minor = state.amount_minor.checked_add(kept).ok_or("a payout is out of range")?;
    let standing =
        Standing { version: version(state.version)?, kind, minor, status: state.status.clone() };
    Ok(Some((state.payout_id, entry(state.payee_id, &state.currency, Some(standing), None)?)))
}

fn netted(state: &ReceivableState) -> Result<(uuid::Uuid, Entry), String> {
    let owed = Owed { version: version(state.version)?, minor: state.receivable_minor };
    Ok((state.payout_id, entry(state.payee_id, &state.currency, None, Some(owed))?))
}

fn entry(
    member: uuid::Uuid,
    code: &str,
    standing: Option<Standing>,
    owed: Option<Owed>,
) -> Result<Entry, String> {
    let currency = code.parse().map_err(|error: quittance_kernel::MoneyError| error.to_string())?;
    Ok(Entry { member: MemberId(member), currency, standing, owed })
}
