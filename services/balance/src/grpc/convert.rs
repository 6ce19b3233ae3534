//! Between the domain and the wire, in one direction each.

use chrono::{DateTime, Datelike as _, TimeDelta};
use prost_types::Timestamp as ProtoTime;
use quittance_chassis::problem::invalid;
use quittance_kernel::{
    IssueStatus, Method, Money, PayoutStatus, Severity, Timestamp, TimestampExt as _,
};
use quittance_proto::balance::v1 as proto;
use quittance_proto::common::v1 as common;
use tonic::Status;

use crate::app::{HistoryPage, OrganizationTotals};
use crate::domain::{Balance, BalanceTotal, CycleBalance, Earning, Filing, Period};
use crate::store::{HistoryLine, TopEarner};

/// Reads an id that may be left out.
pub(super) fn optional_id<T: std::str::FromStr>(
    field: &str,
    text: &str,
) -> Result<Option<T>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| invalid(field, "must be a UUID"))
}

/// Reads a period whose ends may be left out.
pub(super) fn period(from: Option<ProtoTime>, to: Option<ProtoTime>) -> Result<Period, Status> {
    let period = Period {
        from: from.map_or(Ok(Period::ALL.from), |from| instant("from", from))?,
        to: to.map_or(Ok(Period::ALL.to), |to| instant("to", to))?,
    };
    if period.to < period.from {
        return Err(invalid("to", "must not be before `from`"));
    }
    Ok(period)
}

/// Reads an instant that may be left out.
pub(super) fn optional_instant(
    field: &str,
    time: Option<ProtoTime>,
) -> Result<Option<Timestamp>, Status> {
    time.map(|time| instant(field, time)).transpose()
}

/// Stored times have microseconds: a limit between two of them is that of the later one.
fn instant(field: &str, time: ProtoTime) -> Result<Timestamp, Status> {
    let refused = || invalid(field, "must be a time of the years 1 to 9999");
    let nanos = u32::try_from(time.nanos).map_err(|_| refused())?;
    let exact = DateTime::from_timestamp(time.seconds, nanos)
        .filter(|exact| nanos < 1_000_000_000 && (1..=9999).contains(&exact.year()))
        .ok_or_else(refused)?;
    let micros = exact.to_micros();
    let rounded = if micros < exact { micros + TimeDelta::microseconds(1) } else { micros };
    Ok(rounded.min(Period::ALL.to))
}

pub(super) fn time(time: Timestamp) -> ProtoTime {
    let nanos = i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default();
    ProtoTime { seconds: time.timestamp(), nanos }
}

pub(super) fn money(money: Money) -> common::Money {
    common::Money { minor_units: money.minor(), currency_code: money.currency().code().to_owned() }
}

pub(super) fn balance(balance: Balance, as_of: Timestamp) -> proto::GetBalanceResponse {
    let total =
        |(currency, total): (quittance_kernel::Currency, BalanceTotal)| proto::BalanceTotal {
            currency_code: currency.code().to_owned(),
            earned_minor: total.sums.earned,
            pending_minor: total.sums.pending,
            awaiting_minor: total.awaiting,
            receivable_minor: total.sums.receivable,
        };
    proto::GetBalanceResponse {
        totals: balance.totals.into_iter().map(total).collect(),
        awaiting_count: balance.counts.awaiting(),
        filed_count: balance.counts.issues,
        accepted_count: balance.counts.approved,
        decided_count: balance.counts.decided,
        cycles: balance.cycles.into_iter().map(cycle).collect(),
        as_of: Some(time(as_of)),
    }
}

fn cycle(cycle: CycleBalance) -> proto::CycleBalance {
    proto::CycleBalance {
        cycle_id: cycle.cycle.to_string(),
        name: cycle.name,
        issues: cycle.counts.issues,
        approved: cycle.counts.approved,
        paid: cycle.counts.paid,
        earned: cycle.earned.into_iter().map(money).collect(),
    }
}

pub(super) fn history(page: HistoryPage) -> proto::ListHistoryResponse {
    proto::ListHistoryResponse {
        lines: page.lines.into_iter().filter_map(line).collect(),
        next_page_token: page.next,
    }
}

/// A line of a history has an issue: it is listed by the time of its filing.
fn line(line: HistoryLine) -> Option<proto::HistoryLine> {
    let payout_status = payout_status(line.line.payout_status());
    let amount = line.line.amount().map(money);
    let payment = line.line.earning.as_ref().and_then(Earning::payment).cloned();
    let (pay_time, method, reference) = match payment {
        Some(payment) => (Some(time(payment.at)), payment.method, payment.reference),
        None => (None, None, None),
    };
    let Filing { cycle, title, severity, status, rule, filed_at, .. } = line.line.filing?;
    Some(proto::HistoryLine {
        issue_id: line.issue.to_string(),
        file_time: Some(time(filed_at)),
        cycle_id: cycle.to_string(),
        cycle_name: line.cycle_name,
        severity: self::severity(severity).into(),
        title,
        status: issue_status(status).into(),
        payout_status: payout_status.into(),
        amount,
        pay_time,
        method: method.map_or(common::Method::Unspecified, self::method).into(),
        reference: reference.unwrap_or_default(),
        rule: rule.unwrap_or_default(),
    })
}

pub(super) fn totals(totals: OrganizationTotals) -> proto::GetOrganizationTotalsResponse {
    let all = |sums: Vec<(Money, i64)>| {
        sums.into_iter()
            .map(|(sum, count)| common::Total { amount: Some(money(sum)), count })
            .collect()
    };
    proto::GetOrganizationTotalsResponse {
        approved_unpaid: all(totals.approved_unpaid),
        paid_lifetime: all(totals.paid_lifetime),
        voided: all(totals.voided),
        top_earner: totals.top_earner.map(top_earner),
    }
}

fn top_earner(top: TopEarner) -> proto::TopEarner {
    proto::TopEarner {
        member_id: top.member.to_string(),
        name: top.name,
        earned: Some(money(top.earned)),
    }
}

pub(super) fn severity(severity: Severity) -> common::Severity {
    match severity {
        Severity::Critical => common::Severity::Critical,
        Severity::High => common::Severity::High,
        Severity::Medium => common::Severity::Medium,
        Severity::Low => common::Severity::Low,
    }
}

fn issue_status(status: IssueStatus) -> common::IssueStatus {
    match status {
        IssueStatus::Draft => common::IssueStatus::Draft,
        IssueStatus::Open => common::IssueStatus::Open,
        IssueStatus::Triaged => common::IssueStatus::Triaged,
        IssueStatus::InProgress => common::IssueStatus::InProgress,
        IssueStatus::Exported => common::IssueStatus::Exported,
        IssueStatus::FixShipped => common::IssueStatus::FixShipped,
        IssueStatus::Verified => common::IssueStatus::Verified,
        IssueStatus::Closed => common::IssueStatus::Closed,
        IssueStatus::Duplicate => common::IssueStatus::Duplicate,
        IssueStatus::Rejected => common::IssueStatus::Rejected,
        IssueStatus::CantReproduce => common::IssueStatus::CantReproduce,
        IssueStatus::WontFix => common::IssueStatus::WontFix,
    }
}

fn payout_status(status: PayoutStatus) -> common::PayoutStatus {
    match status {
        PayoutStatus::Pending => common::PayoutStatus::Pending,
        PayoutStatus::Approved => common::PayoutStatus::Approved,
        PayoutStatus::Rejected => common::PayoutStatus::Rejected,
        PayoutStatus::Paid => common::PayoutStatus::Paid,
        PayoutStatus::Void => common::PayoutStatus::Void,
    }
}

pub(super) fn method(method: Method) -> common::Method {
    match method {
        Method::Kaspi => common::Method::Kaspi,
        Method::Bank => common::Method::Bank,
        Method::Cash => common::Method::Cash,
        Method::Ach => common::Method::Ach,
        Method::Paypal => common::Method::Paypal,
        Method::Stripe => common::Method::Stripe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_between_two_microseconds_is_that_of_the_later_one() {
        let at = |nanos| Some(ProtoTime { seconds: 1, nanos });
        let period = period(at(1_000), at(1_001)).unwrap();
        assert_eq!(period.from.timestamp_micros(), 1_000_001);
        assert_eq!(period.to.timestamp_micros(), 1_000_002);
    }

    #[test]
    fn times_that_are_none_are_refused() {
        let at = |seconds, nanos| Some(ProtoTime { seconds, nanos });
        assert!(period(at(i64::MAX, 0), None).is_err());
        assert!(period(at(0, -1), None).is_err());
        assert!(period(at(0, 1_000_000_000), None).is_err());
        assert!(period(at(2, 0), at(1, 0)).is_err());
        assert_eq!(period(None, None).unwrap(), Period::ALL);
    }
}
