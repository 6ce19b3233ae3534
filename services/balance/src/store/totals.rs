//! Sums over a whole organization.

use quittance_chassis::db::Db;
use quittance_kernel::{Currency, MemberId, Money, OrganizationId};
use sea_orm::{ConnectionTrait as _, DbErr, FromQueryResult};
use uuid::Uuid;

use super::{corrupt, statement};
use crate::domain::Sums;

/// The sums of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MoneyTotal {
    pub(crate) currency: Currency,
    pub(crate) sums: Sums,
}

#[derive(FromQueryResult)]
struct TotalRow {
    currency: String,
    earned: i64,
    earned_count: i64,
    pending: i64,
    pending_count: i64,
    voided: i64,
    voided_count: i64,
    receivable: i64,
}

/// The sums of an organization, currency by currency.
pub(crate) async fn totals(
    db: &Db,
    organization: OrganizationId,
) -> Result<Vec<MoneyTotal>, DbErr> {
    // A sum of bigint is numeric on PostgreSQL.
    let sql = concat!(
        "SELECT currency, CAST(SUM(earned) AS BIGINT) AS earned, \
         CAST(SUM(earned_count) AS BIGINT) AS earned_count, \
         CAST(SUM(pending) AS BIGINT) AS pending, \
         CAST(SUM(pending_count) AS BIGINT) AS pending_count, \
         CAST(SUM(voided) AS BIGINT) AS voided, \
         CAST(SUM(voided_count) AS BIGINT) AS voided_count, \
         CAST(SUM(receivable) AS BIGINT) AS receivable \
         FROM member_money WHERE organization_id = ",
        current!(),
        " GROUP BY currency ORDER BY currency"
    );
    let statement = statement(db, sql, [organization.0.into()]);
    let rows = TotalRow::find_by_statement(statement).all(db.conn()).await?;
    rows.into_iter()
        .map(|row| {
            let currency = row.currency.parse().map_err(|_| corrupt("member_money", "currency"))?;
            let sums = Sums {
                earned: row.earned,
                earned_count: row.earned_count,
                pending: row.pending,
                pending_count: row.pending_count,
                voided: row.voided,
                voided_count: row.voided_count,
                receivable: row.receivable,
            };
            Ok(MoneyTotal { currency, sums })
        })
        .collect()
}

/// Who has earned the most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopEarner {
    pub(crate) member: MemberId,
    /// Empty until the member has been heard of.
    pub(crate) name: String,
    pub(crate) earned: Money,
}

/// The first row of the index of earners.
pub(super) const TOP_EARNER: &str = concat!(
    "SELECT m.member_id, m.earned, p.name FROM member_money m \
     LEFT JOIN members p ON p.organization_id = m.organization_id AND p.id = m.member_id \
     WHERE m.organization_id = ",
    current!(),
    " AND m.currency = $2 AND m.earned > 0 ORDER BY m.earned DESC, m.member_id LIMIT 1"
);

/// Who has earned the most in one currency.
pub(crate) async fn top_earner(
    db: &Db,
    organization: OrganizationId,
    currency: Currency,
) -> Result<Option<TopEarner>, DbErr> {
    let binds = [organization.0.into(), currency.code().into()];
    let row = db.conn().query_one_raw(statement(db, TOP_EARNER, binds)).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(TopEarner {
        member: MemberId(row.try_get_by_index::<Uuid>(0)?),
        name: row.try_get_by_index::<Option<String>>(2)?.unwrap_or_default(),
        earned: Money::signed(row.try_get_by_index(1)?, currency),
    }))
}
