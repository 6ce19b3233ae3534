//! The history of the rates of cycles: rows are added and never changed.

use chrono::{DateTime, Utc};
use quittance_chassis::db::{Column, Insert};
use quittance_kernel::{Ctx, CycleId, MemberId, OrganizationId, Severity, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::cycle::overrides;
use super::sql::Sql;
use super::{After, StoreError};
use crate::domain::rates::{Overrides, RateChange};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    changed_by: Uuid,
    changed_by_name: Option<String>,
    changed_at: DateTime<Utc>,
    before_currency: Option<String>,
    before_critical: Option<i64>,
    before_high: Option<i64>,
    before_medium: Option<i64>,
    before_low: Option<i64>,
    after_currency: Option<String>,
    after_critical: Option<i64>,
    after_high: Option<i64>,
    after_medium: Option<i64>,
    after_low: Option<i64>,
}

impl Row {
    fn read(self) -> Result<RateChange, StoreError> {
        let before = [self.before_critical, self.before_high, self.before_medium, self.before_low];
        let after = [self.after_critical, self.after_high, self.after_medium, self.after_low];
        Ok(RateChange {
            id: self.id,
            by: MemberId(self.changed_by),
            by_name: self.changed_by_name.unwrap_or_default(),
            at: self.changed_at,
            before: overrides(self.id, self.before_currency.as_deref(), before)?,
            after: overrides(self.id, self.after_currency.as_deref(), after)?,
        })
    }
}

/// The names of the columns of one side: currency, then the severities.
type Names = [&'static str; 5];

const BEFORE: Names =
    ["before_currency", "before_critical", "before_high", "before_medium", "before_low"];
const AFTER: Names =
    ["after_currency", "after_critical", "after_high", "after_medium", "after_low"];

/// The row of one change, to be written in the transaction of the cycle's change.
pub(super) fn insert(
    ctx: &Ctx,
    cycle: CycleId,
    before: Option<&Overrides>,
    after: Option<&Overrides>,
) -> Insert {
    let row = Insert::into("cycle_rate_changes")
        .column("id", Column::same_uuid(Some(Uuid::now_v7())))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("cycle_id", Column::same_uuid(Some(cycle.0)))
        .column("changed_by", Column::same_uuid(Some(ctx.member().0)))
        .column("changed_at", Column::same_time(Some(ctx.now)));
    side(side(row, BEFORE, before), AFTER, after)
}

fn side(
    row: Insert,
    [currency, critical, high, medium, low]: Names,
    own: Option<&Overrides>,
) -> Insert {
    let rate = |severity| Column::same_i64(own.and_then(|own| own.minor(severity)));
    row.column(currency, Column::same_text(own.map(|own| own.currency().code())))
        .column(critical, rate(Severity::Critical))
        .column(high, rate(Severity::High))
        .column(medium, rate(Severity::Medium))
        .column(low, rate(Severity::Low))
}

const SELECT: &str = "SELECT h.id, h.changed_by, m.name AS changed_by_name, h.changed_at, \
    h.before_currency, h.before_critical, h.before_high, h.before_medium, h.before_low, \
    h.after_currency, h.after_critical, h.after_high, h.after_medium, h.after_low \
    FROM cycle_rate_changes h LEFT JOIN members m ON m.id = h.changed_by \
    WHERE h.organization_id = ";

/// Lists the changes of a cycle's rates, the newest first.
pub(crate) async fn list<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    cycle: CycleId,
    after: Option<After<Timestamp>>,
    limit: u32,
) -> Result<Vec<RateChange>, StoreError> {
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(SELECT, organization.0).bind(" AND h.cycle_id = ", cycle.0);
    if let Some(After { key, id }) = after {
        sql.bind(" AND (h.changed_at, h.id) < (", key).bind(", ", id).push(")");
    }
    sql.bind(" ORDER BY h.changed_at DESC, h.id DESC LIMIT ", i64::from(limit));
    sql.all::<Row, C>(conn).await?.into_iter().map(Row::read).collect()
}
