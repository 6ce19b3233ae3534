//! What a member was paid for bounties, as it is read.

use quittance_chassis::db::Db;
use quittance_kernel::{BountyId, IssueId, MemberId, Money, OrganizationId, PayoutId, Timestamp};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, money};
use crate::domain::bounty_payment::Status;
use crate::domain::payout::PayoutState;

/// One payout.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) payout: PayoutId,
    /// Absent for a share of a profit.
    pub(crate) issue: Option<IssueId>,
    pub(crate) bounty: Option<BountyId>,
    pub(crate) period: String,
    pub(crate) amount: Money,
    pub(crate) state: PayoutState,
    pub(crate) reasons: Vec<String>,
    pub(crate) reference: String,
    pub(crate) paid_at: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
}

impl Line {
    pub(crate) fn status(&self) -> Status {
        Status::of(self.state, &self.reasons)
    }
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    period: String,
    amount_minor: i64,
    currency: String,
    state: String,
    reference: String,
    paid_at: Option<Timestamp>,
    created_at: Timestamp,
    issue_id: Option<Uuid>,
    bounty_id: Option<Uuid>,
    reasons: Option<String>,
}

/// Sums of one kind in one currency.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Total {
    pub(crate) fixed: bool,
    pub(crate) currency: String,
    pub(crate) paid: i64,
    pub(crate) pending: i64,
    pub(crate) paid_count: i64,
    pub(crate) pending_count: i64,
}

const FROM: &str = " FROM payouts p LEFT JOIN bounty_payments b ON b.payout_id = p.id \
    WHERE p.state NOT IN ('cancelled', 'rejected') \
    AND (p.source = 'profit_share' OR b.issue_id IS NOT NULL) AND p.organization_id = ";

/// The newest payouts of a kind: at most `limit`.
pub(crate) async fn lines(
    db: &Db,
    organization: OrganizationId,
    member: MemberId,
    fixed: bool,
    limit: u32,
) -> Result<Vec<Line>, StoreError> {
    let text = "SELECT p.id, p.period, p.amount_minor, p.currency, p.state, p.reference, \
                p.paid_at, p.created_at, b.issue_id, b.bounty_id, b.reasons";
    let kind = if fixed { " AND b.issue_id IS NOT NULL" } else { " AND b.issue_id IS NULL" };
    let sql = Sql::new(db.backend(), text)
        .bind(FROM, organization.0)
        .bind(" AND p.payee_id = ", member.0)
        .push(kind)
        .bind(" ORDER BY p.id DESC LIMIT ", i64::from(limit));
    sql.all::<Row, _>(db.conn()).await?.iter().map(line).collect()
}

fn line(row: &Row) -> Result<Line, StoreError> {
    let state = PayoutState::ALL.iter().copied().find(|state| state.as_str() == row.state);
    let corrupt = StoreError::Corrupt { table: "payouts", id: row.id, column: "state" };
    let words = row.reasons.as_deref().unwrap_or_default().split(',');
    Ok(Line {
        payout: PayoutId(row.id),
        issue: row.issue_id.map(IssueId),
        bounty: row.bounty_id.map(BountyId),
        period: row.period.clone(),
        amount: money("payouts", row.id, row.amount_minor, &row.currency)?,
        state: state.ok_or(corrupt)?,
        reasons: words.filter(|word| !word.is_empty()).map(str::to_owned).collect(),
        reference: row.reference.clone(),
        paid_at: row.paid_at,
        created_at: row.created_at,
    })
}

/// Sums over all payouts of a member, by kind and currency.
pub(crate) async fn totals(
    db: &Db,
    organization: OrganizationId,
    member: MemberId,
) -> Result<Vec<Total>, StoreError> {
    let sum = |condition: &str, what: &str| {
        format!("CAST(SUM(CASE WHEN p.state {condition} THEN {what} ELSE 0 END) AS BIGINT)")
    };
    let (paid, pending) = ("= 'paid'", "NOT IN ('paid', 'void', 'returned')");
    let text = format!(
        "SELECT b.issue_id IS NOT NULL AS fixed, p.currency, {} AS paid, {} AS pending, \
         {} AS paid_count, {} AS pending_count",
        sum(paid, "p.amount_minor"),
        sum(pending, "p.amount_minor"),
        sum(paid, "1"),
        sum(pending, "1"),
    );
    let sql = Sql::new(db.backend(), &text)
        .bind(FROM, organization.0)
        .bind(" AND p.payee_id = ", member.0)
        .push(" GROUP BY 1, p.currency ORDER BY 1 DESC, p.currency");
    Ok(sql.all::<Total, _>(db.conn()).await?)
}
