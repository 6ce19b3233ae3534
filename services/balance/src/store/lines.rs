//! Lines: ensured, locked and written as sets; listed as a member's history.

use std::collections::BTreeMap;

use quittance_chassis::db::{Column, Db, Insert, Tx, WriteError};
use quittance_kernel::{CycleId, IssueId, MemberId, Money, OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::row::{COLUMNS, LineRow};
use crate::domain::{Earning, Filing, Line, Period};

/// A tenant's issue.
pub(crate) type LineKey = (OrganizationId, IssueId);

/// Makes sure that there is a row for each key, to be locked. The keys come sorted, so that two
/// consumers wait for each other in one order.
pub(crate) async fn ensure(tx: &Tx, keys: &[LineKey]) -> Result<(), WriteError> {
    let rows = Insert::into("lines")
        .column("organization_id", Column::Uuid(keys.iter().map(|(org, _)| org.0).collect()))
        .column("issue_id", Column::Uuid(keys.iter().map(|(_, issue)| issue.0).collect()))
        .column("issue_version", Column::same_i64(Some(0)))
        .column("price_minor", Column::same_i64(Some(0)))
        .column("earning_version", Column::same_i64(Some(0)))
        .column("amount_minor", Column::same_i64(Some(0)))
        .on_conflict("ON CONFLICT DO NOTHING");
    tx.insert(rows).await
}

/// Locks the rows in the order of their keys and reads them.
pub(crate) async fn lock(tx: &Tx, keys: &[LineKey]) -> Result<BTreeMap<LineKey, Line>, DbErr> {
    look(tx, keys, true).await
}

/// Reads the rows, and holds them as they are when asked to.
pub(crate) async fn look(
    tx: &Tx,
    keys: &[LineKey],
    hold: bool,
) -> Result<BTreeMap<LineKey, Line>, DbErr> {
    let lock = if hold { " FOR UPDATE OF l" } else { "" };
    let backend = tx.conn().get_database_backend();
    let organizations: Vec<Uuid> = keys.iter().map(|(organization, _)| organization.0).collect();
    let issues: Vec<Uuid> = keys.iter().map(|(_, issue)| issue.0).collect();
    let (sql, binds): (String, Vec<Value>) = if backend == DbBackend::Postgres {
        let sql = format!(
            "SELECT {COLUMNS} FROM unnest($1::uuid[], $2::uuid[]) AS u(o, i) \
             JOIN lines l ON l.organization_id = u.o AND l.issue_id = u.i \
             ORDER BY l.organization_id, l.issue_id{lock}"
        );
        (sql, vec![organizations.into(), issues.into()])
    } else {
        let values = vec!["(?, ?)"; keys.len()].join(", ");
        let sql = format!(
            "WITH u(o, i) AS (VALUES {values}) SELECT {COLUMNS} FROM u \
             JOIN lines l ON l.organization_id = u.o AND l.issue_id = u.i"
        );
        let binds = organizations.into_iter().zip(issues);
        (sql, binds.flat_map(|(organization, issue)| [organization.into(), issue.into()]).collect())
    };
    let statement = Statement::from_sql_and_values(backend, sql, binds);
    let rows = LineRow::find_by_statement(statement).all(tx.conn()).await?;
    rows.iter()
        .map(|row| {
            let key = (OrganizationId(row.organization_id), IssueId(row.issue_id));
            Ok((key, Line::try_from(row)?))
        })
        .collect()
}

/// The issues of which one of two generations has lines, after one of them, in their order.
pub(crate) async fn lines_of_both(
    tx: &Tx,
    [one, other]: [OrganizationId; 2],
    after: IssueId,
    limit: u32,
) -> Result<Vec<IssueId>, DbErr> {
    let side = |place: &str| {
        format!(
            "SELECT issue_id FROM (SELECT issue_id FROM lines WHERE organization_id = {place} \
             AND issue_id > $3 ORDER BY issue_id LIMIT {limit}) AS of_one"
        )
    };
    let sql = format!("{} UNION {} ORDER BY issue_id LIMIT {limit}", side("$1"), side("$2"));
    let binds = [one.0.into(), other.0.into(), after.0.into()];
    let backend = tx.conn().get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, binds);
    let rows = tx.conn().query_all_raw(statement).await?;
    rows.iter().map(|row| Ok(IssueId(row.try_get_by_index(0)?))).collect()
}

/// The rows of lines that are already there and locked.
pub(crate) fn line_rows(lines: &BTreeMap<LineKey, Line>) -> Insert {
    let keys = Insert::into("lines")
        .column("organization_id", Column::Uuid(lines.keys().map(|(org, _)| org.0).collect()))
        .column("issue_id", Column::Uuid(lines.keys().map(|(_, issue)| issue.0).collect()));
    let filings: Vec<_> = lines.values().map(|line| line.filing.as_ref()).collect();
    let earnings: Vec<_> = lines.values().map(|line| line.earning.as_ref()).collect();
    earning_columns(filing_columns(keys, &filings), &earnings).on_conflict(OVERWRITE)
}

fn filing_columns(insert: Insert, filings: &[Option<&Filing>]) -> Insert {
    let all = || filings.iter().copied();
    let minor = |filing: &Filing| filing.price.map_or(0, Money::minor);
    insert
        .column("issue_version", Column::I64(all().map(|f| f.map_or(0, |f| f.version)).collect()))
        .column("reporter_id", Column::OptUuid(all().map(|f| Some(f?.reporter.0)).collect()))
        .column("issue_cycle_id", Column::OptUuid(all().map(|f| Some(f?.cycle.0)).collect()))
        .column("title", texts(all().map(|f| Some(f?.title.as_str()))))
        .column("severity", texts(all().map(|f| Some(f?.severity.as_str()))))
        .column("status", texts(all().map(|f| Some(f?.status.as_str()))))
        .column("review", texts(all().map(|f| Some(f?.review.as_str()))))
        .column("price_minor", Column::I64(all().map(|f| f.map_or(0, minor)).collect()))
        .column("price_currency", texts(all().map(|f| Some(f?.price?.currency().code()))))
        .column("rule", texts(all().map(|f| f?.rule.as_deref())))
        .column("filed_at", Column::OptTime(all().map(|f| Some(f?.filed_at)).collect()))
}

fn earning_columns(insert: Insert, earnings: &[Option<&Earning>]) -> Insert {
    let all = || earnings.iter().copied();
    let minor = |earning: &Earning| earning.amount.minor();
    insert
        .column("earning_version", Column::I64(all().map(|e| e.map_or(0, |e| e.version)).collect()))
        .column("payee_id", Column::OptUuid(all().map(|e| Some(e?.payee.0)).collect()))
        .column("earning_cycle_id", Column::OptUuid(all().map(|e| Some(e?.cycle.0)).collect()))
        .column("amount_minor", Column::I64(all().map(|e| e.map_or(0, minor)).collect()))
        .column("currency", texts(all().map(|e| Some(e?.amount.currency().code()))))
        .column("earning_status", texts(all().map(|e| Some(e?.status().as_str()))))
        .column("method", texts(all().map(|e| Some(e?.payment()?.method?.as_str()))))
        .column("reference", texts(all().map(|e| e?.payment()?.reference.as_deref())))
        .column("paid_at", Column::OptTime(all().map(|e| Some(e?.payment()?.at)).collect()))
        .column("void_at", Column::OptTime(all().map(|e| e?.void_at()).collect()))
        .column(
            "receivable_minor",
            Column::I64(all().map(|e| e.map_or(0, Earning::receivable)).collect()),
        )
}

fn texts<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Column {
    Column::OptText(texts.map(|text| text.map(str::to_owned)).collect())
}

const OVERWRITE: &str = "ON CONFLICT (organization_id, issue_id) DO UPDATE SET \
     issue_version = excluded.issue_version, reporter_id = excluded.reporter_id, \
     issue_cycle_id = excluded.issue_cycle_id, title = excluded.title, \
     severity = excluded.severity, status = excluded.status, review = excluded.review, \
     price_minor = excluded.price_minor, price_currency = excluded.price_currency, \
     rule = excluded.rule, filed_at = excluded.filed_at, \
     earning_version = excluded.earning_version, payee_id = excluded.payee_id, \
     earning_cycle_id = excluded.earning_cycle_id, amount_minor = excluded.amount_minor, \
     currency = excluded.currency, earning_status = excluded.earning_status, \
     method = excluded.method, reference = excluded.reference, paid_at = excluded.paid_at, \
     void_at = excluded.void_at, receivable_minor = excluded.receivable_minor";

/// The place of an issue in a history.
pub(crate) type HistoryKey = (Timestamp, IssueId);

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistoryLine {
    pub(crate) issue: IssueId,
    /// Empty until the cycle has been heard of.
    pub(crate) cycle_name: String,
    pub(crate) line: Line,
}

#[derive(FromQueryResult)]
struct Named {
    #[sea_orm(nested)]
    line: LineRow,
    cycle_name: Option<String>,
}

/// A member's issues, the newest first, after a given one.
pub(crate) async fn history(
    db: &Db,
    organization: OrganizationId,
    member: MemberId,
    cycle: Option<CycleId>,
    after: Option<HistoryKey>,
    limit: u32,
) -> Result<Vec<HistoryLine>, DbErr> {
    let (filed_at, issue) = after.unwrap_or((Period::ALL.to, IssueId(Uuid::max())));
    let mut binds: Vec<Value> =
        vec![organization.0.into(), member.0.into(), filed_at.into(), issue.0.into()];
    if let Some(cycle) = cycle {
        binds.push(cycle.0.into());
    }
    let sql = history_sql(cycle.is_some(), limit);
    let statement = Statement::from_sql_and_values(db.backend(), sql, binds);
    let rows = Named::find_by_statement(statement).all(db.conn()).await?;
    rows.iter()
        .map(|row| {
            Ok(HistoryLine {
                issue: IssueId(row.line.issue_id),
                cycle_name: row.cycle_name.clone().unwrap_or_default(),
                line: Line::try_from(&row.line)?,
            })
        })
        .collect()
}

pub(super) fn history_sql(one_cycle: bool, limit: u32) -> String {
    let current = current!();
    let cycle = if one_cycle { "AND l.issue_cycle_id = $5 " } else { "" };
    // The name is looked up row by row: a join would read all cycles for a page of lines.
    format!(
        "SELECT {COLUMNS}, (SELECT c.name FROM cycles c WHERE c.organization_id = \
         l.organization_id AND c.id = l.issue_cycle_id) AS cycle_name FROM lines l \
         WHERE l.organization_id = {current} AND l.reporter_id = $2 AND l.status <> 'draft' \
         AND (l.filed_at, l.issue_id) < ($3, $4) {cycle}\
         ORDER BY l.filed_at DESC, l.issue_id DESC LIMIT {limit}"
    )
}
