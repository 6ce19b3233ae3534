//! The row of `lines` and the line that it stands for.

use quittance_kernel::{Currency, CycleId, MemberId, Money, PayoutStatus, Timestamp};
use sea_orm::{DbErr, FromQueryResult};
use uuid::Uuid;

use super::corrupt;
use crate::domain::{Earning, EarningState, Filing, Line, Payment};

/// The columns of [`LineRow`], from the table or its alias `l`.
pub(super) const COLUMNS: &str = "l.organization_id, l.issue_id, l.issue_version, l.reporter_id, \
     l.issue_cycle_id, l.title, l.severity, l.status, l.review, l.price_minor, l.price_currency, \
     l.rule, l.filed_at, l.earning_version, l.payee_id, l.earning_cycle_id, l.amount_minor, \
     l.currency, l.earning_status, l.method, l.reference, l.paid_at, l.void_at, \
     l.receivable_minor";

#[derive(FromQueryResult)]
pub(super) struct LineRow {
    pub(super) organization_id: Uuid,
    pub(super) issue_id: Uuid,
    issue_version: i64,
    reporter_id: Option<Uuid>,
    issue_cycle_id: Option<Uuid>,
    title: Option<String>,
    severity: Option<String>,
    status: Option<String>,
    review: Option<String>,
    price_minor: i64,
    price_currency: Option<String>,
    rule: Option<String>,
    filed_at: Option<Timestamp>,
    earning_version: i64,
    payee_id: Option<Uuid>,
    earning_cycle_id: Option<Uuid>,
    amount_minor: i64,
    currency: Option<String>,
    earning_status: Option<String>,
    method: Option<String>,
    reference: Option<String>,
    paid_at: Option<Timestamp>,
    void_at: Option<Timestamp>,
    receivable_minor: i64,
}

/// Reads a word that must be there.
fn word<T: std::str::FromStr>(text: Option<&str>, column: &str) -> Result<T, DbErr> {
    text.and_then(|text| text.parse().ok()).ok_or_else(|| corrupt("lines", column))
}

/// Reads a word that may be absent, but not wrong.
fn perhaps<T: std::str::FromStr>(text: Option<&str>, column: &str) -> Result<Option<T>, DbErr> {
    text.map(|text| word(Some(text), column)).transpose()
}

fn there<T>(value: Option<T>, column: &str) -> Result<T, DbErr> {
    value.ok_or_else(|| corrupt("lines", column))
}

impl LineRow {
    fn filing(&self) -> Result<Option<Filing>, DbErr> {
        if self.issue_version == 0 {
            return Ok(None);
        }
        let currency: Option<Currency> = perhaps(self.price_currency.as_deref(), "price_currency")?;
        Ok(Some(Filing {
            version: self.issue_version,
            reporter: MemberId(there(self.reporter_id, "reporter_id")?),
            cycle: CycleId(there(self.issue_cycle_id, "issue_cycle_id")?),
            title: self.title.clone().unwrap_or_default(),
            severity: word(self.severity.as_deref(), "severity")?,
            status: word(self.status.as_deref(), "status")?,
            review: word(self.review.as_deref(), "review")?,
            price: currency.map(|currency| Money::signed(self.price_minor, currency)),
            rule: self.rule.clone(),
            filed_at: there(self.filed_at, "filed_at")?,
        }))
    }

    fn earning(&self) -> Result<Option<Earning>, DbErr> {
        if self.earning_version == 0 {
            return Ok(None);
        }
        let currency = word(self.currency.as_deref(), "currency")?;
        Ok(Some(Earning {
            version: self.earning_version,
            payee: MemberId(there(self.payee_id, "payee_id")?),
            // The nil UUID, which stands for NULL in arrays: what no issue has earned has no cycle.
            cycle: CycleId(self.earning_cycle_id.unwrap_or_default()),
            amount: Money::signed(self.amount_minor, currency),
            state: self.state()?,
        }))
    }

    fn state(&self) -> Result<EarningState, DbErr> {
        let method = perhaps(self.method.as_deref(), "method")?;
        let payment = self.paid_at.map(|at| {
            let reference = self.reference.clone();
            Payment { at, method, reference }
        });
        let status: PayoutStatus = word(self.earning_status.as_deref(), "earning_status")?;
        Ok(match (status, payment, self.void_at) {
            (PayoutStatus::Pending, None, None) => EarningState::Pending,
            (PayoutStatus::Approved, None, None) => EarningState::Approved,
            (PayoutStatus::Rejected, None, None) => EarningState::Rejected,
            (PayoutStatus::Paid, Some(payment), None) => EarningState::Paid(payment),
            (PayoutStatus::Void, payment, Some(at)) => {
                EarningState::Void { at, payment, receivable: self.receivable_minor }
            }
            _ => return Err(corrupt("lines", "earning_status")),
        })
    }
}

impl TryFrom<&LineRow> for Line {
    type Error = DbErr;

    fn try_from(row: &LineRow) -> Result<Self, DbErr> {
        Ok(Self { filing: row.filing()?, earning: row.earning()? })
    }
}
