//! From the wire to the domain: what cannot be read is refused, naming the field.

use std::str::FromStr;

use quittance_kernel::{
    Currency, IssueId, IssueStatus, Money, MoneyError, ParseIdError, PayoutStatus, Severity,
};
use quittance_proto::common::v1 as common;
use quittance_proto::issues::v1 as proto;

use crate::app::{Judgement, Target, Verdict};
use crate::domain::rates::Overrides;
use crate::domain::text::{self, FieldError};
use crate::error::Error;

/// Reads an id.
pub(super) fn id<T: FromStr<Err = ParseIdError>>(field: &str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error| Error::Id { field: field.to_owned(), error })
}

/// Reads an id that may be left out.
pub(super) fn optional_id<T: FromStr<Err = ParseIdError>>(
    field: &str,
    text: &str,
) -> Result<Option<T>, Error> {
    if text.is_empty() { Ok(None) } else { id(field, text).map(Some) }
}

/// Reads a list of ids.
pub(super) fn ids<T: FromStr<Err = ParseIdError>>(
    field: &str,
    texts: &[String],
) -> Result<Vec<T>, Error> {
    texts.iter().enumerate().map(|(place, text)| id(&format!("{field}[{place}]"), text)).collect()
}

fn unknown(field: &str) -> Error {
    FieldError::new(field, "must be one of the values of its type").into()
}

/// Reads a severity; none when it is left out.
pub(super) fn severity(field: &str, value: i32) -> Result<Option<Severity>, Error> {
    Ok(match common::Severity::try_from(value).map_err(|_| unknown(field))? {
        common::Severity::Unspecified => None,
        common::Severity::Critical => Some(Severity::Critical),
        common::Severity::High => Some(Severity::High),
        common::Severity::Medium => Some(Severity::Medium),
        common::Severity::Low => Some(Severity::Low),
    })
}

/// Reads a status; none when it is left out.
pub(super) fn status(field: &str, value: i32) -> Result<Option<IssueStatus>, Error> {
    use common::IssueStatus as Wire;
    Ok(match Wire::try_from(value).map_err(|_| unknown(field))? {
        Wire::Unspecified => None,
        Wire::Draft => Some(IssueStatus::Draft),
        Wire::Open => Some(IssueStatus::Open),
        Wire::Triaged => Some(IssueStatus::Triaged),
        Wire::InProgress => Some(IssueStatus::InProgress),
        Wire::Exported => Some(IssueStatus::Exported),
        Wire::FixShipped => Some(IssueStatus::FixShipped),
        Wire::Verified => Some(IssueStatus::Verified),
        Wire::Closed => Some(IssueStatus::Closed),
        Wire::Duplicate => Some(IssueStatus::Duplicate),
        Wire::Rejected => Some(IssueStatus::Rejected),
        Wire::CantReproduce => Some(IssueStatus::CantReproduce),
        Wire::WontFix => Some(IssueStatus::WontFix),
    })
}

/// Reads a payout status; none when it is left out.
pub(super) fn payout_status(field: &str, value: i32) -> Result<Option<PayoutStatus>, Error> {
    use common::PayoutStatus as Wire;
    Ok(match Wire::try_from(value).map_err(|_| unknown(field))? {
        Wire::Unspecified => None,
        Wire::Pending => Some(PayoutStatus::Pending),
        Wire::Approved => Some(PayoutStatus::Approved),
        Wire::Rejected => Some(PayoutStatus::Rejected),
        Wire::Paid => Some(PayoutStatus::Paid),
        Wire::Void => Some(PayoutStatus::Void),
    })
}

/// Reads whether cycles are open; none when it is left out.
pub(super) fn cycle_open(field: &str, value: i32) -> Result<Option<bool>, Error> {
    Ok(match proto::CycleStatus::try_from(value).map_err(|_| unknown(field))? {
        proto::CycleStatus::Unspecified => None,
        proto::CycleStatus::Open => Some(true),
        proto::CycleStatus::Closed => Some(false),
    })
}

/// Reads a gate setting: none when it is left out, `Some(None)` for "as the product says".
#[expect(clippy::option_option, reason = "absent, inherited and set are three things")]
pub(super) fn gate(field: &str, value: i32) -> Result<Option<Option<bool>>, Error> {
    Ok(match proto::GateSetting::try_from(value).map_err(|_| unknown(field))? {
        proto::GateSetting::Unspecified => None,
        proto::GateSetting::Inherit => Some(None),
        proto::GateSetting::Required => Some(Some(true)),
        proto::GateSetting::NotRequired => Some(Some(false)),
    })
}

fn currency(field: &'static str, code: &str) -> Result<Currency, Error> {
    code.parse().map_err(|error: MoneyError| Error::Money { field, error })
}

/// Reads an amount. Whether it can be paid is for the use case to say.
pub(super) fn money(
    field: &'static str,
    money: Option<&common::Money>,
) -> Result<Option<Money>, Error> {
    money
        .map(|money| Ok(Money::signed(money.minor_units, currency(field, &money.currency_code)?)))
        .transpose()
}

/// Reads a cycle's own rates.
pub(super) fn rates(rates: Option<&proto::PayoutRates>) -> Result<Option<Overrides>, Error> {
    let Some(rates) = rates else { return Ok(None) };
    let currency = match rates.currency_code.as_str() {
        "" => Currency::KZT,
        code => currency("payout_rates.currency_code", code)?,
    };
    let minor = [rates.critical, rates.high, rates.medium, rates.low];
    Ok(Overrides::new(currency, minor)?)
}

/// Reads which issue a write is about.
pub(super) fn target(issue: &str, cycle: &str, version: i64) -> Result<Target, Error> {
    Ok(Target { issue: id("issue_id", issue)?, cycle: optional_id("cycle_id", cycle)?, version })
}

/// Reads which issue a duplicate repeats.
pub(super) fn original(to: IssueStatus, text: &str) -> Result<Option<IssueId>, Error> {
    let original = optional_id("duplicate_of", text)?;
    if original.is_some() && to != IssueStatus::Duplicate {
        return Err(FieldError::new("duplicate_of", "is for the status duplicate only").into());
    }
    Ok(original)
}

/// Reads words to search for.
pub(super) fn words(field: &str, query: &str) -> Result<Vec<String>, Error> {
    const MOST: usize = 8;
    if query.trim().is_empty() {
        return Ok(Vec::new());
    }
    let line = text::line(field, query, text::MAX_QUERY)?;
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    if MOST < words.len() {
        return Err(FieldError::new(field, format!("must have at most {MOST} words")).into());
    }
    Ok(words)
}

/// Reads the decisions of a triage.
pub(super) fn judgements(decisions: &[proto::TriageDecision]) -> Result<Vec<Judgement>, Error> {
    use proto::triage_decision::Decision;
    decisions
        .iter()
        .enumerate()
        .map(|(place, decision)| {
            let field = |name: &str| format!("decisions[{place}].{name}");
            let issue = id(&field("issue_id"), &decision.issue_id)?;
            let verdict = match &decision.decision {
                Some(Decision::Approve(approve)) => Verdict::Approve {
                    amount: money("decisions.approve.amount", approve.amount.as_ref())?,
                },
                Some(Decision::Reject(reject)) => Verdict::Reject {
                    reason: text::reason(&field("reject.reason"), &reject.reason)?,
                },
                None => {
                    return Err(FieldError::new(field("decision"), "must be given").into());
                }
            };
            Ok(Judgement { issue, verdict })
        })
        .collect()
}
