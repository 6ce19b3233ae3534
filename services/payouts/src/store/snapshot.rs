//! What is owed and paid now, in the words of events, for those who keep projections of it.

use quittance_chassis::db::Db;
use quittance_chassis::snapshots::{Snapshot, SnapshotTotal, Wanted};
use quittance_events::{CommissionState, EarningState, PayoutState, ReceivableState, kind};
use quittance_kernel::{OrganizationId, PayoutStatus, Timestamp};
use sea_orm::{DbErr, FromQueryResult};
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, partner, partner_read};

/// As the events of this service name it.
const SERVICE: &str = "payouts";

/// The earnings that are told one by one; those of partners are known by their payouts.
const TOLD_ALONE: &str = "e.source_kind IN ('issue', 'schedule')";

/// Reads entities of one kind in the order of their ids.
pub(crate) async fn list(db: &Db, wanted: &Wanted) -> Result<Vec<Snapshot>, StoreError> {
    match wanted.entity.as_str() {
        "earning" => earnings(db, wanted, "issue").await,
        "schedule" => earnings(db, wanted, "schedule").await,
        "payout" => payouts(db, wanted).await,
        "commission" => Ok(commissions(db, wanted).await?),
        "receivable" => Ok(receivables(db, wanted).await?),
        _ => Ok(Vec::new()),
    }
}

/// Narrows a statement to a page in the order of this column.
fn page(sql: Sql, column: &str, wanted: &Wanted) -> Sql {
    narrowed(sql, column, wanted, |sql| sql)
}

fn narrowed(sql: Sql, column: &str, wanted: &Wanted, more: impl FnOnce(Sql) -> Sql) -> Sql {
    let sql = sql
        .bind(" = ", wanted.organization.0)
        .bind_some(&format!(" AND {column} > "), wanted.after);
    let sql = if wanted.ids.is_empty() {
        sql
    } else {
        sql.one_of(&format!(" AND {column}"), wanted.ids.clone())
    };
    more(sql).bind(&format!(" ORDER BY {column} LIMIT "), i64::from(wanted.limit))
}

#[derive(FromQueryResult)]
struct EarningRow {
    id: Uuid,
    source_kind: String,
    source_id: Uuid,
    cycle_id: Uuid,
    payee_id: Uuid,
    amount_minor: i64,
    currency: String,
    status: String,
    version: i64,
    updated_at: Timestamp,
    payout_id: Option<Uuid>,
    method: Option<String>,
    reference: Option<String>,
    paid_at: Option<Timestamp>,
    open_minor: Option<i64>,
    voided_at: Option<Timestamp>,
}

/// In the order of their sources, which the unique index serves that keeps a source from being owed
/// twice; the source is also how a projection knows them.
async fn earnings(
    db: &Db,
    wanted: &Wanted,
    source_kind: &str,
) -> Result<Vec<Snapshot>, StoreError> {
    let text = format!(
        "SELECT e.id, e.source_kind, e.source_id, e.cycle_id, e.payee_id, e.amount_minor, \
         e.currency, e.status, e.version, e.updated_at, p.id AS payout_id, p.method, p.reference, \
         p.paid_at, r.open_minor, r.created_at AS voided_at FROM earnings e \
         LEFT JOIN payouts p ON p.id = e.payout_id AND e.status IN ('paid', 'void') \
         LEFT JOIN receivables r ON r.earning_id = e.id AND e.status = 'void' \
         WHERE e.source_kind = '{source_kind}' AND e.organization_id"
    );
    let sql = page(Sql::new(db.backend(), &text), "e.source_id", wanted);
    let rows = sql.all::<EarningRow, _>(db.conn()).await?;
    rows.into_iter().map(|row| row.told(wanted.organization)).collect()
}

impl EarningRow {
    fn told(self, organization: OrganizationId) -> Result<Snapshot, StoreError> {
        let corrupt = |column| StoreError::Corrupt { table: "earnings", id: self.id, column };
        let status = super::earning::status_of(self.id, &self.status)?.seen_from_issue();
        let kind = match status {
            PayoutStatus::Paid if self.source_kind == "issue" => kind::PAYOUT_ISSUE_PAID,
            PayoutStatus::Paid => kind::EARNING_PAID,
            PayoutStatus::Void => kind::EARNING_VOIDED,
            PayoutStatus::Rejected => kind::EARNING_REJECTED,
            PayoutStatus::Approved | PayoutStatus::Pending => kind::EARNING_APPROVED,
        };
        let method = self.method.as_deref().filter(|word| !word.is_empty());
        let method = method.map(str::parse).transpose().map_err(|_| corrupt("method"))?;
        let void = status == PayoutStatus::Void;
        let state = EarningState {
            earning_id: self.id,
            version: self.version,
            issue_id: self.source_id,
            cycle_id: self.cycle_id,
            payee_id: self.payee_id,
            amount_minor: self.amount_minor,
            currency: self.currency,
            status,
            payout_id: self.payout_id,
            method,
            reference: self.reference,
            paid_at: self.paid_at,
            reason: None,
            // One that was never paid is owed nothing back, and void since it last changed.
            voided_at: void.then(|| self.voided_at.unwrap_or(self.updated_at)),
            receivable_minor: void.then(|| self.open_minor.unwrap_or_default()),
        };
        let owner = (SERVICE, organization);
        let told = Snapshot::told(owner, self.version, self.updated_at, kind, state);
        Ok(Snapshot { id: self.source_id, ..told })
    }
}

async fn payouts(db: &Db, wanted: &Wanted) -> Result<Vec<Snapshot>, StoreError> {
    // The statement ends in the comparison that `page` begins with.
    let text = partner_read::SELECT.trim_end().trim_end_matches('=').trim_end();
    let paid = |sql: Sql| match wanted.paid {
        Some((from, to)) => sql.bind(" AND p.paid_at >= ", from).bind(" AND p.paid_at < ", to),
        None => sql,
    };
    let sql = narrowed(Sql::new(db.backend(), text), "p.id", wanted, paid);
    let found = partner_read::full(sql.all(db.conn()).await?)?;
    let told = |one: &crate::domain::partner::PartnerPayout| {
        let netted = Some(one.payout.netted_minor).filter(|netted| *netted > 0);
        let state = PayoutState { netted_minor: netted, ..partner::told(one) };
        let (version, at) = (one.payout.version, one.payout.updated_at);
        // The state is in the payload, whatever the event is called.
        Snapshot::told((SERVICE, wanted.organization), version, at, kind::PAYOUT_CREATED, state)
    };
    Ok(found.iter().map(told).collect())
}

#[derive(FromQueryResult)]
struct CommissionRow {
    id: Uuid,
    attribution_id: Uuid,
    external_id: String,
    partner_id: Uuid,
    product_id: Uuid,
    amount_minor: i64,
    currency: String,
    occurred_at: Timestamp,
    payable_at: Timestamp,
    created_at: Timestamp,
}

async fn commissions(db: &Db, wanted: &Wanted) -> Result<Vec<Snapshot>, DbErr> {
    let text = "SELECT c.id, c.attribution_id, a.external_id, c.partner_id, a.product_id, \
                c.amount_minor, c.currency, c.occurred_at, c.payable_at, c.created_at \
                FROM commissions c JOIN attributions a ON a.id = c.attribution_id \
                WHERE c.organization_id";
    let sql = page(Sql::new(db.backend(), text), "c.id", wanted);
    let told = |row: CommissionRow| {
        let state = CommissionState {
            commission_id: row.id,
            // What it comes to never changes; later versions say which payout covers it.
            version: 1,
            attribution_id: row.attribution_id,
            external_id: row.external_id,
            partner_id: row.partner_id,
            product_id: Some(row.product_id).filter(|id| !id.is_nil()),
            amount_minor: row.amount_minor,
            currency: row.currency,
            occurred_at: row.occurred_at,
            payable_at: row.payable_at,
        };
        let owner = (SERVICE, wanted.organization);
        Snapshot::told(owner, 1, row.created_at, kind::COMMISSION_CREATED, state)
    };
    Ok(sql.all::<CommissionRow, _>(db.conn()).await?.into_iter().map(told).collect())
}

#[derive(FromQueryResult)]
struct ReceivableRow {
    payout_id: Uuid,
    payee_id: Uuid,
    currency: String,
    open_minor: i64,
    version: i64,
    updated_at: Timestamp,
}

/// What partners still owe of a voided payout.
async fn receivables(db: &Db, wanted: &Wanted) -> Result<Vec<Snapshot>, DbErr> {
    let text = format!(
        "SELECT r.payout_id, r.payee_id, r.currency, r.open_minor, e.version, r.updated_at \
         FROM receivables r JOIN earnings e ON e.id = r.earning_id \
         WHERE NOT ({TOLD_ALONE}) AND r.organization_id"
    );
    let sql = page(Sql::new(db.backend(), &text), "r.payout_id", wanted);
    let told = |row: ReceivableRow| {
        let state = ReceivableState {
            payout_id: row.payout_id,
            version: row.version,
            payee_id: row.payee_id,
            currency: row.currency,
            receivable_minor: row.open_minor,
        };
        let owner = (SERVICE, wanted.organization);
        Snapshot::told(owner, row.version, row.updated_at, kind::RECEIVABLE_NETTED, state)
    };
    Ok(sql.all::<ReceivableRow, _>(db.conn()).await?.into_iter().map(told).collect())
}

#[derive(FromQueryResult)]
struct TotalRow {
    state: String,
    currency: String,
    count: i64,
    minor: i64,
}

/// Counts and sums what an organization owes and has paid.
pub(crate) async fn totals(
    db: &Db,
    organization: OrganizationId,
) -> Result<Vec<SnapshotTotal>, DbErr> {
    let sum = "count(*) AS count, CAST(COALESCE(SUM";
    let statements = [
        (
            "earning",
            format!(
                "SELECT e.status AS state, e.currency, {sum}(e.amount_minor), 0) AS BIGINT) AS minor \
                 FROM earnings e WHERE {TOLD_ALONE} AND e.organization_id"
            ),
        ),
        (
            "owed_back",
            format!(
                "SELECT 'void' AS state, r.currency, {sum}(r.open_minor), 0) AS BIGINT) AS minor \
                 FROM receivables r JOIN earnings e ON e.id = r.earning_id \
                 WHERE {TOLD_ALONE} AND r.open_minor > 0 AND r.organization_id"
            ),
        ),
        (
            "payout",
            format!(
                "SELECT CASE p.source WHEN 'profit_share' THEN 'manual' ELSE p.source END || '/' || \
                 p.state AS state, p.currency, \
                 {sum}(p.amount_minor + p.netted_minor), 0) AS BIGINT) AS minor FROM payouts p \
                 WHERE p.source IN ('manual', 'commission', 'profit_share') AND p.organization_id"
            ),
        ),
        (
            "commission",
            format!(
                "SELECT '' AS state, c.currency, {sum}(c.amount_minor), 0) AS BIGINT) AS minor \
                 FROM commissions c WHERE c.organization_id"
            ),
        ),
        (
            "partner_owed_back",
            format!(
                "SELECT 'void' AS state, r.currency, {sum}(r.open_minor), 0) AS BIGINT) AS minor \
                 FROM receivables r JOIN earnings e ON e.id = r.earning_id \
                 WHERE NOT ({TOLD_ALONE}) AND r.open_minor > 0 AND r.organization_id"
            ),
        ),
    ];
    let mut totals = Vec::new();
    for (entity, text) in statements {
        let sql = Sql::new(db.backend(), &text).bind(" = ", organization.0).push(" GROUP BY 1, 2");
        totals.extend(sql.all::<TotalRow, _>(db.conn()).await?.into_iter().map(|row| {
            let TotalRow { state, currency, count, minor } = row;
            SnapshotTotal { entity, state, currency, count, minor }
        }));
    }
    Ok(totals)
}
