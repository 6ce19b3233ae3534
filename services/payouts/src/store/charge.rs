//! Charges: rows, what is due, and writing down that a provider is about to be called.

use std::collections::HashMap;

use quittance_chassis::db::{Column, Db, Entry, Insert, Journal, Update, WriteSet};
use quittance_kernel::{Ctx, MemberId, OrganizationId, ProductId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;
use crate::domain::charge::{ChargeAttempt, ChargeState, Purpose};
use crate::domain::quote::Quote;

const TABLE: &str = "charges";

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    purpose: String,
    subject_id: Uuid,
    product_id: Uuid,
    payer_id: Uuid,
    number: i64,
    state: String,
    customer_id: String,
    payment_method: String,
    currency: String,
    value_minor: i64,
    tip_minor: i64,
    platform_fee_minor: i64,
    processor_fee_minor: i64,
    rounding_minor: i64,
    total_minor: i64,
    reference: String,
    code: String,
    asked: i64,
    refunded_minor: i64,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

const SELECT: &str = "SELECT id, organization_id, purpose, subject_id, product_id, payer_id, \
    number, state, customer_id, payment_method, currency, value_minor, tip_minor, \
    platform_fee_minor, processor_fee_minor, rounding_minor, total_minor, reference, code, asked, \
    refunded_minor, version, created_at, updated_at FROM charges";

/// What a provider is to be told or asked about.
const DUE: &str = " state IN ('created', 'submitted', 'needs_action', 'unknown', 'refunding') \
    AND next_at <= ";

fn charge(row: Row) -> Result<ChargeAttempt, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: TABLE, id: row.id, column };
    Ok(ChargeAttempt {
        id: row.id,
        organization: OrganizationId(row.organization_id),
        purpose: Purpose::read(&row.purpose).ok_or(corrupt("purpose"))?,
        subject: row.subject_id,
        product: ProductId(row.product_id),
        payer: MemberId(row.payer_id),
        number: row.number,
        state: ChargeState::read(&row.state).ok_or(corrupt("state"))?,
        customer: row.customer_id,
        payment_method: row.payment_method,
        quote: Quote {
            currency: row.currency.parse().map_err(|_| corrupt("currency"))?,
            value: row.value_minor,
            tip: row.tip_minor,
            platform_fee: row.platform_fee_minor,
            processor_fee: row.processor_fee_minor,
            rounding: row.rounding_minor,
            total: row.total_minor,
        },
        reference: row.reference,
        code: row.code,
        asked: row.asked,
        refunded: row.refunded_minor,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// The charges of one organization that are due, the one that has waited longest first.
pub(crate) async fn due(
    db: &Db,
    now: Timestamp,
    limit: u32,
) -> Result<Option<(OrganizationId, Vec<ChargeAttempt>)>, StoreError> {
    let first = Sql::new(db.backend(), "SELECT organization_id FROM charges WHERE")
        .bind(DUE, now)
        .push(" ORDER BY next_at, id LIMIT 1");
    let rows = first.rows(db.conn()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let organization = OrganizationId(row.try_get_by_index(0)?);
    let rows = Sql::new(db.backend(), SELECT)
        .bind(" WHERE organization_id = ", organization.0)
        .push(" AND")
        .bind(DUE, now)
        .bind(" ORDER BY next_at, id LIMIT ", i64::from(limit))
        .all::<Row, _>(db.conn())
        .await?;
    let charges: Result<Vec<_>, StoreError> = rows.into_iter().map(charge).collect();
    Ok(Some((organization, charges?)))
}

/// All charges of one subject, the newest first.
pub(crate) async fn of_subject<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    subject: Uuid,
) -> Result<Vec<ChargeAttempt>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), SELECT)
        .bind(" WHERE organization_id = ", organization.0)
        .bind(" AND subject_id = ", subject)
        .push(" ORDER BY number DESC");
    sql.all::<Row, _>(conn).await?.into_iter().map(charge).collect()
}

/// What providers call the charges that pay for these payouts.
pub(crate) async fn references<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    payouts: Vec<Uuid>,
) -> Result<HashMap<Uuid, String>, DbErr> {
    let text = "SELECT subject_id, reference FROM charges WHERE state = 'succeeded' \
                AND organization_id = ";
    let sql = Sql::new(conn.get_database_backend(), "").bind(text, organization.0);
    let rows = sql.one_of(" AND subject_id", payouts).rows(conn).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
}

/// Adds charges that are about to be made, and notes them.
pub(crate) fn insert_charges(
    ctx: &Ctx,
    set: &mut WriteSet,
    journal: &mut Journal,
    charges: &[ChargeAttempt],
) {
    let ids = |of: fn(&ChargeAttempt) -> Uuid| Column::Uuid(charges.iter().map(of).collect());
    let number = |of: fn(&ChargeAttempt) -> i64| Column::I64(charges.iter().map(of).collect());
    let text = |of: fn(&ChargeAttempt) -> &str| {
        Column::Text(charges.iter().map(|one| of(one).to_owned()).collect())
    };
    let none = Column::same_text(Some(""));
    let zero = Column::same_i64(Some(0));
    let at = Column::Time(charges.iter().map(|charge| charge.created_at).collect());
    set.insert(
        Insert::into(TABLE)
            .column("id", ids(|charge| charge.id))
            .column("organization_id", ids(|charge| charge.organization.0))
            .column("purpose", text(|charge| charge.purpose.as_str()))
            .column("subject_id", ids(|charge| charge.subject))
            .column("product_id", ids(|charge| charge.product.0))
            .column("payer_id", ids(|charge| charge.payer.0))
            .column("number", number(|charge| charge.number))
            .column("state", Column::same_text(Some(ChargeState::Created.as_str())))
            .column("customer_id", text(|charge| &charge.customer))
            .column("payment_method", text(|charge| &charge.payment_method))
            .column("currency", text(|charge| charge.quote.currency.code()))
            .column("value_minor", number(|charge| charge.quote.value))
            .column("tip_minor", number(|charge| charge.quote.tip))
            .column("platform_fee_minor", number(|charge| charge.quote.platform_fee))
            .column("processor_fee_minor", number(|charge| charge.quote.processor_fee))
            .column("rounding_minor", number(|charge| charge.quote.rounding))
            .column("total_minor", number(|charge| charge.quote.total))
            .column("reference", none.clone())
            .column("code", none)
            .column("asked", zero.clone())
            .column("refunded_minor", zero)
            .column("next_at", at.clone())
            .column("version", Column::same_i64(Some(1)))
            .column("created_at", at.clone())
            .column("updated_at", at),
    );
    for charge in charges {
        let after = serde_json::json!({
            "status": ChargeState::Created.as_str(),
            "purpose": charge.purpose.as_str(),
            "subjectId": charge.subject,
            "number": charge.number,
            "amountMinor": charge.quote.total,
            "currency": charge.quote.currency.code(),
        });
        let entry = Entry::new("charge.created", "charge", charge.id).after(after.to_string());
        journal.note(ctx, entry);
    }
}

/// Writes down that these are about to be called; they stay due until their outcome is written.
pub(crate) fn submit(ctx: &Ctx, service: &'static str, charges: &[&ChargeAttempt]) -> WriteSet {
    let mut set = WriteSet::new();
    let ids = charges.iter().map(|charge| charge.id).collect();
    let versions = charges.iter().map(|charge| charge.version).collect();
    set.update(
        Update::of(TABLE, "id", ids, versions)
            .set("state", Column::same_text(Some(ChargeState::Submitted.as_str())))
            .set("updated_at", Column::same_time(Some(ctx.now)))
            .only_where("t.state = 'created'"),
    );
    let mut journal = Journal::new(service);
    for charge in charges {
        let after = serde_json::json!({ "status": ChargeState::Submitted.as_str() });
        let entry = Entry::new("charge.submitted", "charge", charge.id);
        journal.note(ctx, entry.change(r#"{"status":"created"}"#, after.to_string()));
    }
    journal.write_to(ctx, &mut set);
    set
}
