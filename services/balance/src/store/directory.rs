//! Names and rates of cycles, names of members: as their owner last told them.

use std::collections::{BTreeMap, HashMap};

use quittance_chassis::db::{Column, Db, Insert};
use quittance_kernel::{CycleId, MemberId, OrganizationId};
use sea_orm::{ConnectionTrait as _, DbErr};
use uuid::Uuid;

use super::statement;
use crate::domain::SeverityRates;

/// A cycle, as far as balances show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CycleEntry {
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) rates: SeverityRates,
}

/// A member, as far as totals show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberEntry {
    pub(crate) version: i64,
    pub(crate) name: String,
}

/// The rows of cycles; a row that is newer than what is known replaces it.
pub(crate) fn cycle_rows(cycles: &BTreeMap<(OrganizationId, CycleId), CycleEntry>) -> Insert {
    let of = |pick: fn(&CycleEntry) -> i64| Column::I64(cycles.values().map(pick).collect());
    let code = |cycle: &CycleEntry| cycle.rates.currency.code().to_owned();
    Insert::into("cycles")
        .column("organization_id", Column::Uuid(cycles.keys().map(|(org, _)| org.0).collect()))
        .column("id", Column::Uuid(cycles.keys().map(|(_, cycle)| cycle.0).collect()))
        .column("version", of(|cycle| cycle.version))
        .column("name", Column::Text(cycles.values().map(|cycle| cycle.name.clone()).collect()))
        .column("currency", Column::Text(cycles.values().map(code).collect()))
        .column("critical", of(|cycle| cycle.rates.critical))
        .column("high", of(|cycle| cycle.rates.high))
        .column("medium", of(|cycle| cycle.rates.medium))
        .column("low", of(|cycle| cycle.rates.low))
        .on_conflict(
            "ON CONFLICT (organization_id, id) DO UPDATE SET version = excluded.version, \
             name = excluded.name, currency = excluded.currency, critical = excluded.critical, \
             high = excluded.high, medium = excluded.medium, low = excluded.low \
             WHERE cycles.version < excluded.version",
        )
}

/// The rows of members; a row that is newer than what is known replaces it.
pub(crate) fn member_rows(members: &BTreeMap<(OrganizationId, MemberId), MemberEntry>) -> Insert {
    Insert::into("members")
        .column("organization_id", Column::Uuid(members.keys().map(|(org, _)| org.0).collect()))
        .column("id", Column::Uuid(members.keys().map(|(_, member)| member.0).collect()))
        .column("version", Column::I64(members.values().map(|member| member.version).collect()))
        .column("name", Column::Text(members.values().map(|member| member.name.clone()).collect()))
        .on_conflict(
            "ON CONFLICT (organization_id, id) DO UPDATE SET version = excluded.version, \
             name = excluded.name WHERE members.version < excluded.version",
        )
}

/// The names of the cycles in which a member has anything.
pub(crate) async fn cycle_names(
    db: &Db,
    organization: OrganizationId,
    member: MemberId,
) -> Result<HashMap<Uuid, String>, DbErr> {
    let sql = concat!(
        "SELECT c.id, c.name FROM cycle_counts n JOIN cycles c \
         ON c.organization_id = n.organization_id AND c.id = n.cycle_id WHERE n.organization_id = ",
        current!(),
        " AND n.member_id = $2"
    );
    let statement = statement(db, sql, [organization.0.into(), member.0.into()]);
    let rows = db.conn().query_all_raw(statement).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
}

/// The name of a member; empty until they have been heard of.
pub(crate) async fn member_name(
    db: &Db,
    organization: OrganizationId,
    member: MemberId,
) -> Result<String, DbErr> {
    let sql =
        concat!("SELECT name FROM members WHERE organization_id = ", current!(), " AND id = $2");
    let statement = statement(db, sql, [organization.0.into(), member.0.into()]);
    let Some(row) = db.conn().query_one_raw(statement).await? else { return Ok(String::new()) };
    Ok(row.try_get_by_index::<Option<String>>(0)?.unwrap_or_default())
}
