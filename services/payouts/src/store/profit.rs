//! Profit periods: one per product and period.

use quittance_chassis::db::{Column, Db, Entry, Insert, Journal, WriteSet};
use quittance_events::{ProfitAllocation, ProfitPeriodState, kind};
use quittance_kernel::{Ctx, OrganizationId, ProductId};
use sea_orm::DbErr;
use uuid::Uuid;

use super::sql::Sql;
use crate::domain::partner::NewPayout;
use crate::domain::profit::Distribution;
use crate::domain::shares::Share;

/// Whether the profit of a period was distributed.
pub(crate) async fn exists(
    db: &Db,
    organization: OrganizationId,
    product: ProductId,
    period: &str,
) -> Result<bool, DbErr> {
    let sql = Sql::new(db.backend(), "")
        .bind("SELECT id FROM profit_periods WHERE organization_id = ", organization.0)
        .bind(" AND product_id = ", product.0)
        .bind(" AND period = ", period);
    Ok(!sql.rows(db.conn()).await?.is_empty())
}

/// Rows, audit and event of a distribution.
pub(crate) fn insert(ctx: &Ctx, set: &mut WriteSet, journal: &mut Journal, done: &Distribution) {
    let id = done.id.unwrap_or_default();
    let (report, shares) = (&done.report, &done.division.shares);
    let number = |value: i64| Column::same_i64(Some(value));
    let organization = || Column::same_uuid(Some(ctx.organization().0));
    set.insert(
        Insert::into("profit_periods")
            .column("id", Column::Uuid(vec![id]))
            .column("organization_id", organization())
            .column("product_id", Column::same_uuid(Some(report.product.0)))
            .column("period", Column::same_text(Some(&report.period)))
            .column("currency", Column::same_text(Some(report.profit.currency().code())))
            .column("profit_minor", number(report.profit.minor()))
            .column("pool_bps", number(report.pool_bps))
            .column("total_minor", number(done.total))
            .column("residual_minor", number(done.division.residual))
            .column("effective_points", number(done.division.effective_points))
            .column("created_by", Column::same_uuid(Some(ctx.member().0)))
            .column("created_at", Column::same_time(Some(ctx.now))),
    );
    let each = |of: fn(&Share) -> i64| Column::I64(shares.iter().map(of).collect());
    let payouts: Vec<Option<Uuid>> = done.payouts.iter().map(|id| id.map(|id| id.0)).collect();
    set.insert(
        Insert::into("profit_allocations")
            .column("member_id", Column::Uuid(shares.iter().map(|share| share.member.0).collect()))
            .column("profit_period_id", Column::same_uuid(Some(id)))
            .column("organization_id", organization())
            .column("points", each(|share| share.points))
            .column("amount_minor", each(|share| share.amount))
            .column("platform_fee_minor", each(|share| share.platform_fee))
            .column("payout_id", Column::OptUuid(payouts)),
    );
    let entry = Entry::new(kind::PROFIT_PERIOD_DISTRIBUTED, "profit_period", id);
    let entry = entry.after(audited(done));
    journal.record(ctx, entry, kind::PROFIT_PERIOD_DISTRIBUTED, told(id, done));
}

/// Notes how the members are called.
pub(crate) fn know(ctx: &Ctx, set: &mut WriteSet, new: &[NewPayout]) {
    set.insert(
        Insert::into("partners")
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("partner_id", Column::Uuid(new.iter().map(|of| of.partner.0).collect()))
            .column("name", Column::Text(new.iter().map(|of| of.name.clone()).collect()))
            .column("created_at", Column::same_time(Some(ctx.now)))
            .on_conflict(
                "ON CONFLICT (organization_id, partner_id) DO UPDATE SET name = excluded.name",
            ),
    );
}

/// What an auditor sees of a distribution, or of a dry run of it.
pub(crate) fn audited(done: &Distribution) -> String {
    serde_json::json!({
        "productId": done.report.product.0,
        "period": done.report.period,
        "profitMinor": done.report.profit.minor(),
        "currency": done.report.profit.currency().code(),
        "poolBps": done.report.pool_bps,
        "totalMinor": done.total,
        "residualMinor": done.division.residual,
        "platformFeeMinor": done.platform_fee(),
        "members": done.division.shares.len(),
    })
    .to_string()
}

fn told(id: Uuid, done: &Distribution) -> ProfitPeriodState {
    let shares = done.division.shares.iter().zip(&done.payouts);
    ProfitPeriodState {
        profit_period_id: id,
        version: 1,
        product_id: done.report.product.0,
        period: done.report.period.clone(),
        currency: done.report.profit.currency().code().to_owned(),
        profit_minor: done.report.profit.minor(),
        pool_bps: done.report.pool_bps,
        total_minor: done.total,
        residual_minor: done.division.residual,
        effective_points: done.division.effective_points,
        allocations: shares
            .map(|(share, payout)| ProfitAllocation {
                member_id: share.member.0,
                points: share.points,
                amount_minor: share.amount,
                platform_fee_minor: share.platform_fee,
                payout_id: payout.map(|id| id.0),
            })
            .collect(),
    }
}
