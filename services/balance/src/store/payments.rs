//! A payee's payments, and what was taken back, in the order of the export.

use quittance_chassis::db::Db;
use quittance_kernel::{Currency, MemberId, Method, Money, OrganizationId, Severity, Timestamp};
use sea_orm::{ConnectionTrait as _, DbErr, QueryResult};
use uuid::Uuid;

use super::{corrupt, statement};
use crate::domain::Period;

/// One movement of money, positive when it was paid and negative when it was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Movement {
    pub(crate) position: Position,
    pub(crate) cycle: Uuid,
    pub(crate) title: String,
    pub(crate) severity: Option<Severity>,
    pub(crate) amount: Money,
    pub(crate) method: Option<Method>,
    pub(crate) reference: String,
}

/// The place of a movement in the export. A payment comes before what takes it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) at: Timestamp,
    pub(crate) issue: Uuid,
    pub(crate) taken_back: bool,
}

/// The place of the last row of a page, for one of the two indexes.
type Cursor = (Timestamp, Uuid);

impl Position {
    /// The place before everything that happened at an instant or later.
    pub(crate) fn before(at: Timestamp) -> Self {
        let (at, issue) = predecessor((at, Uuid::nil()));
        Self { at, issue, taken_back: true }
    }

    /// After which payment, and after what was taken back, the next page goes on.
    fn cursors(self) -> (Cursor, Cursor) {
        let here = (self.at, self.issue);
        (here, if self.taken_back { here } else { predecessor(here) })
    }
}

/// The greatest place before this one.
fn predecessor((at, issue): Cursor) -> Cursor {
    match issue.as_u128().checked_sub(1) {
        Some(smaller) => (at, Uuid::from_u128(smaller)),
        None => (at - chrono::TimeDelta::microseconds(1), Uuid::max()),
    }
}

/// The movements of a payee after a position and before the end of a period, in their order.
pub(crate) async fn movements(
    db: &Db,
    organization: OrganizationId,
    payee: MemberId,
    after: Position,
    period: Period,
    limit: usize,
) -> Result<Vec<Movement>, DbErr> {
    let ((paid, paid_issue), (voided, voided_issue)) = after.cursors();
    let binds = [
        organization.0.into(),
        payee.0.into(),
        period.to.into(),
        paid.into(),
        paid_issue.into(),
        voided.into(),
        voided_issue.into(),
    ];
    let rows = db.conn().query_all_raw(statement(db, &movements_sql(limit), binds)).await?;
    rows.iter().map(movement).collect()
}

/// Two reads of an index each, merged.
pub(super) fn movements_sql(limit: usize) -> String {
    let current = current!();
    let columns = "issue_id, earning_cycle_id, title, severity, amount_minor, currency, method, \
         reference";
    format!(
        "SELECT {columns}, moved_at, taken_back FROM (\
         SELECT * FROM (SELECT {columns}, paid_at AS moved_at, 0 AS taken_back FROM lines \
         WHERE organization_id = {current} AND payee_id = $2 AND paid_at < $3 \
         AND (paid_at, issue_id) > ($4, $5) ORDER BY paid_at, issue_id LIMIT {limit}) AS p \
         UNION ALL \
         SELECT * FROM (SELECT {columns}, void_at AS moved_at, 1 AS taken_back FROM lines \
         WHERE organization_id = {current} AND payee_id = $2 AND void_at < $3 \
         AND (void_at, issue_id) > ($6, $7) AND paid_at IS NOT NULL \
         ORDER BY void_at, issue_id LIMIT {limit}) AS v\
         ) AS m ORDER BY moved_at, issue_id, taken_back LIMIT {limit}"
    )
}

fn movement(row: &QueryResult) -> Result<Movement, DbErr> {
    let taken_back = row.try_get_by_index::<i32>(9)? == 1;
    let position =
        Position { at: row.try_get_by_index(8)?, issue: row.try_get_by_index(0)?, taken_back };
    let currency: Currency =
        word(row.try_get_by_index(5)?, "currency")?.ok_or_else(|| corrupt("lines", "currency"))?;
    let amount = Money::signed(row.try_get_by_index(4)?, currency);
    let amount = if taken_back { amount.checked_neg() } else { Ok(amount) };
    Ok(Movement {
        position,
        cycle: row.try_get_by_index(1)?,
        title: row.try_get_by_index::<Option<String>>(2)?.unwrap_or_default(),
        severity: word(row.try_get_by_index(3)?, "severity")?,
        amount: amount.map_err(|_| corrupt("lines", "amount_minor"))?,
        method: word(row.try_get_by_index(6)?, "method")?,
        reference: row.try_get_by_index::<Option<String>>(7)?.unwrap_or_default(),
    })
}

fn word<T: std::str::FromStr>(text: Option<String>, column: &str) -> Result<Option<T>, DbErr> {
    text.map(|text| text.parse().map_err(|_| corrupt("lines", column))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_with_what_takes_back_the_payment_it_ended_with() {
        let at: Timestamp = "2026-05-08T12:00:00Z".parse().unwrap();
        let issue = Uuid::from_u128(7);
        let paid = Position { at, issue, taken_back: false };

        assert_eq!(paid.cursors(), ((at, issue), (at, Uuid::from_u128(6))));
        let voided = Position { taken_back: true, ..paid };
        assert_eq!(voided.cursors(), ((at, issue), (at, issue)));
        assert!(paid < voided);
        assert_eq!(Position::before(at).at, at - chrono::TimeDelta::microseconds(1));
    }
}
