//! Payments of fixed bounties: rows, what is due, and what was heard.

mod write;

use std::collections::HashSet;

use quittance_chassis::db::{Column, Db, Insert, Tx, WriteError, WriteSet};
use quittance_kernel::{
    BountyId, Ctx, IssueId, MemberId, OrganizationId, PayoutId, ProductId, Timestamp,
};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;
use crate::domain::bounty_payment::{BountyPayment, Funding, Progress};

pub(crate) use write::{Start, drop_open, hold, let_go, make_payout, put, retry, start};

const TABLE: &str = "bounty_payments";

#[derive(FromQueryResult)]
struct Row {
    issue_id: Uuid,
    organization_id: Uuid,
    product_id: Uuid,
    bounty_id: Uuid,
    approved_by: Uuid,
    source_version: i64,
    payout_id: Option<Uuid>,
    progress: String,
    funding: String,
    quote_id: Option<Uuid>,
    reasons: String,
    next_at: Option<Timestamp>,
    tries: i64,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

const SELECT: &str = "SELECT issue_id, organization_id, product_id, bounty_id, approved_by, \
    source_version, payout_id, progress, funding, quote_id, reasons, next_at, tries, version, \
    created_at, updated_at FROM bounty_payments";

fn payment(row: &Row) -> Result<(OrganizationId, BountyPayment), StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: TABLE, id: row.issue_id, column };
    let funding = match row.funding.as_str() {
        "" => None,
        word => Some(Funding::read(word).ok_or(corrupt("funding"))?),
    };
    let words = row.reasons.split(',').filter(|word| !word.is_empty());
    let payment = BountyPayment {
        issue: IssueId(row.issue_id),
        product: ProductId(row.product_id),
        bounty: BountyId(row.bounty_id),
        approved_by: MemberId(row.approved_by),
        source_version: row.source_version,
        payout: row.payout_id.map(PayoutId),
        progress: Progress::read(&row.progress).ok_or(corrupt("progress"))?,
        funding,
        quote: row.quote_id,
        reasons: words.map(str::to_owned).collect(),
        next_at: row.next_at,
        tries: row.tries,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    Ok((OrganizationId(row.organization_id), payment))
}

fn only(row: Option<&Row>) -> Result<Option<BountyPayment>, StoreError> {
    Ok(row.map(payment).transpose()?.map(|(_, payment)| payment))
}

/// Payments of all organizations that are to be looked at, the one that has waited longest first.
pub(crate) async fn due(
    db: &Db,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(OrganizationId, BountyPayment)>, StoreError> {
    let sql = Sql::new(db.backend(), SELECT)
        .instant(" WHERE next_at IS NOT NULL AND next_at <= ", now)
        .bind(" ORDER BY next_at, issue_id LIMIT ", i64::from(limit));
    sql.all::<Row, _>(db.conn()).await?.iter().map(payment).collect()
}

fn of_organization<C: ConnectionTrait>(conn: &C, organization: OrganizationId) -> Sql {
    Sql::new(conn.get_database_backend(), SELECT).bind(" WHERE organization_id = ", organization.0)
}

/// Reads the payment of a submission.
pub(crate) async fn find<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    issue: IssueId,
) -> Result<Option<BountyPayment>, StoreError> {
    let sql = of_organization(conn, organization).bind(" AND issue_id = ", issue.0);
    only(sql.one(conn).await?.as_ref())
}

/// Reads the payment that a payout is of.
pub(crate) async fn of_payout<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    payout: PayoutId,
) -> Result<Option<BountyPayment>, StoreError> {
    let sql = of_organization(conn, organization).bind(" AND payout_id = ", payout.0);
    only(sql.one(conn).await?.as_ref())
}

/// Reads the payments of these payouts and locks them, in the order of their ids.
pub(crate) async fn lock_of<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    payouts: Vec<Uuid>,
) -> Result<Vec<BountyPayment>, StoreError> {
    let sql = of_organization(conn, organization)
        .one_of(" AND payout_id", payouts)
        .push(" ORDER BY issue_id")
        .for_update();
    let rows = sql.all::<Row, _>(conn).await?;
    rows.iter().map(|row| payment(row).map(|(_, payment)| payment)).collect()
}

/// Reads the payment of a submission and locks it.
pub(crate) async fn lock<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    issue: IssueId,
) -> Result<Option<BountyPayment>, StoreError> {
    let sql = of_organization(conn, organization).bind(" AND issue_id = ", issue.0).for_update();
    only(sql.one(conn).await?.as_ref())
}

/// Which of these payouts pay bounties: their money was taken before they were sent.
pub(crate) async fn among<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    payouts: Vec<Uuid>,
) -> Result<HashSet<PayoutId>, DbErr> {
    let text = "SELECT payout_id FROM bounty_payments WHERE organization_id = ";
    let sql = Sql::new(conn.get_database_backend(), "").bind(text, organization.0);
    let rows = sql.one_of(" AND payout_id", payouts).rows(conn).await?;
    rows.iter().map(|row| Ok(PayoutId(row.try_get_by_index(0)?))).collect()
}

/// An approval that was heard of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Approved {
    pub(crate) issue: IssueId,
    pub(crate) product: ProductId,
    pub(crate) bounty: BountyId,
    pub(crate) by: MemberId,
    pub(crate) version: i64,
}

/// Takes note of approvals, each issue once: they are looked at soon. What is under way or over
/// stays as it is; what was dropped is opened again by a newer approval.
pub(crate) fn open(ctx: &Ctx, set: &mut WriteSet, approved: &[Approved]) {
    let ids = |of: fn(&Approved) -> Uuid| Column::Uuid(approved.iter().map(of).collect());
    let (none, now) = (Column::same_text(Some("")), Column::same_time(Some(ctx.now)));
    set.insert(
        Insert::into(TABLE)
            .column("issue_id", ids(|one| one.issue.0))
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("product_id", ids(|one| one.product.0))
            .column("bounty_id", ids(|one| one.bounty.0))
            .column("approved_by", ids(|one| one.by.0))
            .column("source_version", Column::I64(approved.iter().map(|one| one.version).collect()))
            .column("progress", Column::same_text(Some(Progress::Open.as_str())))
            .column("funding", none.clone())
            .column("reasons", none)
            .column("next_at", now.clone())
            .column("tries", Column::same_i64(Some(0)))
            .column("version", Column::same_i64(Some(1)))
            .column("created_at", now.clone())
            .column("updated_at", now)
            .on_conflict(
                "ON CONFLICT (issue_id) DO UPDATE SET progress = 'open', \
                 payout_id = CASE WHEN bounty_payments.progress = 'dropped' THEN NULL \
                 ELSE bounty_payments.payout_id END, approved_by = excluded.approved_by, \
                 source_version = excluded.source_version, next_at = excluded.next_at, tries = 0, \
                 version = bounty_payments.version + 1, updated_at = excluded.updated_at \
                 WHERE bounty_payments.progress = 'open' OR (bounty_payments.progress = 'dropped' \
                 AND bounty_payments.source_version < excluded.source_version)",
            ),
    );
}

/// Has what waits looked at now, since something about these issues has changed.
pub(crate) async fn wake(tx: &Tx, now: Timestamp, issues: Vec<Uuid>) -> Result<(), WriteError> {
    if issues.is_empty() {
        return Ok(());
    }
    Sql::new(tx.conn().get_database_backend(), "UPDATE bounty_payments SET tries = 0")
        .bind(", next_at = ", now)
        .push(" WHERE progress = 'open'")
        .one_of(" AND issue_id", issues)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Has everything looked at now that waits for this payee.
pub(crate) async fn wake_payee(
    db: &Db,
    organization: OrganizationId,
    payee: MemberId,
    now: Timestamp,
) -> Result<u64, DbErr> {
    Sql::new(db.backend(), "UPDATE bounty_payments SET tries = 0")
        .bind(", next_at = ", now)
        .bind(" WHERE progress <> 'dropped' AND organization_id = ", organization.0)
        .bind(" AND payout_id IN (SELECT id FROM payouts WHERE organization_id = ", organization.0)
        .bind(" AND state IN ('approved', 'failed') AND payee_id = ", payee.0)
        .push(")")
        .execute(db.conn())
        .await
}

/// Has everything looked at now that waits for the payers of these products.
pub(crate) async fn wake_products(
    db: &Db,
    organization: OrganizationId,
    products: Vec<Uuid>,
    now: Timestamp,
) -> Result<u64, DbErr> {
    Sql::new(db.backend(), "UPDATE bounty_payments SET tries = 0")
        .bind(", next_at = ", now)
        .bind(" WHERE progress = 'open' AND organization_id = ", organization.0)
        .one_of(" AND product_id", products)
        .execute(db.conn())
        .await
}
