//! Money by day: written as differences, read by a stretch of days.

use quittance_chassis::db::{Column, Db, Insert};
use quittance_kernel::{Currency, MemberId, Money, OrganizationId};
use sea_orm::{ConnectionTrait as _, DbErr};
use uuid::Uuid;

use super::{TopEarner, corrupt, statement};
use crate::domain::{Day, DayDifferences, Flow};

/// Adds differences to the money of days.
pub(crate) fn day_rows(days: &DayDifferences) -> Insert {
    let all = || days.0.iter();
    let of = |pick: fn(&Flow) -> i64| Column::I64(days.0.values().map(pick).collect());
    Insert::into("day_money")
        .column("organization_id", Column::Uuid(all().map(|(key, _)| key.0.0).collect()))
        .column("day", Column::I64(all().map(|(key, _)| key.1).collect()))
        .column("currency", Column::Text(all().map(|(key, _)| key.2.code().to_owned()).collect()))
        .column("paid", of(|flow| flow.paid))
        .column("paid_count", of(|flow| flow.paid_count))
        .column("taken_back", of(|flow| flow.taken_back))
        .column("taken_back_count", of(|flow| flow.taken_back_count))
        .on_conflict(
            "ON CONFLICT (organization_id, day, currency) DO UPDATE SET \
             paid = day_money.paid + excluded.paid, \
             paid_count = day_money.paid_count + excluded.paid_count, \
             taken_back = day_money.taken_back + excluded.taken_back, \
             taken_back_count = day_money.taken_back_count + excluded.taken_back_count",
        )
}

/// A prefix of the primary key.
pub(super) const DAYS: &str = concat!(
    "SELECT day, currency, paid, paid_count, taken_back, taken_back_count FROM day_money \
     WHERE organization_id = ",
    current!(),
    " AND day >= $2 AND day < $3 ORDER BY day, currency"
);

/// The days of an organization from the first on and before the last, on which something moved.
pub(crate) async fn days(
    db: &Db,
    organization: OrganizationId,
    from: Day,
    to: Day,
) -> Result<Vec<(Day, Currency, Flow)>, DbErr> {
    let statement = statement(db, DAYS, [organization.0.into(), from.into(), to.into()]);
    let rows = db.conn().query_all_raw(statement).await?;
    rows.iter()
        .map(|row| {
            let code: String = row.try_get_by_index(1)?;
            let currency = code.parse().map_err(|_| corrupt("day_money", "currency"))?;
            let flow = Flow {
                paid: row.try_get_by_index(2)?,
                paid_count: row.try_get_by_index(3)?,
                taken_back: row.try_get_by_index(4)?,
                taken_back_count: row.try_get_by_index(5)?,
            };
            Ok((row.try_get_by_index(0)?, currency, flow))
        })
        .filter(|row| row.as_ref().map_or(true, |(_, _, flow)| !flow.is_zero()))
        .collect()
}

/// The first rows of the index of earners.
pub(super) fn top_sql(limit: u32) -> String {
    format!(
        "SELECT m.member_id, m.earned, m.earned_count, p.name FROM member_money m \
         LEFT JOIN members p ON p.organization_id = m.organization_id AND p.id = m.member_id \
         WHERE m.organization_id = {} AND m.currency = $2 AND m.earned > 0 \
         ORDER BY m.earned DESC, m.member_id LIMIT {limit}",
        current!()
    )
}

/// Who has earned the most in one currency, each with the number of their payments.
pub(crate) async fn top_earners(
    db: &Db,
    organization: OrganizationId,
    currency: Currency,
    limit: u32,
) -> Result<Vec<(TopEarner, i64)>, DbErr> {
    let binds = [organization.0.into(), currency.code().into()];
    let rows = db.conn().query_all_raw(statement(db, &top_sql(limit), binds)).await?;
    rows.iter()
        .map(|row| {
            let earner = TopEarner {
                member: MemberId(row.try_get_by_index::<Uuid>(0)?),
                name: row.try_get_by_index::<Option<String>>(3)?.unwrap_or_default(),
                earned: Money::signed(row.try_get_by_index(1)?, currency),
            };
            Ok((earner, row.try_get_by_index(2)?))
        })
        .collect()
}
