//! The kept sums: written as differences, read by member.

use std::collections::BTreeMap;

use quittance_chassis::db::{Column, Db, Insert};
use quittance_kernel::{Currency, CycleId, MemberId, OrganizationId};
use sea_orm::{DbErr, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::{corrupt, statement};
use crate::domain::{Counts, CountsKey, CycleFacts, MoneyKey, SeverityRates, Sums};

/// Adds differences to the counts.
pub(crate) fn count_rows(counts: &BTreeMap<CountsKey, Counts>) -> Insert {
    let of = |pick: fn(&Counts) -> i64| Column::I64(counts.values().map(pick).collect());
    Insert::into("cycle_counts")
        .column("organization_id", Column::Uuid(counts.keys().map(|key| key.0.0).collect()))
        .column("member_id", Column::Uuid(counts.keys().map(|key| key.1.0).collect()))
        .column("cycle_id", Column::Uuid(counts.keys().map(|key| key.2.0).collect()))
        .column("issues", of(|counts| counts.issues))
        .column("approved", of(|counts| counts.approved))
        .column("paid", of(|counts| counts.paid))
        .column("decided", of(|counts| counts.decided))
        .column("pending_critical", of(|counts| counts.pending_critical))
        .column("pending_high", of(|counts| counts.pending_high))
        .column("pending_medium", of(|counts| counts.pending_medium))
        .column("pending_low", of(|counts| counts.pending_low))
        .on_conflict(
            "ON CONFLICT (organization_id, member_id, cycle_id) DO UPDATE SET \
             issues = cycle_counts.issues + excluded.issues, \
             approved = cycle_counts.approved + excluded.approved, \
             paid = cycle_counts.paid + excluded.paid, \
             decided = cycle_counts.decided + excluded.decided, \
             pending_critical = cycle_counts.pending_critical + excluded.pending_critical, \
             pending_high = cycle_counts.pending_high + excluded.pending_high, \
             pending_medium = cycle_counts.pending_medium + excluded.pending_medium, \
             pending_low = cycle_counts.pending_low + excluded.pending_low",
        )
}

/// Adds differences to the money of members in cycles.
pub(crate) fn cycle_money_rows(money: &BTreeMap<MoneyKey, Sums>) -> Insert {
    let insert = Insert::into("cycle_money")
        .column("organization_id", Column::Uuid(money.keys().map(|key| key.0.0).collect()))
        .column("member_id", Column::Uuid(money.keys().map(|key| key.1.0).collect()))
        .column("cycle_id", Column::Uuid(money.keys().map(|key| key.2.0).collect()))
        .column("currency", codes(money.keys().map(|key| key.3)));
    sum_columns(insert, &money.values().copied().collect::<Vec<_>>()).on_conflict(
        "ON CONFLICT (organization_id, member_id, cycle_id, currency) DO UPDATE SET \
         earned = cycle_money.earned + excluded.earned, \
         earned_count = cycle_money.earned_count + excluded.earned_count, \
         pending = cycle_money.pending + excluded.pending, \
         pending_count = cycle_money.pending_count + excluded.pending_count, \
         voided = cycle_money.voided + excluded.voided, \
         voided_count = cycle_money.voided_count + excluded.voided_count, \
         receivable = cycle_money.receivable + excluded.receivable",
    )
}

/// Adds differences to the money of members.
pub(crate) fn member_money_rows(
    money: &BTreeMap<(OrganizationId, MemberId, Currency), Sums>,
) -> Insert {
    let insert = Insert::into("member_money")
        .column("organization_id", Column::Uuid(money.keys().map(|key| key.0.0).collect()))
        .column("member_id", Column::Uuid(money.keys().map(|key| key.1.0).collect()))
        .column("currency", codes(money.keys().map(|key| key.2)));
    sum_columns(insert, &money.values().copied().collect::<Vec<_>>()).on_conflict(
        "ON CONFLICT (organization_id, member_id, currency) DO UPDATE SET \
         earned = member_money.earned + excluded.earned, \
         earned_count = member_money.earned_count + excluded.earned_count, \
         pending = member_money.pending + excluded.pending, \
         pending_count = member_money.pending_count + excluded.pending_count, \
         voided = member_money.voided + excluded.voided, \
         voided_count = member_money.voided_count + excluded.voided_count, \
         receivable = member_money.receivable + excluded.receivable",
    )
}

fn codes(currencies: impl Iterator<Item = Currency>) -> Column {
    Column::Text(currencies.map(|currency| currency.code().to_owned()).collect())
}

fn sum_columns(insert: Insert, sums: &[Sums]) -> Insert {
    let of = |pick: fn(&Sums) -> i64| Column::I64(sums.iter().map(pick).collect());
    insert
        .column("earned", of(|sums| sums.earned))
        .column("earned_count", of(|sums| sums.earned_count))
        .column("pending", of(|sums| sums.pending))
        .column("pending_count", of(|sums| sums.pending_count))
        .column("voided", of(|sums| sums.voided))
        .column("voided_count", of(|sums| sums.voided_count))
        .column("receivable", of(|sums| sums.receivable))
}

/// One currency of one cycle; the counts are repeated for each currency.
struct CycleRow {
    cycle_id: Uuid,
    issues: i64,
    approved: i64,
    paid: i64,
    decided: i64,
    pending_critical: i64,
    pending_high: i64,
    pending_medium: i64,
    pending_low: i64,
    name: Option<String>,
    rate_currency: Option<String>,
    critical: Option<i64>,
    high: Option<i64>,
    medium: Option<i64>,
    low: Option<i64>,
    currency: Option<String>,
    earned: Option<i64>,
    earned_count: Option<i64>,
    pending: Option<i64>,
    pending_count: Option<i64>,
    voided: Option<i64>,
    voided_count: Option<i64>,
    receivable: Option<i64>,
}

/// By position: looking two dozen columns up by name costs more than reading them.
impl FromQueryResult for CycleRow {
    fn from_query_result(row: &QueryResult, _prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            cycle_id: row.try_get_by_index(0)?,
            issues: row.try_get_by_index(1)?,
            approved: row.try_get_by_index(2)?,
            paid: row.try_get_by_index(3)?,
            decided: row.try_get_by_index(4)?,
            pending_critical: row.try_get_by_index(5)?,
            pending_high: row.try_get_by_index(6)?,
            pending_medium: row.try_get_by_index(7)?,
            pending_low: row.try_get_by_index(8)?,
            name: row.try_get_by_index(9)?,
            rate_currency: row.try_get_by_index(10)?,
            critical: row.try_get_by_index(11)?,
            high: row.try_get_by_index(12)?,
            medium: row.try_get_by_index(13)?,
            low: row.try_get_by_index(14)?,
            currency: row.try_get_by_index(15)?,
            earned: row.try_get_by_index(16)?,
            earned_count: row.try_get_by_index(17)?,
            pending: row.try_get_by_index(18)?,
            pending_count: row.try_get_by_index(19)?,
            voided: row.try_get_by_index(20)?,
            voided_count: row.try_get_by_index(21)?,
            receivable: row.try_get_by_index(22)?,
        })
    }
}

/// A balance in one statement, hence of one moment: rows by the prefix of primary keys.
pub(super) const CYCLES_OF: &str = concat!(
    "SELECT n.cycle_id, n.issues, n.approved, n.paid, n.decided, \
     n.pending_critical, n.pending_high, n.pending_medium, n.pending_low, \
     c.name, c.currency, c.critical, c.high, c.medium, c.low, \
     m.currency, m.earned, m.earned_count, m.pending, m.pending_count, m.voided, \
     m.voided_count, m.receivable FROM cycle_counts n \
     LEFT JOIN cycles c ON c.organization_id = n.organization_id AND c.id = n.cycle_id \
     LEFT JOIN cycle_money m ON m.organization_id = n.organization_id \
     AND m.member_id = n.member_id AND m.cycle_id = n.cycle_id \
     WHERE n.organization_id = ",
    current!(),
    " AND n.member_id = $2 ORDER BY n.cycle_id, m.currency"
);

/// The sums of a member, cycle by cycle.
pub(crate) async fn cycles_of(
    db: &Db,
    organization: OrganizationId,
    member: MemberId,
) -> Result<Vec<CycleFacts>, DbErr> {
    let statement = statement(db, CYCLES_OF, [organization.0.into(), member.0.into()]);
    let rows = CycleRow::find_by_statement(statement).all(db.conn()).await?;
    let mut cycles: Vec<CycleFacts> = Vec::with_capacity(rows.len());
    for row in rows {
        let money = row.money()?;
        match cycles.last_mut() {
            Some(last) if last.cycle.0 == row.cycle_id => last.money.extend(money),
            Some(_) | None => cycles.push(row.facts(money)?),
        }
    }
    Ok(cycles)
}

impl CycleRow {
    fn money(&self) -> Result<Option<(Currency, Sums)>, DbErr> {
        let Some(code) = &self.currency else { return Ok(None) };
        let currency = code.parse().map_err(|_| corrupt("cycle_money", "currency"))?;
        let sums = Sums {
            earned: self.earned.unwrap_or_default(),
            earned_count: self.earned_count.unwrap_or_default(),
            pending: self.pending.unwrap_or_default(),
            pending_count: self.pending_count.unwrap_or_default(),
            voided: self.voided.unwrap_or_default(),
            voided_count: self.voided_count.unwrap_or_default(),
            receivable: self.receivable.unwrap_or_default(),
        };
        Ok(Some((currency, sums)))
    }

    fn rates(&self) -> Result<Option<SeverityRates>, DbErr> {
        let Some(code) = &self.rate_currency else { return Ok(None) };
        Ok(Some(SeverityRates {
            currency: code.parse().map_err(|_| corrupt("cycles", "currency"))?,
            critical: self.critical.unwrap_or_default(),
            high: self.high.unwrap_or_default(),
            medium: self.medium.unwrap_or_default(),
            low: self.low.unwrap_or_default(),
        }))
    }

    fn facts(self, money: Option<(Currency, Sums)>) -> Result<CycleFacts, DbErr> {
        let rates = self.rates()?;
        Ok(CycleFacts {
            cycle: CycleId(self.cycle_id),
            counts: Counts {
                issues: self.issues,
                approved: self.approved,
                paid: self.paid,
                decided: self.decided,
                pending_critical: self.pending_critical,
                pending_high: self.pending_high,
                pending_medium: self.pending_medium,
                pending_low: self.pending_low,
            },
            name: self.name.unwrap_or_default(),
            rates,
            money: money.into_iter().collect(),
        })
    }
}
