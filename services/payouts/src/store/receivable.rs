//! What payees owe, and what is kept back of it.

use quittance_chassis::db::{Column, Db, Entry, Insert, Journal, Update, WriteSet};
use quittance_events::{EarningState, ReceivableState, kind};
use quittance_kernel::{Ctx, OrganizationId, PayoutId, PayoutStatus, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use uuid::Uuid;

use super::StoreError;
use super::earning::{TABLE as EARNINGS, read};
use super::lifecycle::state;
use super::sql::Sql;
use crate::domain::receivable::{Receivable, VoidedPayment};
use crate::domain::settlement::Settlement;

/// The columns of an earning come first, as its reader wants them.
const SELECT: &str = "SELECT e.id, e.source_id, e.cycle_id, e.payee_id, e.amount_minor, e.currency, \
    e.status, e.version, e.source_version, e.payout_id, e.organization_id, r.id, r.open_minor, \
    r.version, p.method, p.reference, p.paid_at, r.created_at, r.reason, e.source_kind";

const FROM: &str = " FROM receivables r JOIN earnings e ON e.id = r.earning_id \
    JOIN payouts p ON p.id = r.payout_id";

/// Reads what these payees owe, the oldest debts first.
pub(crate) async fn open(
    db: &Db,
    organization: OrganizationId,
    payees: Vec<Uuid>,
) -> Result<Vec<Receivable>, StoreError> {
    let sql = Sql::new(db.backend(), SELECT)
        .push(FROM)
        .bind(" WHERE r.open_minor > 0 AND r.organization_id = ", organization.0)
        .one_of(" AND r.payee_id", payees)
        .push(" ORDER BY r.id");
    sql.rows(db.conn()).await?.iter().map(receivable).collect()
}

/// Reads what a payout has kept back: the receivables and how much of each.
pub(crate) async fn kept_by<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    payout: PayoutId,
) -> Result<Vec<(Receivable, i64)>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), SELECT)
        .push(", n.amount_minor")
        .push(FROM)
        .push(" JOIN nettings n ON n.receivable_id = r.id")
        .bind(" WHERE n.live AND n.organization_id = ", organization.0)
        .bind(" AND n.payout_id = ", payout.0)
        .push(" ORDER BY r.id");
    let rows = sql.rows(conn).await?;
    rows.iter().map(|row| Ok((receivable(row)?, row.try_get_by_index(20)?))).collect()
}

fn receivable(row: &QueryResult) -> Result<Receivable, StoreError> {
    let id: Uuid = row.try_get_by_index(11)?;
    let method: String = row.try_get_by_index(14)?;
    let method = method.parse().map_err(|_| StoreError::Corrupt {
        table: "receivables",
        id,
        column: "method",
    })?;
    let source: String = row.try_get_by_index(19)?;
    Ok(Receivable {
        id,
        told_alone: matches!(source.as_str(), "issue" | "schedule"),
        earning: read(row)?,
        open_minor: row.try_get_by_index(12)?,
        version: row.try_get_by_index(13)?,
        payment: VoidedPayment {
            method,
            reference: row.try_get_by_index(15)?,
            paid_at: row.try_get_by_index::<Option<Timestamp>>(16)?,
            voided_at: row.try_get_by_index(17)?,
            reason: row.try_get_by_index(18)?,
        },
    })
}

/// Notes that a payout keeps nothing back any more.
pub(crate) async fn forget<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    payout: PayoutId,
) -> Result<(), DbErr> {
    let sql = Sql::new(conn.get_database_backend(), "UPDATE nettings SET live = false")
        .bind(" WHERE live AND organization_id = ", organization.0)
        .bind(" AND payout_id = ", payout.0);
    sql.execute(conn).await?;
    Ok(())
}

/// Adds what a settlement keeps back: refused if a debt has changed since it was looked at.
pub(super) fn keep_back(
    ctx: &Ctx,
    set: &mut WriteSet,
    journal: &mut Journal,
    settlement: &Settlement,
) {
    if settlement.nettings.is_empty() {
        return;
    }
    let mut kept = vec![0; settlement.receivables.len()];
    for netting in &settlement.nettings {
        kept[netting.receivable] += netting.minor;
    }
    let touched: Vec<(&Receivable, i64)> = settlement
        .receivables
        .iter()
        .zip(kept)
        .filter(|(_, kept)| *kept > 0)
        .map(|(owed, kept)| (owed, owed.open_minor - kept))
        .collect();
    change(ctx, set, journal, &touched);
    set.insert(insert_nettings(ctx, settlement));
}

/// Adds that what was kept back is owed again.
pub(crate) fn give_back(
    ctx: &Ctx,
    service: &'static str,
    set: &mut WriteSet,
    kept: &[(Receivable, i64)],
) {
    let touched: Vec<_> = kept.iter().map(|(owed, kept)| (owed, owed.open_minor + kept)).collect();
    let mut journal = Journal::new(service);
    change(ctx, set, &mut journal, &touched);
    journal.write_to(ctx, set);
}

/// Sets how much is open of each debt, and tells it as the next version of its earning.
fn change(ctx: &Ctx, set: &mut WriteSet, journal: &mut Journal, touched: &[(&Receivable, i64)]) {
    let ids = touched.iter().map(|(owed, _)| owed.id).collect();
    let versions = touched.iter().map(|(owed, _)| owed.version).collect();
    let update = Update::of("receivables", "id", ids, versions)
        .set("open_minor", Column::I64(touched.iter().map(|(_, open)| *open).collect()))
        .set("updated_at", Column::same_time(Some(ctx.now)));
    set.update(update);
    let ids = touched.iter().map(|(owed, _)| owed.earning.id.0).collect();
    let versions = touched.iter().map(|(owed, _)| owed.earning.version).collect();
    let update = Update::of(EARNINGS, "id", ids, versions)
        .set("updated_at", Column::same_time(Some(ctx.now)))
        .only_where("t.status = 'void'");
    set.update(update);
    for (owed, open) in touched {
        let minor = |minor: i64| serde_json::json!({ "receivableMinor": minor }).to_string();
        let entry = Entry::new("earning.netted", "earning", owed.earning.id.0)
            .change(minor(owed.open_minor), minor(*open));
        let payment = &owed.payment;
        let state = EarningState {
            status: PayoutStatus::Void,
            payout_id: owed.earning.payout.map(|payout| payout.0),
            method: Some(payment.method),
            reference: Some(payment.reference.clone()),
            paid_at: payment.paid_at,
            reason: Some(payment.reason.clone()),
            voided_at: Some(payment.voided_at),
            receivable_minor: Some(*open),
            ..state(&owed.earning)
        };
        // A partner's earning is known by its payout alone.
        match owed.earning.payout {
            Some(payout) if !owed.told_alone => {
                let state = ReceivableState {
                    payout_id: payout.0,
                    version: owed.earning.version + 1,
                    payee_id: owed.earning.payee.0,
                    currency: owed.earning.amount.currency().code().to_owned(),
                    receivable_minor: *open,
                };
                journal.record(ctx, entry, kind::RECEIVABLE_NETTED, state);
            }
            Some(_) | None => {
                journal.record(ctx, entry, kind::EARNING_NETTED, state);
            }
        }
    }
}

fn insert_nettings(ctx: &Ctx, settlement: &Settlement) -> Insert {
    let (nettings, payouts) = (&settlement.nettings, &settlement.payouts);
    let receivables =
        nettings.iter().map(|netting| settlement.receivables[netting.receivable].id).collect();
    Insert::into("nettings")
        .column("receivable_id", Column::Uuid(receivables))
        .column(
            "payout_id",
            Column::Uuid(nettings.iter().map(|netting| payouts[netting.payout].id.0).collect()),
        )
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("amount_minor", Column::I64(nettings.iter().map(|netting| netting.minor).collect()))
        .column("live", Column::Same(true.into(), "boolean"))
        .column("created_at", Column::same_time(Some(ctx.now)))
}
