//! What is kept, counted and row by row, to be held against what its owners know; and what came of it.

use std::collections::BTreeMap;

use quittance_chassis::db::{Column, Db, Insert, Tx, WriteError};
use quittance_kernel::{Currency, CycleId, IssueId, MemberId, OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait as _, DbErr, FromQueryResult, QueryResult, Statement, Value};
use uuid::Uuid;

use super::row::{COLUMNS, LineRow};
use super::{CycleEntry, MemberEntry, corrupt, statement};
use crate::domain::partner::{Entry, EntryKind, Owed, Standing};
use crate::domain::{Line, Reconciliation, SeverityRates, Sum, SumKey};

/// How many reports an organization keeps.
const KEPT: u32 = 50;

/// The sums as the rows of the projections say them. Each statement is one look.
const TOTALS: &[&str] = &[
    concat!(
        "SELECT 'issue', CASE WHEN status = 'draft' THEN status ELSE review END || '/' || severity, \
         COALESCE(price_currency, ''), count(*), CAST(COALESCE(SUM(price_minor), 0) AS BIGINT) \
         FROM lines WHERE issue_version > 0 AND organization_id = ",
        current!(),
        " GROUP BY 1, 2, 3"
    ),
    concat!(
        "SELECT 'earning', earning_status, currency, count(*), \
         CAST(SUM(amount_minor) AS BIGINT) FROM lines \
         WHERE earning_version > 0 AND organization_id = ",
        current!(),
        " GROUP BY 1, 2, 3"
    ),
    concat!(
        "SELECT 'owed_back', 'void', currency, count(*), CAST(SUM(receivable_minor) AS BIGINT) \
         FROM lines WHERE receivable_minor > 0 AND organization_id = ",
        current!(),
        " GROUP BY 1, 2, 3"
    ),
    concat!(
        "SELECT 'payout', CASE WHEN kind = 'covering' THEN 'commission' ELSE kind END || '/' || \
         status, currency, count(*), CAST(SUM(amount_minor) AS BIGINT) FROM partner_entries \
         WHERE version > 0 AND kind <> 'commission' AND organization_id = ",
        current!(),
        " GROUP BY 1, 2, 3"
    ),
    concat!(
        "SELECT 'commission', '', currency, count(*), CAST(SUM(amount_minor) AS BIGINT) \
         FROM partner_entries WHERE version > 0 AND kind = 'commission' AND organization_id = ",
        current!(),
        " GROUP BY 1, 2, 3"
    ),
    concat!(
        "SELECT 'partner_owed_back', 'void', currency, count(*), CAST(SUM(CASE WHEN \
         owed_version > 0 THEN owed_minor ELSE amount_minor END) AS BIGINT) FROM partner_entries \
         WHERE status = 'void' AND (owed_version = 0 OR owed_minor > 0) AND organization_id = ",
        current!(),
        " GROUP BY 1, 2, 3"
    ),
    concat!(
        "SELECT 'member', '', '', count(*), CAST(0 AS BIGINT) FROM members \
         WHERE organization_id = ",
        current!(),
        " HAVING count(*) > 0"
    ),
    concat!(
        "SELECT 'cycle', '', '', count(*), CAST(0 AS BIGINT) FROM cycles WHERE organization_id = ",
        current!(),
        " HAVING count(*) > 0"
    ),
];

/// Counts and sums what is kept of an organization.
pub(crate) async fn kept_totals(
    db: &Db,
    organization: OrganizationId,
) -> Result<BTreeMap<SumKey, Sum>, DbErr> {
    let mut totals = BTreeMap::new();
    for sql in TOTALS {
        let rows = db.conn().query_all_raw(statement(db, sql, [organization.0.into()])).await?;
        for row in &rows {
            let key =
                (row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            totals.insert(key, (row.try_get_by_index(3)?, row.try_get_by_index(4)?));
        }
    }
    Ok(totals)
}

/// Which rows are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those after the first id, up to and including the second.
    Between(Uuid, Uuid),
    These(Vec<Uuid>),
}

/// Reads rows of one table by the column of their ids.
async fn rows(
    db: &Db,
    select: &str,
    column: &str,
    organization: OrganizationId,
    which: &Which,
) -> Result<Vec<QueryResult>, DbErr> {
    let mut binds: Vec<Value> = vec![organization.0.into()];
    let narrowed = match which {
        Which::Between(after, last) => {
            binds.extend([Value::from(*after), Value::from(*last)]);
            format!("{column} > $2 AND {column} <= $3")
        }
        Which::These(ids) if db.is_postgres() => {
            binds.push(ids.clone().into());
            format!("{column} = ANY($2)")
        }
        Which::These(ids) => {
            let places: Vec<String> = (2..2 + ids.len()).map(|n| format!("${n}")).collect();
            binds.extend(ids.iter().map(|id| Value::from(*id)));
            format!("{column} IN ({})", places.join(", "))
        }
    };
    let sql = format!("{select} = {} AND {narrowed} ORDER BY {column}", current!());
    let statement = Statement::from_sql_and_values(db.backend(), sql, binds);
    db.conn().query_all_raw(statement).await
}

/// Lines, with what nobody has told anything of left out.
pub(crate) async fn kept_lines(
    db: &Db,
    organization: OrganizationId,
    which: &Which,
) -> Result<BTreeMap<Uuid, Line>, DbErr> {
    let select = format!("SELECT {COLUMNS} FROM lines l WHERE l.organization_id");
    let rows = rows(db, &select, "l.issue_id", organization, which).await?;
    let line = |row: &QueryResult| {
        let row = LineRow::from_query_result(row, "")?;
        Ok((row.issue_id, Line::try_from(&row)?))
    };
    rows.iter().map(line).collect()
}

/// Commissions and payouts of partners.
pub(crate) async fn kept_entries(
    db: &Db,
    organization: OrganizationId,
    which: &Which,
) -> Result<BTreeMap<Uuid, Entry>, DbErr> {
    let select = "SELECT entity_id, member_id, currency, version, kind, amount_minor, status, \
                  owed_version, owed_minor FROM partner_entries WHERE organization_id";
    let rows = rows(db, select, "entity_id", organization, which).await?;
    let entry = |row: &QueryResult| {
        let code: String = row.try_get_by_index(2)?;
        let (version, owed): (i64, i64) = (row.try_get_by_index(3)?, row.try_get_by_index(7)?);
        let kind: String = row.try_get_by_index(4)?;
        let kind = EntryKind::ALL.into_iter().find(|known| known.as_str() == kind);
        let standing = Standing {
            version,
            kind: kind.ok_or_else(|| corrupt("partner_entries", "kind"))?,
            minor: row.try_get_by_index(5)?,
            status: row.try_get_by_index(6)?,
        };
        let debt = Owed { version: owed, minor: row.try_get_by_index(8)? };
        let entry = Entry {
            member: MemberId(row.try_get_by_index(1)?),
            currency: code.parse().map_err(|_| corrupt("partner_entries", "currency"))?,
            standing: Some(standing).filter(|_| version > 0),
            owed: Some(debt).filter(|_| owed > 0),
        };
        Ok((row.try_get_by_index(0)?, entry))
    };
    rows.iter().map(entry).collect()
}

/// Cycles as balances show them.
pub(crate) async fn kept_cycles(
    db: &Db,
    organization: OrganizationId,
    which: &Which,
) -> Result<BTreeMap<Uuid, CycleEntry>, DbErr> {
    let select = "SELECT id, version, name, currency, critical, high, medium, low FROM cycles \
                  WHERE organization_id";
    let rows = rows(db, select, "id", organization, which).await?;
    let cycle = |row: &QueryResult| {
        let code: String = row.try_get_by_index(3)?;
        let currency: Currency = code.parse().map_err(|_| corrupt("cycles", "currency"))?;
        let rates = SeverityRates {
            currency,
            critical: row.try_get_by_index(4)?,
            high: row.try_get_by_index(5)?,
            medium: row.try_get_by_index(6)?,
            low: row.try_get_by_index(7)?,
        };
        let name = row.try_get_by_index::<Option<String>>(2)?.unwrap_or_default();
        let entry = CycleEntry { version: row.try_get_by_index(1)?, name, rates };
        Ok((CycleId(row.try_get_by_index(0)?).0, entry))
    };
    rows.iter().map(cycle).collect()
}

/// Members as totals show them.
pub(crate) async fn kept_members(
    db: &Db,
    organization: OrganizationId,
    which: &Which,
) -> Result<BTreeMap<Uuid, MemberEntry>, DbErr> {
    let select = "SELECT id, version, name FROM members WHERE organization_id";
    let rows = rows(db, select, "id", organization, which).await?;
    let member = |row: &QueryResult| {
        let name = row.try_get_by_index::<Option<String>>(2)?.unwrap_or_default();
        Ok((row.try_get_by_index(0)?, MemberEntry { version: row.try_get_by_index(1)?, name }))
    };
    rows.iter().map(member).collect()
}

/// Lines in the order of their issues, to be held against the ledger.
pub(crate) async fn line_page(
    db: &Db,
    organization: OrganizationId,
    after: IssueId,
    limit: u32,
) -> Result<BTreeMap<Uuid, Line>, DbErr> {
    let sql = format!(
        "SELECT {COLUMNS} FROM lines l WHERE l.organization_id = {} AND l.issue_id > $2 \
         ORDER BY l.issue_id LIMIT {limit}",
        current!()
    );
    let statement = statement(db, &sql, [organization.0.into(), after.0.into()]);
    let rows = LineRow::find_by_statement(statement).all(db.conn()).await?;
    rows.iter().map(|row| Ok((row.issue_id, Line::try_from(row)?))).collect()
}

/// Keeps a report, and forgets the oldest ones.
pub(crate) async fn keep_report(
    tx: &Tx,
    organization: OrganizationId,
    report: &Reconciliation,
) -> Result<(), WriteError> {
    let said = serde_json::to_string(report).map_err(|error| DbErr::Custom(error.to_string()))?;
    let row = Insert::into("reconciliations")
        .column("id", Column::Uuid(vec![report.id]))
        .column("organization_id", Column::Uuid(vec![organization.0]))
        .column("finished_at", Column::same_time(Some(report.finished_at)))
        .column("drift", Column::same_i64(Some(report.drift)))
        .column("report", Column::Text(vec![said]));
    tx.insert(row).await?;
    let backend = tx.conn().get_database_backend();
    let sql = format!(
        "DELETE FROM reconciliations WHERE organization_id = $1 AND id IN \
         (SELECT id FROM reconciliations WHERE organization_id = $1 ORDER BY id DESC \
         LIMIT 1000 OFFSET {KEPT})"
    );
    let statement = Statement::from_sql_and_values(backend, sql, [organization.0.into()]);
    tx.conn().execute_raw(statement).await?;
    Ok(())
}

/// The last report of an organization.
pub(crate) async fn last_report(
    db: &Db,
    organization: OrganizationId,
) -> Result<Option<Reconciliation>, DbErr> {
    let sql = "SELECT report FROM reconciliations WHERE organization_id = $1 \
               ORDER BY id DESC LIMIT 1";
    let row = db.conn().query_one_raw(statement(db, sql, [organization.0.into()])).await?;
    let Some(row) = row else { return Ok(None) };
    let said: String = row.try_get_by_index(0)?;
    serde_json::from_str(&said).map(Some).map_err(|_| corrupt("reconciliations", "report"))
}

/// When the last comparison of all organizations ended, and how much drift it found.
pub(crate) async fn last_figures(db: &Db) -> Result<Option<(Timestamp, i64)>, DbErr> {
    let sql = "SELECT MAX(r.finished_at), CAST(COALESCE(SUM(r.drift), 0) AS BIGINT) \
               FROM reconciliations r WHERE r.id = (SELECT MAX(s.id) FROM reconciliations s \
               WHERE s.organization_id = r.organization_id)";
    // The greatest id is the newest: ids are made in the order of time.
    let sql = if db.is_postgres() {
        "SELECT MAX(finished_at), CAST(COALESCE(SUM(drift), 0) AS BIGINT) FROM (\
         SELECT DISTINCT ON (organization_id) finished_at, drift FROM reconciliations \
         ORDER BY organization_id, id DESC) AS newest"
    } else {
        sql
    };
    let row = db.conn().query_one_raw(Statement::from_string(db.backend(), sql)).await?;
    let Some(row) = row else { return Ok(None) };
    let finished: Option<Timestamp> = row.try_get_by_index(0)?;
    let drift = row.try_get_by_index(1)?;
    Ok(finished.map(|finished| (finished, drift)))
}
