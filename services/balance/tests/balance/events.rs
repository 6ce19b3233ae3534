//! Events as issues and payouts publish them.

use quittance_chassis::bus::Message;
use quittance_events::{
    CommissionState, CycleState, EarningState, Envelope, IssueState, MemberState, Payload,
    PayoutFailed, PayoutState, Rates, encode, kind,
};
use quittance_kernel::{
    CycleId, EventId, IssueId, IssueStatus, MemberId, Method, OrganizationId, PayoutStatus,
    Severity, Timestamp,
};
use uuid::Uuid;

use crate::world::noon;

pub(crate) const RATES: [i64; 4] = [1_500_000, 800_000, 300_000, 100_000];

pub(crate) fn event<T: Payload>(
    organization: OrganizationId,
    kind: &str,
    time: Timestamp,
    payload: T,
) -> Message {
    let (id, subject) = (EventId::new().0, payload.subject());
    let envelope = Envelope::new(id, "test", kind, organization.0, time, None, payload);
    Message {
        id,
        kind: kind.to_owned(),
        organization: organization.0,
        subject,
        body: encode(&envelope).into(),
        traceparent: None,
    }
}

/// An issue and the earning for it, to be told in any state.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) organization: OrganizationId,
    pub(crate) issue: IssueId,
    pub(crate) member: MemberId,
    pub(crate) cycle: CycleId,
    pub(crate) severity: Severity,
    pub(crate) title: String,
    pub(crate) amount: i64,
    pub(crate) currency: &'static str,
    pub(crate) filed_at: Timestamp,
}

impl Work {
    pub(crate) fn new(
        organization: OrganizationId,
        member: MemberId,
        cycle: CycleId,
        severity: Severity,
    ) -> Self {
        Self {
            organization,
            issue: IssueId::new(),
            member,
            cycle,
            severity,
            title: "Payment fails on mobile Safari".into(),
            amount: rate(severity),
            currency: "KZT",
            filed_at: noon(),
        }
    }

    pub(crate) fn state(&self, version: i64, review: PayoutStatus) -> IssueState {
        let approved = review == PayoutStatus::Approved;
        IssueState {
            issue_id: self.issue.0,
            version,
            number: "HW-1".into(),
            product_id: Uuid::nil(),
            cycle_id: self.cycle.0,
            reporter_id: self.member.0,
            title: self.title.clone(),
            severity: self.severity,
            status: IssueStatus::Open,
            review,
            amount_minor: approved.then_some(self.amount),
            currency: approved.then(|| self.currency.into()),
            rule: approved.then(|| format!("default rate, {}", self.severity)),
            decided_by: None,
            decided_at: None,
            reason: None,
            verified_by: None,
            resolved_at: None,
            reverted_to_status: None,
            filed_at: self.filed_at,
            duplicate_of: None,
            bounty_id: None,
            points: None,
        }
    }

    pub(crate) fn issue(&self, version: i64, review: PayoutStatus) -> Message {
        let kind = match review {
            PayoutStatus::Approved => kind::ISSUE_APPROVED,
            PayoutStatus::Rejected => kind::ISSUE_REJECTED,
            PayoutStatus::Pending | PayoutStatus::Paid | PayoutStatus::Void => kind::ISSUE_CREATED,
        };
        event(self.organization, kind, self.filed_at, self.state(version, review))
    }

    pub(crate) fn draft(&self, version: i64) -> Message {
        let mut state = self.state(version, PayoutStatus::Pending);
        state.status = IssueStatus::Draft;
        event(self.organization, kind::ISSUE_CREATED, self.filed_at, state)
    }

    /// `moved` is when it was paid and, when void, whether it had been.
    pub(crate) fn earning(
        &self,
        version: i64,
        status: PayoutStatus,
        moved: Option<Timestamp>,
        time: Timestamp,
    ) -> Message {
        let kind = match status {
            PayoutStatus::Pending | PayoutStatus::Approved => kind::EARNING_APPROVED,
            PayoutStatus::Rejected => kind::EARNING_REJECTED,
            PayoutStatus::Paid => kind::PAYOUT_ISSUE_PAID,
            PayoutStatus::Void => kind::EARNING_VOIDED,
        };
        let state = EarningState {
            earning_id: self.issue.0,
            version,
            issue_id: self.issue.0,
            cycle_id: self.cycle.0,
            payee_id: self.member.0,
            amount_minor: self.amount,
            currency: self.currency.into(),
            status,
            payout_id: moved.map(|_| Uuid::nil()),
            method: moved.map(|_| Method::Kaspi),
            reference: moved.map(|_| "KASPI-1".into()),
            paid_at: moved,
            reason: None,
            voided_at: None,
            receivable_minor: None,
        };
        event(self.organization, kind, time, state)
    }

    /// Filed, approved and paid.
    pub(crate) fn paid(&self, at: Timestamp) -> Vec<Message> {
        vec![
            self.issue(1, PayoutStatus::Pending),
            self.issue(2, PayoutStatus::Approved),
            self.earning(1, PayoutStatus::Approved, None, at),
            self.earning(2, PayoutStatus::Paid, Some(at), at),
        ]
    }
}

/// A payout to a member, to be told in any state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    pub(crate) organization: OrganizationId,
    pub(crate) id: Uuid,
    pub(crate) member: MemberId,
    pub(crate) amount: i64,
    pub(crate) source: &'static str,
}

impl Transfer {
    pub(crate) fn told(&self, version: i64, status: &str) -> Message {
        if status == "failed" {
            let failed = PayoutFailed {
                payout_id: self.id,
                version,
                payee_id: self.member.0,
                amount_minor: self.amount,
                currency: "KZT".into(),
                method: Method::Stripe,
                reference: None,
                reason: "account closed".into(),
                item_count: 1,
                failed_at: noon(),
            };
            return event(self.organization, kind::PAYOUT_FAILED, noon(), failed);
        }
        let state = PayoutState {
            payout_id: self.id,
            version,
            batch_id: None,
            payee_id: self.member.0,
            amount_minor: self.amount,
            currency: "KZT".into(),
            method: Some(Method::Stripe),
            reference: String::new(),
            status: status.into(),
            item_count: 1,
            paid_at: None,
            netted_minor: None,
            source: self.source.into(),
            period: None,
            notes: None,
            approved_by: None,
            reason: None,
        };
        event(self.organization, kind::PAYOUT_PROCESSING, noon(), state)
    }
}

/// What a sale earned a partner.
pub(crate) fn commission(organization: OrganizationId, partner: MemberId, minor: i64) -> Message {
    let state = CommissionState {
        commission_id: Uuid::now_v7(),
        version: 1,
        attribution_id: Uuid::nil(),
        external_id: "S-1".into(),
        partner_id: partner.0,
        product_id: None,
        amount_minor: minor,
        currency: "KZT".into(),
        occurred_at: noon(),
        payable_at: noon(),
    };
    event(organization, kind::COMMISSION_CREATED, noon(), state)
}

pub(crate) fn rate(severity: Severity) -> i64 {
    match severity {
        Severity::Critical => RATES[0],
        Severity::High => RATES[1],
        Severity::Medium => RATES[2],
        Severity::Low => RATES[3],
    }
}

pub(crate) fn cycle(
    organization: OrganizationId,
    cycle: CycleId,
    version: i64,
    name: &str,
    [critical, high, medium, low]: [i64; 4],
) -> Message {
    let rates = Rates { currency: "KZT".into(), critical, high, medium, low };
    let state = CycleState {
        cycle_id: cycle.0,
        version,
        product_id: Uuid::nil(),
        name: name.into(),
        open: true,
        requires_verification: None,
        rates,
    };
    event(organization, kind::CYCLE_UPDATED, noon(), state)
}

pub(crate) fn member(
    organization: OrganizationId,
    member: MemberId,
    version: i64,
    name: &str,
) -> Message {
    let state = MemberState {
        member_id: member.0,
        version,
        name: name.into(),
        email: "a@example.org".into(),
        roles: vec!["member".into()],
    };
    event(organization, kind::MEMBER_UPDATED, noon(), state)
}
