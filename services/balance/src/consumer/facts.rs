//! Events of the published language, read into what the projections understand.

mod charges;
mod sources;

use quittance_chassis::bus::Message;
use quittance_events::{self as events, CycleState, EarningState, IssueState, MemberState, kind};
use quittance_kernel::{
    Currency, CycleId, IssueId, MemberId, Money, OrganizationId, PayoutStatus, Timestamp,
    TimestampExt as _,
};

use super::partners;
use crate::app::{Change, Fact};
use crate::domain::{self, Earning, Filing, Payment, SeverityRates};
use crate::store::{CycleEntry, MemberEntry};

/// Reads an event: nothing if it is none of ours, two facts if it moves the ledger and a partner's
/// balance. An error says what will never be right with it.
pub(super) fn read(message: &Message) -> Result<Vec<Fact>, String> {
    let (organization, at, change) = match message.kind.as_str() {
        kind::CYCLE_UPDATED => whole(message, |_, state| cycle(state))?,
        kind::MEMBER_UPDATED => whole(message, |_, state| Ok(member(state)))?,
        issue if issue.starts_with("issue.") => whole(message, |_, state| filing(state))?,
        kind::PAYOUT_ISSUE_PAID
        | kind::EARNING_APPROVED
        | kind::EARNING_REJECTED
        | kind::EARNING_VOIDED
        | kind::EARNING_RETURNED
        | kind::EARNING_NETTED
        | kind::EARNING_PAID => whole(message, earning)?,
        kind::COMMISSION_CREATED => whole(message, |_, state| sources::commission(&state))?,
        kind::PAYOUT_FAILED => whole(message, |_, state| sources::failed(&state))?,
        kind::PAYOUT_CREATED
        | kind::PAYOUT_APPROVED
        | kind::PAYOUT_REJECTED
        | kind::PAYOUT_PROCESSING
        | kind::PAYOUT_UNKNOWN
        | kind::PAYOUT_PAID
        | kind::PAYOUT_VOIDED
        | kind::PAYOUT_RETURNED
        | kind::PAYOUT_CANCELLED => whole(message, |_, state| sources::payout(&state))?,
        kind::RECEIVABLE_NETTED => return partners::read(message).map(Vec::from_iter),
        kind::CHARGE_SUCCEEDED | kind::CHARGE_FAILED | kind::CHARGE_REFUNDED => {
            return several(message, charges::charge);
        }
        kind::PRE_FUND_DRAWN | kind::PRE_FUND_RETURNED => {
            return several(message, charges::drawn);
        }
        other => {
            tracing::debug!(event.kind = other, "an event of no interest");
            return Ok(Vec::new());
        }
    };
    let mut facts =
        vec![Fact { event: message.id, kind: message.kind.clone(), at, organization, change }];
    if partners::is_meant(&message.kind) {
        facts.extend(partners::read(message)?);
    }
    Ok(facts)
}

/// Reads an event that moves several things in the ledger.
fn several<T: serde::de::DeserializeOwned>(
    message: &Message,
    understand: impl FnOnce(&T) -> Result<Vec<Change>, String>,
) -> Result<Vec<Fact>, String> {
    let (organization, at, changes) = whole(message, |_, state: T| understand(&state))?;
    let fact =
        |change| Fact { event: message.id, kind: message.kind.clone(), at, organization, change };
    Ok(changes.into_iter().map(fact).collect())
}

/// Reads the payload, together with the time of the event.
pub(super) fn whole<T: serde::de::DeserializeOwned, C>(
    message: &Message,
    understand: impl FnOnce(Timestamp, T) -> Result<C, String>,
) -> Result<(OrganizationId, Timestamp, C), String> {
    let envelope =
        events::decode(&message.body).map_err(|error| quittance_chassis::problem::chain(&error))?;
    let at = envelope.time.to_micros();
    let change = understand(at, envelope.data)?;
    Ok((OrganizationId(envelope.organizationid), at, change))
}

/// Version 0 is how the store says that nothing has been heard.
pub(super) fn version(version: i64) -> Result<i64, String> {
    if version > 0 { Ok(version) } else { Err(format!("version {version} is not positive")) }
}

fn money(minor: i64, code: &str) -> Result<Money, String> {
    let currency: Currency = code.parse().map_err(|error| format!("{error}"))?;
    Money::positive(minor, currency).map_err(|error| error.to_string())
}

/// An empty text says nothing.
fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn filing(state: IssueState) -> Result<Change, String> {
    let price = match (state.amount_minor, &state.currency) {
        (Some(minor), Some(code)) => Some(money(minor, code)?),
        (None, _) => None,
        (Some(_), None) => return Err("an amount without a currency".to_owned()),
    };
    let filing = Filing {
        version: version(state.version)?,
        reporter: MemberId(state.reporter_id),
        cycle: CycleId(state.cycle_id),
        title: state.title,
        severity: state.severity,
        status: state.status,
        review: state.review,
        price,
        rule: said(state.rule),
        filed_at: state.filed_at.to_micros(),
    };
    Ok(Change::Issue(IssueId(state.issue_id), filing))
}

/// `time` is when the event happened: of a void that does not say when it was, the time of the void.
fn earning(time: Timestamp, state: EarningState) -> Result<Change, String> {
    let payment = state.paid_at.map(|at| {
        let reference = said(state.reference);
        Payment { at: at.to_micros(), method: state.method, reference }
    });
    let standing = match state.status {
        PayoutStatus::Pending => domain::EarningState::Pending,
        PayoutStatus::Approved => domain::EarningState::Approved,
        PayoutStatus::Rejected => domain::EarningState::Rejected,
        PayoutStatus::Paid => {
            domain::EarningState::Paid(payment.ok_or("a paid earning without a time of payment")?)
        }
        PayoutStatus::Void => {
            let at = state.voided_at.unwrap_or(time).to_micros();
            let owed = if payment.is_some() { state.amount_minor } else { 0 };
            let receivable = state.receivable_minor.unwrap_or(owed);
            if !(0..=owed).contains(&receivable) {
                return Err(format!("{receivable} is owed of {owed}"));
            }
            domain::EarningState::Void { at, payment, receivable }
        }
    };
    let earning = Earning {
        version: version(state.version)?,
        payee: MemberId(state.payee_id),
        cycle: CycleId(state.cycle_id),
        amount: money(state.amount_minor, &state.currency)?,
        state: standing,
    };
    Ok(Change::Earning(IssueId(state.issue_id), earning))
}

fn cycle(state: CycleState) -> Result<Change, String> {
    let events::Rates { currency, critical, high, medium, low } = state.rates;
    let currency =
        currency.parse().map_err(|error: quittance_kernel::MoneyError| error.to_string())?;
    let entry = CycleEntry {
        version: version(state.version)?,
        name: state.name,
        rates: SeverityRates { currency, critical, high, medium, low },
    };
    Ok(Change::Cycle(CycleId(state.cycle_id), entry))
}

fn member(state: MemberState) -> Change {
    let entry = MemberEntry { version: state.version, name: state.name };
    Change::Member(MemberId(state.member_id), entry)
}
