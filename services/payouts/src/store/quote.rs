//! Quotes: what was shown is kept as it was.

use quittance_chassis::db::{Column, Db, Entry, Insert, Journal, WriteSet};
use quittance_kernel::{Ctx, Currency, IssueId, OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;
use crate::domain::quote::{Quote, Terms};

/// A quote that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: Uuid,
    pub(crate) issue: IssueId,
    pub(crate) quote: Quote,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    issue_id: Uuid,
    currency: String,
    value_minor: i64,
    tip_minor: i64,
    platform_fee_minor: i64,
    processor_fee_minor: i64,
    rounding_minor: i64,
    total_minor: i64,
    version: i64,
    created_at: Timestamp,
}

impl Stored {
    pub(crate) fn new(terms: &Terms, (quote, version): (Quote, i64), now: Timestamp) -> Self {
        let (id, issue) = (Uuid::now_v7(), terms.issue);
        Self { id, issue, quote, version, created_at: now }
    }
}

const SELECT: &str = "SELECT id, issue_id, currency, value_minor, tip_minor, platform_fee_minor, \
    processor_fee_minor, rounding_minor, total_minor, version, created_at FROM quotes \
    WHERE organization_id = ";

/// Finds the quote of these terms by one version of the arithmetic.
pub(crate) async fn find(
    db: &Db,
    organization: OrganizationId,
    terms: &Terms,
    version: i64,
) -> Result<Option<Stored>, StoreError> {
    let sql = Sql::new(db.backend(), "")
        .bind(SELECT, organization.0)
        .bind(" AND issue_id = ", terms.issue.0)
        .bind(" AND version = ", version)
        .bind(" AND currency = ", terms.value.currency().code())
        .bind(" AND value_minor = ", terms.value.minor())
        .bind(" AND tip_minor = ", terms.tip)
        .bind(" AND fee_bps = ", i64::from(terms.fee_bps));
    sql.one::<Row, _>(db.conn()).await?.as_ref().map(stored).transpose()
}

/// Reads one quote.
pub(crate) async fn get<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<Stored>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), "").bind(SELECT, organization.0);
    sql.bind(" AND id = ", id).one::<Row, _>(conn).await?.as_ref().map(stored).transpose()
}

fn stored(row: &Row) -> Result<Stored, StoreError> {
    let corrupt = |_| StoreError::Corrupt { table: "quotes", id: row.id, column: "currency" };
    let currency: Currency = row.currency.parse().map_err(corrupt)?;
    Ok(Stored {
        id: row.id,
        issue: IssueId(row.issue_id),
        quote: Quote {
            currency,
            value: row.value_minor,
            tip: row.tip_minor,
            platform_fee: row.platform_fee_minor,
            processor_fee: row.processor_fee_minor,
            rounding: row.rounding_minor,
            total: row.total_minor,
        },
        version: row.version,
        created_at: row.created_at,
    })
}

/// Row and audit of a quote.
pub(crate) fn insert(
    ctx: &Ctx,
    set: &mut WriteSet,
    journal: &mut Journal,
    terms: &Terms,
    stored: &Stored,
) {
    let quote = &stored.quote;
    let number = |value: i64| Column::same_i64(Some(value));
    set.insert(
        Insert::into("quotes")
            .column("id", Column::Uuid(vec![stored.id]))
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("issue_id", Column::same_uuid(Some(stored.issue.0)))
            .column("version", number(stored.version))
            .column("currency", Column::same_text(Some(quote.currency.code())))
            .column("value_minor", number(quote.value))
            .column("tip_minor", number(quote.tip))
            .column("fee_bps", number(i64::from(terms.fee_bps)))
            .column("platform_fee_minor", number(quote.platform_fee))
            .column("processor_fee_minor", number(quote.processor_fee))
            .column("rounding_minor", number(quote.rounding))
            .column("total_minor", number(quote.total))
            .column("created_at", Column::same_time(Some(stored.created_at))),
    );
    let after = serde_json::json!({
        "quoteId": stored.id,
        "totalMinor": quote.total,
        "currency": quote.currency.code(),
        "version": stored.version,
    });
    let entry = Entry::new("quote.made", "issue", stored.issue.0);
    journal.note(ctx, entry.after(after.to_string()));
}
