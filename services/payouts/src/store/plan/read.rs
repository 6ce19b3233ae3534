//! Plans and their items, as they are read.

use quittance_chassis::db::Db;
use quittance_events::{PlanNetting, PlanTotal};
use quittance_kernel::{
    BatchId, CycleId, EarningId, IssueId, MemberId, OrganizationId, PlanId, ProductId, Timestamp,
};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::Narrowed;
use crate::domain::plan::{Filters, Netted, Plan, PlanItem, PlanState};
use crate::store::sql::Sql;
use crate::store::{StoreError, approval, money};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    created_by: Uuid,
    filters: String,
    method: String,
    reference: String,
    net_receivables: bool,
    nettings: String,
    digest: String,
    state: String,
    totals: String,
    item_count: i64,
    excluded_count: i64,
    batch_id: Option<Uuid>,
    approvals_needed: i64,
    expires_at: Timestamp,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

const SELECT: &str = "SELECT id, created_by, filters, method, reference, \
    net_receivables, nettings, digest, state, totals, item_count, excluded_count, batch_id, approvals_needed, expires_at, version, created_at, updated_at FROM \
    plans \
    WHERE organization_id = ";

/// Reads one plan.
pub(crate) async fn find(
    db: &Db,
    organization: OrganizationId,
    id: PlanId,
) -> Result<Option<Plan>, StoreError> {
    let sql = Sql::new(db.backend(), "").bind(SELECT, organization.0).bind(" AND id = ", id.0);
    let found = sql.one::<Row, _>(db.conn()).await?.map(plan).transpose()?;
    let found = approved(db, organization, found.into_iter().collect()).await?;
    Ok(found.into_iter().next())
}

/// Reads plans, the newest first: at most `limit`, those before `before`.
pub(crate) async fn list(
    db: &Db,
    organization: OrganizationId,
    before: Option<PlanId>,
    limit: u32,
) -> Result<Vec<Plan>, StoreError> {
    let sql = Sql::new(db.backend(), "")
        .bind(SELECT, organization.0)
        .bind_some(" AND id < ", before.map(|id| id.0))
        .bind(" ORDER BY id DESC LIMIT ", i64::from(limit));
    let rows = sql.all::<Row, _>(db.conn()).await?;
    let plans = rows.into_iter().map(plan).collect::<Result<_, StoreError>>()?;
    approved(db, organization, plans).await
}

/// Adds to plans who has approved them. Read after them: of an approval that comes in between, the
/// version of the plan is not known yet, so that nothing is decided on it.
async fn approved(
    db: &Db,
    organization: OrganizationId,
    mut plans: Vec<Plan>,
) -> Result<Vec<Plan>, StoreError> {
    if plans.is_empty() {
        return Ok(plans);
    }
    let ids = plans.iter().map(|plan| plan.id.0).collect();
    let mut approvals = approval::of_plans(db, organization, ids).await?;
    for plan in &mut plans {
        plan.approvals = approvals.remove(&plan.id).unwrap_or_default();
    }
    Ok(plans)
}

fn plan(row: Row) -> Result<Plan, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "plans", id: row.id, column };
    let narrowed: Narrowed = serde_json::from_str(&row.filters).map_err(|_| corrupt("filters"))?;
    let totals: Vec<PlanTotal> =
        serde_json::from_str(&row.totals).map_err(|_| corrupt("totals"))?;
    let totals = totals.iter().map(|total| {
        Ok((money("plans", row.id, total.amount_minor, &total.currency)?, total.count))
    });
    let nettings: Vec<PlanNetting> =
        serde_json::from_str(&row.nettings).map_err(|_| corrupt("nettings"))?;
    let nettings = nettings.iter().map(|netting| {
        let amount = money("plans", row.id, netting.amount_minor, &netting.currency)?;
        Ok(Netted { payee: MemberId(netting.payee_id), amount })
    });
    Ok(Plan {
        id: PlanId(row.id),
        created_by: MemberId(row.created_by),
        filters: filters(narrowed).ok_or(corrupt("filters"))?,
        method: row.method.parse().map_err(|_| corrupt("method"))?,
        net: row.net_receivables,
        nettings: nettings.collect::<Result<_, StoreError>>()?,
        digest: row.digest,
        state: PlanState::ALL
            .into_iter()
            .find(|state| state.as_str() == row.state)
            .ok_or(corrupt("state"))?,
        totals: totals.collect::<Result<_, StoreError>>()?,
        reference: row.reference,
        item_count: row.item_count,
        excluded_count: row.excluded_count,
        batch: row.batch_id.map(BatchId),
        approvals: vec![],
        needed: row.approvals_needed,
        expires_at: row.expires_at,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

fn filters(narrowed: Narrowed) -> Option<Filters> {
    let currency = match narrowed.currency {
        Some(code) => Some(code.parse().ok()?),
        None => None,
    };
    Some(Filters {
        product: narrowed.product_id.map(ProductId),
        cycle: narrowed.cycle_id.map(CycleId),
        payee: narrowed.payee_id.map(MemberId),
        start: narrowed.period_start,
        end: narrowed.period_end,
        currency,
    })
}

#[derive(FromQueryResult)]
struct ItemRow {
    earning_id: Uuid,
    issue_id: Uuid,
    payee_id: Uuid,
    amount_minor: i64,
    currency: String,
    earning_version: i64,
    source_version: i64,
    reasons: Option<String>,
}

const ITEMS: &str = "SELECT earning_id, issue_id, payee_id, amount_minor, currency, \
    earning_version, source_version, reasons FROM plan_items WHERE organization_id = ";

/// Reads items, included or not, in the order of the earnings: at most `limit`, those after `after`.
pub(crate) async fn items(
    db: &Db,
    organization: OrganizationId,
    id: PlanId,
    after: Option<EarningId>,
    limit: u32,
) -> Result<Vec<PlanItem>, StoreError> {
    let sql = Sql::new(db.backend(), "")
        .bind(ITEMS, organization.0)
        .bind(" AND plan_id = ", id.0)
        .bind_some(" AND earning_id > ", after.map(|earning| earning.0))
        .bind(" ORDER BY earning_id LIMIT ", i64::from(limit));
    sql.all::<ItemRow, _>(db.conn()).await?.iter().map(item).collect()
}

/// Reads what a plan includes (or leaves out) in the order of the earnings: at most `limit`, those
/// after `after`.
pub(crate) async fn told_apart<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    id: PlanId,
    included: bool,
    after: Option<EarningId>,
    limit: usize,
) -> Result<Vec<PlanItem>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), "")
        .bind(ITEMS, organization.0)
        .bind(" AND plan_id = ", id.0)
        .push(if included { " AND reasons IS NULL" } else { " AND reasons IS NOT NULL" })
        .bind_some(" AND earning_id > ", after.map(|earning| earning.0))
        .bind(" ORDER BY earning_id LIMIT ", i64::try_from(limit).unwrap_or(i64::MAX));
    sql.all::<ItemRow, _>(conn).await?.iter().map(item).collect()
}

fn item(row: &ItemRow) -> Result<PlanItem, StoreError> {
    let reasons = row.reasons.as_deref().map(|words| words.split(',').map(str::to_owned).collect());
    Ok(PlanItem {
        earning: EarningId(row.earning_id),
        issue: IssueId(row.issue_id),
        payee: MemberId(row.payee_id),
        amount: money("plan_items", row.earning_id, row.amount_minor, &row.currency)?,
        version: row.earning_version,
        source_version: row.source_version,
        reasons: reasons.unwrap_or_default(),
    })
}
