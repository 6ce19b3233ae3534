//! Between the domain and the wire, in one direction each.

use std::str::FromStr;

use prost_types::Timestamp as ProtoTime;
use quittance_chassis::problem::invalid;
use quittance_kernel::{Ctx, Method, Money, Timestamp, Totals};
use quittance_proto::common::v1 as common;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::batch_pay_response::Outcome as BatchOutcome;
use quittance_proto::payouts::v1::pay_issue_response::Outcome as IssueOutcome;
use tonic::Status;

use crate::app::{Error, QueueEntry, QueuePage};
use crate::domain::decision::Excluded;
use crate::domain::earning::EarningStatus;
use crate::domain::lifecycle::Step;
use crate::domain::limits::Minimum;
use crate::domain::order::{Group, MAX_ISSUES, OnBlocked, Order, OrderError};
use crate::domain::payout::{Payout, PayoutItem, PayoutState};
use crate::domain::settlement::{NewPayout, Settlement};
use crate::store::queue::Sum;
use crate::store::stream::Told;

const NOT_A_UUID: &str = "must be a UUID";

/// Reads an id.
pub(super) fn id<T: FromStr>(field: &str, text: &str) -> Result<T, Status> {
    text.parse().map_err(|_| invalid(field, NOT_A_UUID))
}

/// Reads an id that may be left out.
pub(super) fn optional_id<T: FromStr>(field: &str, text: &str) -> Result<Option<T>, Status> {
    if text.is_empty() { Ok(None) } else { id(field, text).map(Some) }
}

/// Reads a method of payment.
pub(super) fn method(field: &str, method: common::Method) -> Result<Method, Status> {
    match method {
        common::Method::Unspecified => Err(invalid(field, "must be given")),
        common::Method::Kaspi => Ok(Method::Kaspi),
        common::Method::Bank => Ok(Method::Bank),
        common::Method::Cash => Ok(Method::Cash),
        common::Method::Ach => Ok(Method::Ach),
        common::Method::Paypal => Ok(Method::Paypal),
        common::Method::Stripe => Ok(Method::Stripe),
    }
}

/// Reads and checks a batch.
pub(super) fn batch(message: proto::BatchPayRequest) -> Result<Order, Status> {
    // Counted before anything is parsed: too many are refused whatever they look like.
    let count = message.groups.iter().map(|group| group.issue_ids.len()).sum();
    if count > MAX_ISSUES {
        return Err(Error::from(OrderError::TooLarge(count)).into());
    }
    let on_blocked = match proto::OnBlocked::try_from(message.on_blocked) {
        Ok(proto::OnBlocked::Unspecified | proto::OnBlocked::Fail) => OnBlocked::Fail,
        Ok(proto::OnBlocked::Skip) => OnBlocked::Skip,
        Err(_) => return Err(invalid("on_blocked", "must be one of fail, skip")),
    };
    let groups: Result<Vec<_>, _> =
        message.groups.into_iter().enumerate().map(|(index, asked)| group(index, asked)).collect();
    let order = Order::batch(groups?, on_blocked).map_err(Error::from)?;
    if message.net_receivables && order.executed_by().is_some() {
        // A transfer that fails afterwards would have to give back what it kept.
        return Err(invalid("net_receivables", "cannot be used when a provider pays"));
    }
    Ok(order.netting(message.net_receivables))
}

fn group(index: usize, group: proto::PayGroup) -> Result<Group, Status> {
    let issue = |(place, text): (usize, &String)| {
        let refused = |_| invalid(&format!("groups[{index}].issue_ids[{place}]"), NOT_A_UUID);
        text.parse().map_err(refused)
    };
    Ok(Group {
        payee: optional_id(&format!("groups[{index}].payee_id"), &group.payee_id)?,
        issues: group.issue_ids.iter().enumerate().map(issue).collect::<Result<_, Status>>()?,
        method: method(&format!("groups[{index}].method"), group.method())?,
        reference: group.reference,
    })
}

/// Reads a state to filter by, which may be left out.
pub(super) fn optional_state(field: &str, state: i32) -> Result<Option<PayoutState>, Status> {
    use proto::PayoutState as Wire;
    let wire = Wire::try_from(state).map_err(|_| invalid(field, "must be a state of payouts"))?;
    Ok(match wire {
        Wire::Unspecified => None,
        Wire::PendingApproval => Some(PayoutState::PendingApproval),
        Wire::Approved => Some(PayoutState::Approved),
        Wire::Processing => Some(PayoutState::Processing),
        Wire::Paid => Some(PayoutState::Paid),
        Wire::Rejected => Some(PayoutState::Rejected),
        Wire::Cancelled => Some(PayoutState::Cancelled),
        Wire::Failed => Some(PayoutState::Failed),
        Wire::Unknown => Some(PayoutState::Unknown),
        Wire::Returned => Some(PayoutState::Returned),
        Wire::Void => Some(PayoutState::Void),
    })
}

pub(super) fn wire_state(state: PayoutState) -> proto::PayoutState {
    use proto::PayoutState as Wire;
    match state {
        PayoutState::PendingApproval => Wire::PendingApproval,
        PayoutState::Approved => Wire::Approved,
        PayoutState::Processing => Wire::Processing,
        PayoutState::Paid => Wire::Paid,
        PayoutState::Rejected => Wire::Rejected,
        PayoutState::Cancelled => Wire::Cancelled,
        PayoutState::Failed => Wire::Failed,
        PayoutState::Unknown => Wire::Unknown,
        PayoutState::Returned => Wire::Returned,
        PayoutState::Void => Wire::Void,
    }
}

pub(super) fn wire_method(method: Method) -> common::Method {
    match method {
        Method::Kaspi => common::Method::Kaspi,
        Method::Bank => common::Method::Bank,
        Method::Cash => common::Method::Cash,
        Method::Ach => common::Method::Ach,
        Method::Paypal => common::Method::Paypal,
        Method::Stripe => common::Method::Stripe,
    }
}

pub(crate) fn time(time: Timestamp) -> ProtoTime {
    let nanos = i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default();
    ProtoTime { seconds: time.timestamp(), nanos }
}

pub(super) fn money(money: Money) -> common::Money {
    common::Money { minor_units: money.minor(), currency_code: money.currency().code().to_owned() }
}

pub(super) fn total(amount: Money, count: i64) -> common::Total {
    common::Total { amount: Some(money(amount)), count }
}

pub(super) fn totals(totals: &Totals) -> Vec<common::Total> {
    totals.iter().map(|(sum, count)| total(sum, i64::try_from(count).unwrap_or(i64::MAX))).collect()
}

/// What is not paid, and why.
pub(super) fn excluded(excluded: &Excluded) -> proto::Excluded {
    proto::Excluded {
        issue_id: excluded.issue.to_string(),
        reasons: excluded.reasons.iter().map(|reason| reason.as_str().to_owned()).collect(),
    }
}

/// One payout of a batch.
pub(super) fn paid_group(payout: &NewPayout) -> proto::PaidGroup {
    proto::PaidGroup {
        payee_id: payout.payee.to_string(),
        payout_id: payout.id.to_string(),
        issue_ids: payout.issues.iter().map(ToString::to_string).collect(),
        method: wire_method(payout.method).into(),
        reference: payout.reference.clone(),
        total: Some(total(payout.total, i64::try_from(payout.item_count).unwrap_or(i64::MAX))),
        netted_minor: payout.netted,
    }
}

/// The answer to a batch that was paid.
pub(super) fn batch_paid(_ctx: &Ctx, settlement: &Settlement) -> proto::BatchPayResponse {
    proto::BatchPayResponse {
        outcome: Some(BatchOutcome::Paid(proto::BatchPaid {
            batch_id: settlement.batch.map(|batch| batch.to_string()).unwrap_or_default(),
            groups: settlement.payouts.iter().map(paid_group).collect(),
            totals: totals(&settlement.totals),
            excluded: settlement.excluded.iter().map(excluded).collect(),
        })),
    }
}

/// The answer to a single payment.
pub(super) fn issue_paid(ctx: &Ctx, settlement: &Settlement) -> proto::PayIssueResponse {
    let paid = settlement.payouts.first().map(|payout| proto::PaidIssue {
        payout_id: payout.id.to_string(),
        issue_id: payout.issues.first().map(ToString::to_string).unwrap_or_default(),
        amount: Some(money(payout.total)),
        method: wire_method(payout.method).into(),
        reference: payout.reference.clone(),
        pay_time: Some(time(ctx.now)),
    });
    proto::PayIssueResponse { outcome: paid.map(IssueOutcome::Paid) }
}

/// A payout as it is read.
pub(super) fn payout(payout: Payout) -> proto::Payout {
    proto::Payout {
        payout_id: payout.id.to_string(),
        batch_id: payout.batch.map(|batch| batch.to_string()).unwrap_or_default(),
        payee_id: payout.payee.to_string(),
        amount: Some(money(payout.amount)),
        method: payout.method.map_or(common::Method::Unspecified, wire_method).into(),
        reference: payout.reference,
        state: wire_state(payout.state).into(),
        item_count: i32::try_from(payout.item_count).unwrap_or(i32::MAX),
        pay_time: payout.paid_at.map(time),
        version: payout.version,
        create_time: Some(time(payout.created_at)),
        update_time: Some(time(payout.updated_at)),
        created_by: payout.created_by.to_string(),
        netted_minor: payout.netted_minor,
    }
}

/// One item of a payout.
pub(super) fn item(item: PayoutItem) -> proto::PayoutItem {
    proto::PayoutItem {
        payout_item_id: item.id.to_string(),
        earning_id: item.earning.to_string(),
        // What no issue has earned names none.
        issue_id: Some(item.issue.0)
            .filter(|id| !id.is_nil())
            .map(|id| id.to_string())
            .unwrap_or_default(),
        amount: Some(money(item.amount)),
        live: item.live,
    }
}

/// One step of a payout after it was made.
pub(super) fn step(step: Step) -> proto::PayoutStep {
    proto::PayoutStep {
        from: wire_state(step.from).into(),
        to: wire_state(step.to).into(),
        reason: step.reason,
        actor_id: step.actor.to_string(),
        time: Some(time(step.at)),
        item_count: i32::try_from(step.item_count).unwrap_or(i32::MAX),
        amount: Some(money(step.amount)),
    }
}

fn too_small(minimum: &Minimum) -> proto::BelowMinimum {
    proto::BelowMinimum {
        method: wire_method(minimum.method).into(),
        minimum: Some(money(minimum.amount)),
    }
}

/// One page of the pay queue.
pub(super) fn queue(page: QueuePage) -> proto::ListPayQueueResponse {
    let sums = |sums: Vec<Sum>| sums.iter().map(|sum| total(sum.amount, sum.count)).collect();
    let entry = |entry: QueueEntry| proto::PayQueueEntry {
        payee_id: entry.payee.to_string(),
        issue_count: entry.count,
        totals: sums(entry.totals),
        issue_ids: entry.issues.iter().map(ToString::to_string).collect(),
        below_minimum: entry.below.iter().map(too_small).collect(),
    };
    proto::ListPayQueueResponse {
        entries: page.entries.into_iter().map(entry).collect(),
        next_page_token: page.next,
        totals: sums(page.totals),
    }
}

/// An earning and its payment.
pub(super) fn earning(told: Told) -> proto::Earning {
    let state = match told.earning.status {
        EarningStatus::Approved => proto::EarningState::Approved,
        EarningStatus::Paid => proto::EarningState::Paid,
        EarningStatus::Rejected => proto::EarningState::Rejected,
        EarningStatus::Void => proto::EarningState::Void,
    };
    let earning = told.earning;
    proto::Earning {
        earning_id: earning.id.to_string(),
        issue_id: earning.issue.to_string(),
        cycle_id: earning.cycle.to_string(),
        payee_id: earning.payee.to_string(),
        amount: Some(money(earning.amount)),
        state: state.into(),
        payout_id: earning.payout.map(|payout| payout.to_string()).unwrap_or_default(),
        method: told.method.map_or(common::Method::Unspecified, wire_method).into(),
        reference: told.reference.unwrap_or_default(),
        pay_time: told.paid_at.map(time),
        version: earning.version,
    }
}
