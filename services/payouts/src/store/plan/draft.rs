//! Lines of plans that are too large for memory: written in pieces, seen once the plan is.
//!
//! Lines belong to a plan that is not there until all of them are: a draft. Whatever is about all
//! lines at once (sums by payee, minimums, differences) is computed by the database.

use std::collections::HashMap;

use quittance_chassis::db::{Column, Insert, WriteSet};
use quittance_kernel::{
    Ctx, Currency, CycleId, EarningId, IssueId, MemberId, Money, OrganizationId, PayoutItemId,
    PlanId, Timestamp,
};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::insert_items;
use crate::domain::decision::{Payable, Was};
use crate::domain::plan::{Difference, PlanItem};
use crate::domain::settlement::Item;
use crate::store::earning::status_of;
use crate::store::sql::Sql;
use crate::store::{StoreError, money};

/// The most issues of one kind that a difference names.
const MAX_NAMED: i64 = 1_000;

/// What one payee is paid in one currency by a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DuePayee {
    pub(crate) payee: MemberId,
    pub(crate) sum: Money,
    pub(crate) count: i64,
}

/// Notes that lines of a plan are being written, so that those of one that died are found.
pub(crate) fn begin(ctx: &Ctx, plan: PlanId) -> Insert {
    Insert::into("plan_drafts")
        .column("plan_id", Column::Uuid(vec![plan.0]))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("created_at", Column::same_time(Some(ctx.now)))
}

/// Lines of a draft.
pub(crate) fn lines(ctx: &Ctx, plan: PlanId, items: &[&PlanItem]) -> WriteSet {
    let mut set = WriteSet::new();
    set.insert(insert_items(ctx, plan, items));
    set
}

/// Sums what a draft includes, by payee and currency.
pub(crate) async fn sum_payees<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    plan: PlanId,
) -> Result<(), DbErr> {
    let text = "INSERT INTO plan_payees (plan_id, payee_id, currency, organization_id, \
        amount_minor, item_count) SELECT plan_id, payee_id, currency, organization_id, \
        CAST(SUM(amount_minor) AS BIGINT), count(*) FROM plan_items \
        WHERE reasons IS NULL AND organization_id = ";
    let sql = Sql::new(conn.get_database_backend(), "")
        .bind(text, organization.0)
        .bind(" AND plan_id = ", plan.0)
        .push(" GROUP BY plan_id, payee_id, currency, organization_id");
    sql.execute(conn).await?;
    Ok(())
}

/// Leaves out payees whose sum does not reach the minimum of its currency.
pub(crate) async fn leave_out_small<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    plan: PlanId,
    currency: Currency,
    minimum: i64,
) -> Result<(), DbErr> {
    let backend = conn.get_database_backend();
    let text = "UPDATE plan_items SET reasons = 'below_minimum' WHERE reasons IS NULL \
                AND organization_id = ";
    let sql = Sql::new(backend, "")
        .bind(text, organization.0)
        .bind(" AND plan_id = ", plan.0)
        .bind(" AND currency = ", currency.code())
        .bind(" AND payee_id IN (SELECT payee_id FROM plan_payees WHERE plan_id = ", plan.0)
        .bind(" AND currency = ", currency.code())
        .bind(" AND amount_minor < ", minimum)
        .push(")");
    sql.execute(conn).await?;
    let sql = Sql::new(backend, "")
        .bind("DELETE FROM plan_payees WHERE organization_id = ", organization.0)
        .bind(" AND plan_id = ", plan.0)
        .bind(" AND currency = ", currency.code())
        .bind(" AND amount_minor < ", minimum);
    sql.execute(conn).await?;
    Ok(())
}

/// The sums of a draft by currency, with the number of items; by what its payees are paid.
pub(crate) async fn totals<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    plan: PlanId,
) -> Result<Vec<(Money, i64)>, StoreError> {
    let text = "SELECT currency, CAST(SUM(amount_minor) AS BIGINT), \
                CAST(SUM(item_count) AS BIGINT) FROM plan_payees WHERE organization_id = ";
    let sql = Sql::new(conn.get_database_backend(), "")
        .bind(text, organization.0)
        .bind(" AND plan_id = ", plan.0)
        .push(" GROUP BY currency ORDER BY currency");
    let rows = sql.rows(conn).await?;
    let total = |row: &sea_orm::QueryResult| {
        let code: String = row.try_get_by_index(0)?;
        let sum = money("plan_payees", plan.0, row.try_get_by_index(1)?, &code)?;
        Ok((sum, row.try_get_by_index(2)?))
    };
    rows.iter().map(total).collect()
}

/// How many lines of a draft are left out.
pub(crate) async fn count_excluded<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    plan: PlanId,
) -> Result<i64, DbErr> {
    let text = "SELECT count(*) FROM plan_items WHERE reasons IS NOT NULL AND organization_id = ";
    let sql = Sql::new(conn.get_database_backend(), "")
        .bind(text, organization.0)
        .bind(" AND plan_id = ", plan.0);
    sql.rows(conn).await?.first().map_or(Ok(0), |row| row.try_get_by_index(0))
}

/// How many payouts a plan makes.
pub(crate) async fn count_payees<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    plan: PlanId,
) -> Result<i64, DbErr> {
    let sql = Sql::new(conn.get_database_backend(), "")
        .bind("SELECT count(*) FROM plan_payees WHERE organization_id = ", organization.0)
        .bind(" AND plan_id = ", plan.0);
    sql.rows(conn).await?.first().map_or(Ok(0), |row| row.try_get_by_index(0))
}

/// What payees are paid by a plan, in the order of payees and currencies: at most `limit`, those
/// after `after`.
pub(crate) async fn payees<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    plan: PlanId,
    after: Option<&DuePayee>,
    limit: usize,
) -> Result<Vec<DuePayee>, StoreError> {
    let text = "SELECT payee_id, currency, amount_minor, item_count FROM plan_payees \
                WHERE organization_id = ";
    let mut sql = Sql::new(conn.get_database_backend(), "")
        .bind(text, organization.0)
        .bind(" AND plan_id = ", plan.0);
    if let Some(after) = after {
        sql = sql
            .bind(" AND (payee_id, currency) > (", after.payee.0)
            .bind(", ", after.sum.currency().code())
            .push(")");
    }
    let sql =
        sql.bind(" ORDER BY payee_id, currency LIMIT ", i64::try_from(limit).unwrap_or(i64::MAX));
    let due = |row: &sea_orm::QueryResult| {
        let (payee, code): (Uuid, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let sum = money("plan_payees", payee, row.try_get_by_index(2)?, &code)?;
        Ok(DuePayee { payee: MemberId(payee), sum, count: row.try_get_by_index(3)? })
    };
    sql.rows(conn).await?.iter().map(due).collect()
}

/// What a plan includes, with the earnings as they are: at most `limit`, those after `after`. The
/// places of payouts are those in the list that is returned with them.
pub(crate) async fn due<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    plan: PlanId,
    after: Option<EarningId>,
    limit: usize,
) -> Result<(Vec<Item>, Vec<(MemberId, Currency)>), StoreError> {
    let text = "SELECT i.earning_id, i.issue_id, i.payee_id, i.amount_minor, i.currency, \
        i.earning_version, i.source_version, e.cycle_id, e.status, e.amount_minor, e.currency \
        FROM plan_items i JOIN earnings e ON e.id = i.earning_id \
        WHERE i.reasons IS NULL AND i.organization_id = ";
    let sql = Sql::new(conn.get_database_backend(), "")
        .bind(text, organization.0)
        .bind(" AND i.plan_id = ", plan.0)
        .bind_some(" AND i.earning_id > ", after.map(|earning| earning.0))
        .bind(" ORDER BY i.earning_id LIMIT ", i64::try_from(limit).unwrap_or(i64::MAX));
    let (mut items, mut payouts, mut places) = (vec![], vec![], HashMap::new());
    for row in sql.rows(conn).await? {
        let id: Uuid = row.try_get_by_index(0)?;
        let code: String = row.try_get_by_index(4)?;
        let amount = money("plan_items", id, row.try_get_by_index(3)?, &code)?;
        let payee = MemberId(row.try_get_by_index(2)?);
        let payout = *places.entry((payee, amount.currency())).or_insert_with(|| {
            payouts.push((payee, amount.currency()));
            payouts.len() - 1
        });
        let (status, code): (String, String) =
            (row.try_get_by_index(8)?, row.try_get_by_index(10)?);
        let was = Was {
            version: row.try_get_by_index(5)?,
            status: status_of(id, &status)?,
            amount: money("earnings", id, row.try_get_by_index(9)?, &code)?,
        };
        let paid = Payable {
            earning: EarningId(id),
            was: Some(was),
            issue: IssueId(row.try_get_by_index(1)?),
            cycle: CycleId(row.try_get_by_index(7)?),
            payee,
            amount,
            source_version: row.try_get_by_index(6)?,
            group: 0,
        };
        items.push(Item { id: PayoutItemId::new(), payout, paid });
    }
    Ok((items, payouts))
}

/// How what a draft includes differs from what a plan does. Names the first of each kind and counts
/// the others.
pub(crate) async fn difference<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    (plan, draft): (PlanId, PlanId),
) -> Result<Difference, StoreError> {
    let alone = "NOT EXISTS (SELECT 1 FROM plan_items o WHERE o.earning_id = i.earning_id \
                 AND o.reasons IS NULL AND o.plan_id = ";
    let changed = "EXISTS (SELECT 1 FROM plan_items o WHERE o.earning_id = i.earning_id \
                   AND o.reasons IS NULL AND (o.amount_minor <> i.amount_minor \
                   OR o.currency <> i.currency OR o.earning_version <> i.earning_version) \
                   AND o.plan_id = ";
    let of = |select: &str, (one, other): (PlanId, PlanId), condition: &str| {
        Sql::new(conn.get_database_backend(), select)
            .bind(
                " FROM plan_items i WHERE i.reasons IS NULL AND i.organization_id = ",
                organization.0,
            )
            .bind(" AND i.plan_id = ", one.0)
            .push(" AND ")
            .bind(condition, other.0)
            .push(")")
    };
    let mut found: [(Vec<IssueId>, i64); 3] = Default::default();
    let kinds = [((draft, plan), alone), ((plan, draft), alone), ((plan, draft), changed)];
    for (kind, (of_whom, condition)) in kinds.into_iter().enumerate() {
        let named = of("SELECT i.issue_id", of_whom, condition)
            .bind(" ORDER BY i.earning_id LIMIT ", MAX_NAMED)
            .rows(conn)
            .await?;
        let named: Result<Vec<_>, DbErr> =
            named.iter().map(|row| Ok(IssueId(row.try_get_by_index(0)?))).collect();
        let counted = of("SELECT count(*)", of_whom, condition).rows(conn).await?;
        let all: i64 = counted.first().map_or(Ok(0), |row| row.try_get_by_index(0))?;
        let named = named?;
        let unnamed = all - i64::try_from(named.len()).unwrap_or(i64::MAX);
        found[kind] = (named, unnamed);
    }
    let [(added, a), (removed, r), (changed, c)] = found;
    Ok(Difference { added, removed, changed, netted: vec![], unnamed: [a, r, c] })
}

/// Forgets that a plan was a draft: all of its lines are there.
pub(crate) async fn settle<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    plan: PlanId,
) -> Result<(), DbErr> {
    let sql = Sql::new(conn.get_database_backend(), "")
        .bind("DELETE FROM plan_drafts WHERE organization_id = ", organization.0)
        .bind(" AND plan_id = ", plan.0);
    sql.execute(conn).await?;
    Ok(())
}

/// Removes drafts with their lines: this one, and those that were begun before an instant and never
/// became plans.
pub(crate) async fn remove<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    draft: Option<PlanId>,
    before: Timestamp,
) -> Result<(), DbErr> {
    for text in [
        "DELETE FROM plan_items WHERE organization_id = ",
        "DELETE FROM plan_payees WHERE organization_id = ",
        "DELETE FROM plan_drafts WHERE organization_id = ",
    ] {
        let these =
            " AND plan_id IN (SELECT d.plan_id FROM plan_drafts d WHERE d.organization_id = ";
        let sql = Sql::new(conn.get_database_backend(), "")
            .bind(text, organization.0)
            .bind(these, organization.0)
            .bind(" AND (d.created_at < ", before)
            .bind_some(" OR d.plan_id = ", draft.map(|draft| draft.0))
            .push("))");
        sql.execute(conn).await?;
    }
    Ok(())
}
