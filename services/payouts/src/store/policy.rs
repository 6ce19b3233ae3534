//! Policies that wait for a second admin.

use quittance_chassis::db::{Column, Db, Entry, Insert, Journal, Update, WriteSet};
use quittance_kernel::{Ctx, Currency, MemberId, OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use super::StoreError;
use super::sql::Sql;
use crate::domain::approval::{Proposal, Wanted};

const TABLE: &str = "policy_proposals";

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    currency: String,
    above_minor: i64,
    approvers: i64,
    based_on: i64,
    proposed_by: Uuid,
    version: i64,
    created_at: Timestamp,
}

/// Reads what is still open, by currency.
pub(crate) async fn open(
    db: &Db,
    organization: OrganizationId,
) -> Result<Vec<Proposal>, StoreError> {
    let text = "SELECT id, currency, above_minor, approvers, based_on, proposed_by, version, \
                created_at FROM policy_proposals WHERE state = 'open' AND organization_id = ";
    let sql = Sql::new(db.backend(), "").bind(text, organization.0).push(" ORDER BY currency");
    let read = |row: Row| {
        let corrupt = |column| StoreError::Corrupt { table: TABLE, id: row.id, column };
        let currency: Currency = row.currency.parse().map_err(|_| corrupt("currency"))?;
        let wanted = Wanted::new(currency, row.above_minor, row.approvers);
        Ok(Proposal {
            id: row.id,
            wanted: wanted.map_err(|_| corrupt("approvers"))?,
            based_on: row.based_on,
            proposed_by: MemberId(row.proposed_by),
            proposed_at: row.created_at,
            version: row.version,
        })
    };
    sql.all::<Row, _>(db.conn()).await?.into_iter().map(read).collect()
}

/// Closes what was proposed in this currency before.
pub(crate) async fn replace<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    currency: Currency,
    now: Timestamp,
) -> Result<(), DbErr> {
    let text =
        "UPDATE policy_proposals SET state = 'replaced', version = version + 1, updated_at = ";
    let sql = Sql::new(conn.get_database_backend(), "")
        .bind(text, now)
        .bind(" WHERE state = 'open' AND organization_id = ", organization.0)
        .bind(" AND currency = ", currency.code());
    sql.execute(conn).await?;
    Ok(())
}

/// Adds a proposal.
pub(crate) fn propose(ctx: &Ctx, service: &'static str, proposal: &Proposal) -> WriteSet {
    let number = |number| Column::same_i64(Some(number));
    let (wanted, at) = (&proposal.wanted, Column::same_time(Some(proposal.proposed_at)));
    let mut set = WriteSet::new();
    set.insert(
        Insert::into(TABLE)
            .column("id", Column::Uuid(vec![proposal.id]))
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("currency", Column::same_text(Some(wanted.currency.code())))
            .column("above_minor", number(wanted.above_minor))
            .column("approvers", number(wanted.approvers))
            .column("based_on", number(proposal.based_on))
            .column("state", Column::same_text(Some("open")))
            .column("proposed_by", Column::same_uuid(Some(proposal.proposed_by.0)))
            .column("version", number(proposal.version))
            .column("created_at", at.clone())
            .column("updated_at", at),
    );
    note(ctx, service, &mut set, "payout_policy.proposed", proposal);
    set
}

/// Closes a proposal that is confirmed, if it is still open and as it was read.
pub(crate) fn confirm(ctx: &Ctx, service: &'static str, proposal: &Proposal) -> WriteSet {
    let mut set = WriteSet::new();
    set.update(
        Update::of(TABLE, "id", vec![proposal.id], vec![proposal.version])
            .set("state", Column::same_text(Some("confirmed")))
            .set("updated_at", Column::same_time(Some(ctx.now)))
            .only_where("t.state = 'open'"),
    );
    note(ctx, service, &mut set, "payout_policy.confirmed", proposal);
    set
}

fn note(
    ctx: &Ctx,
    service: &'static str,
    set: &mut WriteSet,
    action: &'static str,
    proposal: &Proposal,
) {
    let wanted = &proposal.wanted;
    let after = serde_json::json!({
        "currency": wanted.currency.code(),
        "aboveMinor": wanted.above_minor,
        "approvers": wanted.approvers,
        "proposedBy": proposal.proposed_by,
    });
    let mut journal = Journal::new(service);
    let entry = Entry::new(action, "policy_proposal", proposal.id).after(after.to_string());
    journal.note(ctx, entry);
    journal.write_to(ctx, set);
}
