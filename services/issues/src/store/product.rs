//! Products.

use chrono::{DateTime, Utc};
use quittance_chassis::db::{Column, Entry, Insert, Tx, Update, WriteSet};
use quittance_events::{ProductState, kind};
use quittance_kernel::{OrganizationId, ProductId};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Value};
use uuid::Uuid;

use super::sql::Sql;
use super::{After, StoreError};
use crate::domain::product::Product;

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    name: String,
    key: String,
    requires_verification: Option<bool>,
    platform_fee_bps: i64,
    capacity_points: i64,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Number {
    number: i64,
}

const SELECT: &str = "SELECT p.id, p.name, p.key, p.requires_verification, p.platform_fee_bps, \
    p.capacity_points, p.version, p.created_at, p.updated_at FROM products p WHERE p.organization_id = ";

impl Row {
    fn read(self) -> Result<Product, StoreError> {
        let column = "platform_fee_bps";
        let corrupt = StoreError::Corrupt { table: "products", id: self.id, column };
        Ok(Product {
            id: ProductId(self.id),
            name: self.name,
            key: self.key,
            requires_verification: self.requires_verification,
            platform_fee_bps: i32::try_from(self.platform_fee_bps).map_err(|_| corrupt)?,
            capacity_points: self.capacity_points,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

fn begin(backend: DbBackend, organization: OrganizationId) -> Sql {
    let mut sql = Sql::new(backend, "");
    sql.bind(SELECT, organization.0);
    sql
}

/// Finds a product.
pub(crate) async fn find<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    id: ProductId,
) -> Result<Option<Product>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization);
    sql.bind(" AND p.id = ", id.0);
    sql.one::<Row, C>(conn).await?.map(Row::read).transpose()
}

/// Reads a product to change it.
pub(crate) async fn load(tx: &Tx, id: ProductId) -> Result<Option<Product>, StoreError> {
    let conn = tx.conn();
    let mut sql = begin(conn.get_database_backend(), tx.ctx().organization());
    sql.bind(" AND p.id = ", id.0).lock("UPDATE", "p");
    sql.one::<Row, _>(conn).await?.map(Row::read).transpose()
}

/// Lists products by name.
pub(crate) async fn list<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    after: Option<After<String>>,
    limit: u32,
) -> Result<Vec<Product>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization);
    if let Some(After { key, id }) = after {
        sql.bind(" AND (p.name, p.id) > (", key).bind(", ", id).push(")");
    }
    sql.bind(" ORDER BY p.name, p.id LIMIT ", i64::from(limit));
    sql.all::<Row, C>(conn).await?.into_iter().map(Row::read).collect()
}

/// Takes the next issue number of a product. Numbers have no gaps but those of rolled back work.
pub(crate) async fn next_number(tx: &Tx, id: ProductId) -> Result<i64, StoreError> {
    let conn = tx.conn();
    let text = "UPDATE products SET next_number = next_number + 1 WHERE organization_id = ";
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(text, tx.ctx().organization().0)
        .bind(" AND id = ", id.0)
        .push(" RETURNING next_number - 1 AS number");
    let taken = sql.one::<Number, _>(conn).await?;
    taken.map(|taken| taken.number).ok_or(StoreError::Stale)
}

/// Saves a product that is new (`before` is none) or changed.
pub(crate) async fn save(
    tx: &mut Tx,
    before: Option<&Product>,
    product: Product,
) -> Result<Product, StoreError> {
    let version = before.map_or(0, |before| before.version);
    let saved = Product { version: version + 1, updated_at: tx.ctx().now, ..product };
    let gate: Value = saved.requires_verification.into();
    let fee = i64::from(saved.platform_fee_bps);
    let mut set = WriteSet::new();
    if before.is_some() {
        let update = Update::of("products", "id", vec![saved.id.0], vec![version])
            .set("name", Column::same_text(Some(&saved.name)))
            .set("requires_verification", Column::Same(gate, "boolean"))
            .set("platform_fee_bps", Column::same_i64(Some(fee)))
            .set("capacity_points", Column::same_i64(Some(saved.capacity_points)))
            .set("updated_at", Column::same_time(Some(saved.updated_at)));
        set.update(update);
    } else {
        let insert = Insert::into("products")
            .column("id", Column::same_uuid(Some(saved.id.0)))
            .column("organization_id", Column::same_uuid(Some(tx.ctx().organization().0)))
            .column("name", Column::same_text(Some(&saved.name)))
            .column("key", Column::same_text(Some(&saved.key)))
            .column("requires_verification", Column::Same(gate, "boolean"))
            .column("platform_fee_bps", Column::same_i64(Some(fee)))
            .column("capacity_points", Column::same_i64(Some(saved.capacity_points)))
            .column("next_number", Column::same_i64(Some(1)))
            .column("version", Column::same_i64(Some(saved.version)))
            .column("created_at", Column::same_time(Some(saved.created_at)))
            .column("updated_at", Column::same_time(Some(saved.updated_at)));
        set.insert(insert);
    }
    tx.write(set).await?;
    let entry = Entry::new(kind::PRODUCT_UPDATED, "product", saved.id.0);
    let entry = match before {
        Some(before) => entry.change(audited(before), audited(&saved)),
        None => entry.after(audited(&saved)),
    };
    let state = ProductState {
        product_id: saved.id.0,
        version: saved.version,
        name: saved.name.clone(),
        key: saved.key.clone(),
        requires_verification: saved.requires_verification,
        platform_fee_bps: saved.platform_fee_bps,
        capacity_points: saved.capacity_points,
    };
    tx.record(entry, kind::PRODUCT_UPDATED, state);
    Ok(saved)
}

fn audited(product: &Product) -> String {
    serde_json::json!({
        "name": product.name,
        "requiresVerification": product.requires_verification,
        "platformFeeBps": product.platform_fee_bps,
        "capacityPoints": product.capacity_points,
        "version": product.version,
    })
    .to_string()
}
