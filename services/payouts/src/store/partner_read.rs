//! Payouts as accounting sees them, partners, and sums of both.

use std::collections::HashMap;

use quittance_chassis::db::Db;
use quittance_kernel::{Currency, MemberId, Money, OrganizationId, PayoutId, Timestamp};
use sea_orm::{DbErr, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::payout::{Row, payout};
use super::sql::Sql;
use super::{StoreError, money};
use crate::domain::partner::{PartnerPayout, Source};
use crate::domain::payout::PayoutState;

/// Which payouts are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) state: Option<PayoutState>,
    pub(crate) partner: Option<MemberId>,
    pub(crate) period: Option<String>,
    pub(crate) currency: Option<Currency>,
    pub(crate) query: Option<String>,
}

pub(super) const SELECT: &str = "SELECT p.id, p.batch_id, p.payee_id, p.amount_minor, p.netted_minor, p.currency, \
    p.method, p.reference, p.state, p.item_count, p.paid_at, p.created_by, p.version, \
    p.created_at, p.updated_at, p.source, p.period, p.notes, p.rejection, p.approved_by, \
    p.approved_at, n.name FROM payouts p LEFT JOIN partners n \
    ON n.organization_id = p.organization_id AND n.partner_id = p.payee_id \
    WHERE p.organization_id = ";

/// A payout's own columns, and those of a partner's.
pub(super) struct Full {
    row: Row,
    more: More,
}

#[derive(FromQueryResult)]
struct More {
    id: Uuid,
    source: String,
    period: String,
    notes: String,
    rejection: String,
    approved_by: Option<Uuid>,
    approved_at: Option<Timestamp>,
    name: Option<String>,
}

impl FromQueryResult for Full {
    fn from_query_result(found: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        let row = Row::from_query_result(found, prefix)?;
        Ok(Self { row, more: More::from_query_result(found, prefix)? })
    }
}

/// Reads rows of [`SELECT`].
pub(super) fn full(rows: Vec<Full>) -> Result<Vec<PartnerPayout>, StoreError> {
    let read = |Full { row, more }: Full| {
        let corrupt = StoreError::Corrupt { table: "payouts", id: more.id, column: "source" };
        let source = Source::ALL.into_iter().find(|source| source.as_str() == more.source);
        Ok(PartnerPayout {
            payout: payout(row)?,
            name: more.name.unwrap_or_default(),
            source: source.ok_or(corrupt)?,
            period: more.period,
            notes: more.notes,
            rejection: more.rejection,
            approved_by: more.approved_by.map(MemberId),
            approved_at: more.approved_at,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Reads payouts, the newest first: at most `limit`, those before `before`.
pub(crate) async fn list(
    db: &Db,
    organization: OrganizationId,
    filter: &Filter,
    before: Option<PayoutId>,
    limit: u32,
) -> Result<Vec<PartnerPayout>, StoreError> {
    let sql = Sql::new(db.backend(), "")
        .bind(SELECT, organization.0)
        .bind_some(" AND p.payee_id = ", filter.partner.map(|partner| partner.0))
        .bind_some(" AND p.state = ", filter.state.map(PayoutState::as_str))
        .bind_some(" AND p.period = ", filter.period.as_deref())
        .bind_some(" AND p.currency = ", filter.currency.map(Currency::code))
        .bind_some(" AND p.id < ", before.map(|id| id.0));
    let sql = match &filter.query {
        Some(query) => search(sql, query),
        None => sql,
    };
    full(sql.bind(" ORDER BY p.id DESC LIMIT ", i64::from(limit)).all(db.conn()).await?)
}

/// SQLite folds the case of ASCII only, hence the second, exact pattern.
fn search(sql: Sql, query: &str) -> Sql {
    let mut escaped = String::with_capacity(query.len() + 2);
    for letter in query.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    let (exact, folded) = (format!("%{escaped}%"), format!("%{}%", escaped.to_lowercase()));
    let columns = ["p.notes", "p.reference", "COALESCE(n.name, '')"];
    let sql = columns.iter().enumerate().fold(sql, |sql, (place, column)| {
        let start = if place == 0 { " AND (" } else { " OR " };
        sql.push(start)
            .push(&format!("LOWER({column})"))
            .bind(" LIKE ", folded.as_str())
            .push(" ESCAPE '\\' OR ")
            .push(column)
            .bind(" LIKE ", exact.as_str())
            .push(" ESCAPE '\\'")
    });
    sql.push(")")
}

/// All payouts of one state and currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: PayoutState,
    pub(crate) sum: Money,
    pub(crate) count: i64,
    pub(crate) last_paid: Option<Timestamp>,
}

#[derive(FromQueryResult)]
struct StatRow {
    state: String,
    currency: String,
    amount_minor: i64,
    count: i64,
    last_paid: Option<Timestamp>,
}

/// Counts and sums by state and currency; of one partner, only what is no work on issues.
pub(crate) async fn stats(
    db: &Db,
    organization: OrganizationId,
    partner: Option<MemberId>,
) -> Result<Vec<Stat>, StoreError> {
    // A sum of `bigint` is a `numeric` on PostgreSQL.
    let text = "SELECT state, currency, CAST(SUM(amount_minor) AS BIGINT) AS amount_minor, \
                count(*) AS count, MAX(paid_at) AS last_paid FROM payouts \
                WHERE organization_id = ";
    let sql = Sql::new(db.backend(), "")
        .bind(text, organization.0)
        .bind_some(" AND source <> 'issue' AND payee_id = ", partner.map(|partner| partner.0))
        .push(" GROUP BY state, currency ORDER BY state, currency");
    let read = |row: StatRow| {
        let id = Uuid::nil();
        let state = PayoutState::ALL.iter().copied().find(|state| state.as_str() == row.state);
        Ok(Stat {
            state: state.ok_or(StoreError::Corrupt { table: "payouts", id, column: "state" })?,
            sum: money("payouts", id, row.amount_minor, &row.currency)?,
            count: row.count,
            last_paid: row.last_paid,
        })
    };
    sql.all::<StatRow, _>(db.conn()).await?.into_iter().map(read).collect()
}

/// Somebody who was credited at least once.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Partner {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
}

const PARTNERS: &str = "SELECT partner_id AS id, name, created_at FROM partners \
    WHERE organization_id = ";

/// Reads one partner.
pub(crate) async fn partner(
    db: &Db,
    organization: OrganizationId,
    id: MemberId,
) -> Result<Option<Partner>, StoreError> {
    let sql = Sql::new(db.backend(), "").bind(PARTNERS, organization.0);
    Ok(sql.bind(" AND partner_id = ", id.0).one(db.conn()).await?)
}

/// Reads partners in the order of their ids: at most `limit`, those after `after`.
pub(crate) async fn partners(
    db: &Db,
    organization: OrganizationId,
    after: Option<MemberId>,
    limit: u32,
) -> Result<Vec<Partner>, StoreError> {
    let sql = Sql::new(db.backend(), "")
        .bind(PARTNERS, organization.0)
        .bind_some(" AND partner_id > ", after.map(|id| id.0))
        .bind(" ORDER BY partner_id LIMIT ", i64::from(limit));
    Ok(sql.all(db.conn()).await?)
}

/// How these partners are called.
pub(crate) async fn names(
    db: &Db,
    organization: OrganizationId,
    ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, String>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = Sql::new(db.backend(), "").bind(PARTNERS, organization.0);
    let found = sql.one_of(" AND partner_id", ids).all::<Partner, _>(db.conn()).await?;
    Ok(found.into_iter().map(|partner| (partner.id, partner.name)).collect())
}
