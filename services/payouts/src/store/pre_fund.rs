//! What products have paid in advance: rows that several may draw on at once.

use quittance_chassis::db::{Column, Entry, Insert, Journal, Tx, WriteError, WriteSet};
use quittance_events::{PreFundMove, kind};
use quittance_kernel::{Ctx, Currency, OrganizationId, PayoutId, ProductId, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, money};
use crate::domain::charge::ChargeAttempt;
use crate::domain::pre_fund::PreFund;
use crate::domain::quote::Quote;

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    currency: String,
    balance_minor: i64,
    low_minor: i64,
    version: i64,
    updated_at: Timestamp,
}

const SELECT: &str = "SELECT id, currency, balance_minor, low_minor, version, updated_at \
    FROM pre_funds WHERE organization_id = ";

/// Reads what a product has paid in advance, by currency.
pub(crate) async fn of_product<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    product: ProductId,
) -> Result<Vec<PreFund>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), "")
        .bind(SELECT, organization.0)
        .bind(" AND product_id = ", product.0)
        .push(" ORDER BY currency");
    let rows = sql.all::<Row, _>(conn).await?;
    rows.iter()
        .map(|row| {
            Ok(PreFund {
                product,
                balance: money("pre_funds", row.id, row.balance_minor, &row.currency)?,
                low: row.low_minor,
                version: row.version,
                updated_at: row.updated_at,
            })
        })
        .collect()
}

fn fund(ctx: &Ctx, product: ProductId, currency: Currency, balance: i64, low: i64) -> Insert {
    let now = Column::same_time(Some(ctx.now));
    Insert::into("pre_funds")
        .column("id", Column::Uuid(vec![Uuid::now_v7()]))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("product_id", Column::same_uuid(Some(product.0)))
        .column("currency", Column::same_text(Some(currency.code())))
        .column("balance_minor", Column::same_i64(Some(balance)))
        .column("low_minor", Column::same_i64(Some(low)))
        .column("version", Column::same_i64(Some(1)))
        .column("created_at", now.clone())
        .column("updated_at", now)
}

fn moves(ctx: &Ctx, all: &[(ProductId, Currency, &'static str, Uuid, i64)]) -> Insert {
    let text = |of: fn(&(ProductId, Currency, &'static str, Uuid, i64)) -> &'static str| {
        Column::Text(all.iter().map(|one| of(one).to_owned()).collect())
    };
    Insert::into("pre_fund_moves")
        .column("id", Column::Uuid(all.iter().map(|_| Uuid::now_v7()).collect()))
        .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
        .column("product_id", Column::Uuid(all.iter().map(|one| one.0.0).collect()))
        .column("currency", text(|one| one.1.code()))
        .column("kind", text(|one| one.2))
        .column("subject_id", Column::Uuid(all.iter().map(|one| one.3).collect()))
        .column("amount_minor", Column::I64(all.iter().map(|one| one.4).collect()))
        .column("created_at", Column::same_time(Some(ctx.now)))
}

/// Pays in what was charged for it, once per charge.
pub(crate) fn fill(ctx: &Ctx, set: &mut WriteSet, charge: &ChargeAttempt) {
    let quote = &charge.quote;
    set.insert(fund(ctx, charge.product, quote.currency, quote.value, 0).on_conflict(
        "ON CONFLICT (organization_id, product_id, currency) DO UPDATE SET \
         balance_minor = pre_funds.balance_minor + excluded.balance_minor, \
         version = pre_funds.version + 1, updated_at = excluded.updated_at",
    ));
    let one = (charge.product, quote.currency, "top_up", charge.id, quote.value);
    set.insert(moves(ctx, &[one]));
}

/// Sets below which balance a product is told to pay in.
pub(crate) fn set_low(
    ctx: &Ctx,
    service: &'static str,
    product: ProductId,
    currency: Currency,
    low: i64,
) -> WriteSet {
    let (mut set, mut journal) = (WriteSet::new(), Journal::new(service));
    set.insert(fund(ctx, product, currency, 0, low).on_conflict(
        "ON CONFLICT (organization_id, product_id, currency) DO UPDATE SET \
         low_minor = excluded.low_minor, version = pre_funds.version + 1, \
         updated_at = excluded.updated_at",
    ));
    let after = serde_json::json!({ "currency": currency.code(), "lowMinor": low });
    let entry = Entry::new("pre_fund.low_set", "product", product.0).after(after.to_string());
    journal.note(ctx, entry);
    journal.write_to(ctx, &mut set);
    set
}

/// Draws what a payout costs, once per payout and never below zero. Stale when there is not enough.
pub(crate) async fn draw(
    tx: &Tx,
    ctx: &Ctx,
    (set, journal): (&mut WriteSet, &mut Journal),
    product: ProductId,
    payout: PayoutId,
    quote: &Quote,
) -> Result<(), WriteError> {
    let drawn = Sql::new(tx.conn().get_database_backend(), "UPDATE pre_funds SET ")
        .bind("balance_minor = balance_minor - ", quote.total)
        .bind(", version = version + 1, updated_at = ", ctx.now)
        .bind(" WHERE organization_id = ", ctx.organization().0)
        .bind(" AND product_id = ", product.0)
        .bind(" AND currency = ", quote.currency.code())
        .bind(" AND balance_minor >= ", quote.total)
        .execute(tx.conn())
        .await?;
    if drawn != 1 {
        return Err(WriteError::Stale);
    }
    set.insert(moves(ctx, &[(product, quote.currency, "drawn", payout.0, -quote.total)]));
    let left = left(tx, ctx, product, quote.currency).await?;
    let told = told("drawn", 1, product, payout, quote, left);
    let after = serde_json::json!({ "drawnMinor": quote.total, "balanceMinor": left.0 });
    let entry = Entry::new(kind::PRE_FUND_DRAWN, "payout", payout.0).after(after.to_string());
    journal.record(ctx, entry, kind::PRE_FUND_DRAWN, told.clone());
    if left.0 < left.1 {
        journal.tell(ctx, kind::PRE_FUND_LOW, told);
    }
    Ok(())
}

/// Gives back what a payout has drawn and did not use, once.
pub(crate) async fn give_back(
    tx: &Tx,
    ctx: &Ctx,
    (set, journal): (&mut WriteSet, &mut Journal),
    product: ProductId,
    payout: PayoutId,
    quote: &Quote,
) -> Result<(), WriteError> {
    Sql::new(tx.conn().get_database_backend(), "UPDATE pre_funds SET ")
        .bind("balance_minor = balance_minor + ", quote.total)
        .bind(", version = version + 1, updated_at = ", ctx.now)
        .bind(" WHERE organization_id = ", ctx.organization().0)
        .bind(" AND product_id = ", product.0)
        .bind(" AND currency = ", quote.currency.code())
        .execute(tx.conn())
        .await?;
    set.insert(moves(ctx, &[(product, quote.currency, "returned", payout.0, quote.total)]));
    let left = left(tx, ctx, product, quote.currency).await?;
    let told = told("returned", 2, product, payout, quote, left);
    let after = serde_json::json!({ "returnedMinor": quote.total, "balanceMinor": left.0 });
    let entry = Entry::new(kind::PRE_FUND_RETURNED, "payout", payout.0).after(after.to_string());
    journal.record(ctx, entry, kind::PRE_FUND_RETURNED, told);
    Ok(())
}

/// The balance, and below which it counts as low.
async fn left(
    tx: &Tx,
    ctx: &Ctx,
    product: ProductId,
    currency: Currency,
) -> Result<(i64, i64), WriteError> {
    let sql = Sql::new(tx.conn().get_database_backend(), "")
        .bind(SELECT, ctx.organization().0)
        .bind(" AND product_id = ", product.0)
        .bind(" AND currency = ", currency.code());
    let row = sql.one::<Row, _>(tx.conn()).await?;
    Ok(row.map_or((0, 0), |row| (row.balance_minor, row.low_minor)))
}

fn told(
    status: &str,
    version: i64,
    product: ProductId,
    payout: PayoutId,
    quote: &Quote,
    (balance_minor, low_minor): (i64, i64),
) -> PreFundMove {
    PreFundMove {
        // A payout draws once: what it drew is named by it, and is not it.
        move_id: Uuid::from_u128(!payout.0.as_u128()),
        version,
        product_id: product.0,
        payout_id: payout.0,
        status: status.to_owned(),
        currency: quote.currency.code().to_owned(),
        value_minor: quote.value + quote.tip,
        platform_fee_minor: quote.platform_fee,
        balance_minor,
        low_minor,
    }
}
