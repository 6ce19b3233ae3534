//! The row of an issue together with its frame, and the way from it to the domain.

use chrono::{DateTime, Utc};
use quittance_kernel::{
    BountyId, CycleId, IssueId, IssueStatus, MemberId, Money, OrganizationId, PayoutId,
    PayoutStatus, ProductId, Severity,
};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::StoreError;
use super::cycle::overrides;
use crate::domain::issue::{Issue, Payment, Verification};
use crate::domain::review::{Decision, Review};
use crate::domain::view::Frame;

/// Everything that [`Row`] reads. `i` is the issue, `c` its cycle, `p` its product, `r` its reporter.
pub(super) const COLUMNS: &str = "SELECT i.id, i.organization_id, i.product_id, i.cycle_id, \
    i.reporter_id, i.number, i.title, i.body, i.severity, i.status, i.review, i.amount_minor, \
    i.currency, i.rule, i.points, i.bounty_id, i.decided_by, i.decided_at, i.reason, i.verified_by, i.resolved_at, \
    i.pay_status, i.payout_id, i.paid_at, i.paid_minor, i.paid_currency, i.duplicate_of, i.version, i.created_at, \
    i.updated_at, p.key AS product_key, p.requires_verification AS product_gate, \
    c.name AS cycle_name, c.requires_verification AS cycle_gate, c.rate_currency, \
    c.rate_critical, c.rate_high, c.rate_medium, c.rate_low, r.name AS reporter_name, \
    b.value_minor AS offer_minor, b.currency AS offer_currency";

/// Where they come from. A reporter who was never signed in here has no name.
pub(super) const TABLES: &str = " FROM issues i JOIN cycles c ON c.id = i.cycle_id \
    JOIN products p ON p.id = i.product_id LEFT JOIN members r ON r.id = i.reporter_id \
    LEFT JOIN bounties b ON b.id = i.bounty_id";

#[derive(Debug, FromQueryResult)]
pub(super) struct Row {
    pub(super) id: Uuid,
    organization_id: Uuid,
    product_id: Uuid,
    cycle_id: Uuid,
    reporter_id: Uuid,
    number: i64,
    title: String,
    body: String,
    severity: i64,
    status: String,
    review: String,
    amount_minor: Option<i64>,
    currency: Option<String>,
    rule: Option<String>,
    points: Option<i64>,
    bounty_id: Option<Uuid>,
    decided_by: Option<Uuid>,
    decided_at: Option<DateTime<Utc>>,
    reason: Option<String>,
    verified_by: Option<Uuid>,
    resolved_at: Option<DateTime<Utc>>,
    pay_status: Option<String>,
    payout_id: Option<Uuid>,
    paid_at: Option<DateTime<Utc>>,
    paid_minor: Option<i64>,
    paid_currency: Option<String>,
    duplicate_of: Option<Uuid>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    product_key: String,
    product_gate: Option<bool>,
    cycle_name: String,
    cycle_gate: Option<bool>,
    rate_currency: Option<String>,
    rate_critical: Option<i64>,
    rate_high: Option<i64>,
    rate_medium: Option<i64>,
    rate_low: Option<i64>,
    reporter_name: Option<String>,
    offer_minor: Option<i64>,
    offer_currency: Option<String>,
}

impl Row {
    fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt { table: "issues", id: self.id, column }
    }

    pub(super) fn read(self) -> Result<(Issue, Frame), StoreError> {
        let frame = self.frame()?;
        let review = self.review()?;
        let payment = self.payment()?;
        let verification = match (self.verified_by, self.resolved_at) {
            (Some(by), Some(at)) => Some(Verification { by: MemberId(by), at }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(self.corrupt("resolved_at")),
        };
        let severity = severity(self.severity).ok_or_else(|| self.corrupt("severity"))?;
        let status: IssueStatus = self.status.parse().map_err(|_| self.corrupt("status"))?;
        let issue = Issue {
            id: IssueId(self.id),
            organization: OrganizationId(self.organization_id),
            product: ProductId(self.product_id),
            cycle: CycleId(self.cycle_id),
            reporter: MemberId(self.reporter_id),
            number: self.number,
            title: self.title,
            body: self.body,
            severity,
            status,
            review,
            verification,
            payment,
            duplicate_of: self.duplicate_of.map(IssueId),
            bounty: self.bounty_id.map(BountyId),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        Ok((issue, frame))
    }

    fn frame(&self) -> Result<Frame, StoreError> {
        let minor = [self.rate_critical, self.rate_high, self.rate_medium, self.rate_low];
        Ok(Frame {
            product_key: self.product_key.clone(),
            cycle_name: self.cycle_name.clone(),
            reporter_name: self.reporter_name.clone().unwrap_or_default(),
            product_gate: self.product_gate,
            cycle_gate: self.cycle_gate,
            rates: overrides(self.cycle_id, self.rate_currency.as_deref(), minor)?,
            offer: self.money(self.offer_minor, self.offer_currency.as_deref(), "bounty_id")?,
        })
    }

    fn review(&self) -> Result<Review, StoreError> {
        let decision = match (self.decided_by, self.decided_at) {
            (Some(by), Some(at)) => {
                Some(Decision { by: MemberId(by), at, reason: self.reason.clone() })
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(self.corrupt("decided_at")),
        };
        let amount = self.money(self.amount_minor, self.currency.as_deref(), "amount_minor")?;
        if let (Some(points), "approved", None) = (self.points, self.review.as_str(), &amount) {
            let decision = decision.ok_or_else(|| self.corrupt("decided_by"))?;
            return Ok(Review::Granted { points, decision });
        }
        match (self.review.as_str(), decision, amount, self.rule.clone()) {
            ("pending", None, None, None) => Ok(Review::Pending),
            ("approved", Some(decision), Some(amount), Some(rule)) => {
                Ok(Review::Approved { amount, rule, decision })
            }
            ("rejected", Some(decision), None, None) => Ok(Review::Rejected { decision }),
            _ => Err(self.corrupt("review")),
        }
    }

    fn payment(&self) -> Result<Option<Payment>, StoreError> {
        let Some(status) = self.pay_status.as_deref() else { return Ok(None) };
        let status: PayoutStatus = status.parse().map_err(|_| self.corrupt("pay_status"))?;
        let amount = self.money(self.paid_minor, self.paid_currency.as_deref(), "paid_minor")?;
        let payout = self.payout_id.map(PayoutId);
        Ok(Some(Payment { status, payout, at: self.paid_at, amount }))
    }

    fn money(
        &self,
        minor: Option<i64>,
        currency: Option<&str>,
        column: &'static str,
    ) -> Result<Option<Money>, StoreError> {
        match (minor, currency) {
            (None, None) => Ok(None),
            (Some(minor), Some(code)) => {
                let currency = code.parse().map_err(|_| self.corrupt(column))?;
                Ok(Some(Money::signed(minor, currency)))
            }
            (Some(_), None) | (None, Some(_)) => Err(self.corrupt(column)),
        }
    }
}

/// Severities are stored as numbers, so that an index can bring the worst first.
pub(super) fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Critical => 1,
        Severity::High => 2,
        Severity::Medium => 3,
        Severity::Low => 4,
    }
}

pub(super) fn severity(stored: i64) -> Option<Severity> {
    Severity::ALL.iter().copied().find(|severity| rank(*severity) == stored)
}
