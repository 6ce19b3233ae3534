//! From the domain to the wire: total, one direction.

use prost_types::Timestamp as Wire;
use quittance_kernel::{IssueStatus, MemberId, Money, PayoutStatus, Role, Severity, Timestamp};
use quittance_proto::common::v1 as common;
use quittance_proto::issues::v1 as proto;

use super::attachments::attachment;
use crate::app::{CycleDetail, IssueDetail, Outcome, Similar, Total};
use crate::domain::facts::PayFact;
use crate::domain::gate::GateSource;
use crate::domain::member::Member;
use crate::domain::product::Product;
use crate::domain::rates::{Overrides, RateChange};
use crate::domain::view::{self, Stage, StageState};

pub(super) fn time(at: Timestamp) -> Wire {
    // Nanoseconds of a second fit: at most two seconds' worth, in a leap second.
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap_or_default();
    Wire { seconds: at.timestamp(), nanos }
}

pub(super) fn money(amount: Money) -> common::Money {
    common::Money {
        minor_units: amount.minor(),
        currency_code: amount.currency().code().to_owned(),
    }
}

pub(super) fn totals(totals: &[Total]) -> Vec<common::Total> {
    totals
        .iter()
        .map(|total| common::Total { amount: Some(money(total.sum)), count: total.count })
        .collect()
}

fn severity(severity: Severity) -> common::Severity {
    match severity {
        Severity::Critical => common::Severity::Critical,
        Severity::High => common::Severity::High,
        Severity::Medium => common::Severity::Medium,
        Severity::Low => common::Severity::Low,
    }
}

fn status(status: IssueStatus) -> common::IssueStatus {
    use common::IssueStatus as Wire;
    match status {
        IssueStatus::Draft => Wire::Draft,
        IssueStatus::Open => Wire::Open,
        IssueStatus::Triaged => Wire::Triaged,
        IssueStatus::InProgress => Wire::InProgress,
        IssueStatus::Exported => Wire::Exported,
        IssueStatus::FixShipped => Wire::FixShipped,
        IssueStatus::Verified => Wire::Verified,
        IssueStatus::Closed => Wire::Closed,
        IssueStatus::Duplicate => Wire::Duplicate,
        IssueStatus::Rejected => Wire::Rejected,
        IssueStatus::CantReproduce => Wire::CantReproduce,
        IssueStatus::WontFix => Wire::WontFix,
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

fn gate_source(source: GateSource) -> proto::GateSource {
    match source {
        GateSource::Default => proto::GateSource::Default,
        GateSource::Product => proto::GateSource::Product,
        GateSource::Cycle => proto::GateSource::Cycle,
    }
}

fn gate_setting(setting: Option<bool>) -> proto::GateSetting {
    match setting {
        None => proto::GateSetting::Inherit,
        Some(true) => proto::GateSetting::Required,
        Some(false) => proto::GateSetting::NotRequired,
    }
}

fn stage(from: &Stage) -> proto::Stage {
    let state = match from.state {
        StageState::Done => proto::StageState::Done,
        StageState::Next => proto::StageState::Next,
        StageState::Todo => proto::StageState::Todo,
    };
    proto::Stage { key: from.key.to_owned(), label: from.label.to_owned(), state: state.into() }
}

pub(super) fn issue(detail: &IssueDetail) -> proto::Issue {
    let IssueDetail { issue, frame, attachments } = detail;
    let view = detail.view();
    let decision = issue.review.decision();
    let verification = issue.verification.as_ref();
    let payment = issue.payment.as_ref();
    proto::Issue {
        issue_id: issue.id.to_string(),
        number: view.number,
        cycle_id: issue.cycle.to_string(),
        product_id: issue.product.to_string(),
        reporter_id: issue.reporter.to_string(),
        title: issue.title.clone(),
        body: issue.body.clone(),
        severity: severity(issue.severity).into(),
        status: status(issue.status).into(),
        payout_status: payout_status(view.payout_status).into(),
        suggested_amount: view.suggestion.as_ref().map(|price| money(price.amount)),
        suggested_rule: view.suggestion.map(|price| price.explained()).unwrap_or_default(),
        amount: issue.review.amount().map(money),
        resolve_time: verification.map(|known| time(known.at)),
        verified_by: verification.map(|known| known.by.to_string()).unwrap_or_default(),
        effective_gate: view.gate.required,
        gate_source: gate_source(view.gate.source).into(),
        payable: view.payable,
        blocked_by: view.blocked_by.iter().map(|reason| (*reason).to_owned()).collect(),
        pipeline: view.pipeline.iter().map(stage).collect(),
        decided_by: decision.map(|decision| decision.by.to_string()).unwrap_or_default(),
        decide_time: decision.map(|decision| time(decision.at)),
        reason: decision.and_then(|decision| decision.reason.clone()).unwrap_or_default(),
        payout_id: payment
            .and_then(|paid| paid.payout)
            .map(|payout| payout.to_string())
            .unwrap_or_default(),
        pay_time: payment.and_then(|paid| paid.at).map(time),
        version: issue.version,
        create_time: Some(time(issue.created_at)),
        update_time: Some(time(issue.updated_at)),
        reporter_name: frame.reporter_name.clone(),
        cycle_name: frame.cycle_name.clone(),
        duplicate_of: issue.duplicate_of.map(|id| id.to_string()).unwrap_or_default(),
        attachments: attachments.iter().map(attachment).collect(),
        bounty_id: issue.bounty.map(|bounty| bounty.to_string()).unwrap_or_default(),
        points: issue.review.points(),
    }
}

pub(super) fn issues(details: &[IssueDetail]) -> Vec<proto::Issue> {
    details.iter().map(issue).collect()
}

pub(super) fn similar(similar: &Similar) -> proto::SimilarIssue {
    let Similar { detail: IssueDetail { issue, frame, .. }, score } = similar;
    proto::SimilarIssue {
        issue_id: issue.id.to_string(),
        cycle_id: issue.cycle.to_string(),
        number: view::number(frame, issue),
        title: issue.title.clone(),
        status: status(issue.status).into(),
        score: *score,
    }
}

pub(super) fn rate_change(change: &RateChange) -> proto::RateChange {
    proto::RateChange {
        rate_change_id: change.id.to_string(),
        changed_by: change.by.to_string(),
        changed_by_name: change.by_name.clone(),
        change_time: Some(time(change.at)),
        before: change.before.as_ref().map(rates),
        after: change.after.as_ref().map(rates),
    }
}

pub(super) fn member_cycle(detail: &CycleDetail, member: MemberId) -> proto::MemberCycle {
    let lead = detail.cycle.crew.leads().contains(&member);
    proto::MemberCycle { cycle: Some(cycle(detail)), lead }
}

pub(super) fn outcome(outcome: &Outcome) -> proto::TriageResult {
    let issue_id = outcome.issue.to_string();
    match &outcome.result {
        Ok((status, amount)) => proto::TriageResult {
            issue_id,
            ok: true,
            payout_status: payout_status(*status).into(),
            amount: amount.map(money),
            ..proto::TriageResult::default()
        },
        Err((code, detail)) => proto::TriageResult {
            issue_id,
            code: (*code).to_owned(),
            detail: detail.clone(),
            ..proto::TriageResult::default()
        },
    }
}

pub(super) fn fact(fact: &PayFact) -> proto::PayFact {
    proto::PayFact {
        issue_id: fact.issue.to_string(),
        reporter_id: fact.reporter.to_string(),
        cycle_id: fact.cycle.to_string(),
        review: payout_status(fact.review.word()).into(),
        amount: fact.amount.map(money),
        gate: fact.gate,
        verified: fact.verified,
        version: fact.version,
    }
}

fn rates(rates: &Overrides) -> proto::PayoutRates {
    proto::PayoutRates {
        critical: rates.minor(Severity::Critical),
        high: rates.minor(Severity::High),
        medium: rates.minor(Severity::Medium),
        low: rates.minor(Severity::Low),
        currency_code: rates.currency().code().to_owned(),
    }
}

pub(super) fn cycle(detail: &CycleDetail) -> proto::Cycle {
    let CycleDetail { cycle, gate } = detail;
    let names = |people: &[MemberId]| people.iter().map(ToString::to_string).collect();
    let status = if cycle.open { proto::CycleStatus::Open } else { proto::CycleStatus::Closed };
    proto::Cycle {
        cycle_id: cycle.id.to_string(),
        product_id: cycle.product.to_string(),
        name: cycle.name.clone(),
        status: status.into(),
        gate: gate_setting(cycle.requires_verification).into(),
        effective_gate: gate.required,
        gate_source: gate_source(gate.source).into(),
        payout_rates: cycle.rates.as_ref().map(rates),
        lead_ids: names(cycle.crew.leads()),
        member_ids: names(cycle.crew.members()),
        version: cycle.version,
        create_time: Some(time(cycle.created_at)),
        update_time: Some(time(cycle.updated_at)),
    }
}

pub(super) fn product(product: &Product) -> proto::Product {
    proto::Product {
        product_id: product.id.to_string(),
        name: product.name.clone(),
        key: product.key.clone(),
        requires_verification: product.requires_verification,
        platform_fee_bps: product.platform_fee_bps,
        version: product.version,
        create_time: Some(time(product.created_at)),
        update_time: Some(time(product.updated_at)),
        capacity_points: product.capacity_points,
    }
}

pub(super) fn member(member: &Member) -> proto::Member {
    proto::Member {
        member_id: member.id.to_string(),
        organization_id: member.organization.to_string(),
        name: member.name.clone(),
        email: member.email.clone(),
        roles: member.roles.iter().map(Role::as_str).map(str::to_owned).collect(),
        version: member.version,
        create_time: Some(time(member.created_at)),
        update_time: Some(time(member.updated_at)),
    }
}
