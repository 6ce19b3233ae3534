//! Who pays for a product.

use quittance_chassis::db::{Column, Entry, Insert, Journal, Update, WriteSet};
use quittance_kernel::{Ctx, MemberId, OrganizationId, ProductId, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;
use crate::domain::payer::Payer;

#[derive(FromQueryResult)]
struct Row {
    member_id: Uuid,
    customer_id: String,
    payment_method: String,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Reads who pays for a product, if somebody is named.
pub(crate) async fn find<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    product: ProductId,
) -> Result<Option<Payer>, StoreError> {
    let text = "SELECT member_id, customer_id, payment_method, version, created_at, updated_at \
                FROM payers WHERE organization_id = ";
    let sql = Sql::new(conn.get_database_backend(), "")
        .bind(text, organization.0)
        .bind(" AND product_id = ", product.0);
    let row = sql.one::<Row, _>(conn).await?;
    Ok(row.map(|row| Payer {
        product,
        member: MemberId(row.member_id),
        customer: row.customer_id,
        payment_method: row.payment_method,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }))
}

/// Rows and audit of a payer who is named; the ids of a provider are no secrets, and still only
/// their ends are noted.
pub(crate) fn set(
    ctx: &Ctx,
    service: &'static str,
    after: &Payer,
    before: Option<&Payer>,
) -> WriteSet {
    let mut set = WriteSet::new();
    let text = |value: &str| Column::same_text(Some(value));
    match before {
        None => set.insert(
            Insert::into("payers")
                .column("product_id", Column::Uuid(vec![after.product.0]))
                .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
                .column("member_id", Column::same_uuid(Some(after.member.0)))
                .column("customer_id", text(&after.customer))
                .column("payment_method", text(&after.payment_method))
                .column("version", Column::same_i64(Some(1)))
                .column("created_at", Column::same_time(Some(ctx.now)))
                .column("updated_at", Column::same_time(Some(ctx.now))),
        ),
        Some(before) => set.update(
            Update::of("payers", "product_id", vec![after.product.0], vec![before.version])
                .set("member_id", Column::same_uuid(Some(after.member.0)))
                .set("customer_id", text(&after.customer))
                .set("payment_method", text(&after.payment_method))
                .set("updated_at", Column::same_time(Some(ctx.now))),
        ),
    }
    let json = |of: &Payer| {
        serde_json::json!({ "memberId": of.member.0, "paymentMethod": of.masked() }).to_string()
    };
    let entry = Entry::new("payer.set", "product", after.product.0);
    let entry = match before {
        Some(before) => entry.change(json(before), json(after)),
        None => entry.after(json(after)),
    };
    let mut journal = Journal::new(service);
    journal.note(ctx, entry);
    journal.write_to(ctx, &mut set);
    set
}
