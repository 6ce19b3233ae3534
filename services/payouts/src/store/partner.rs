//! Payouts of partners on their way into the database, and their steps.

use quittance_chassis::db::{Column, Entry, Insert, Journal, Tx, WriteSet};
use quittance_events::{EarningState, PayoutState as PayoutTold, kind};
use quittance_kernel::{Ctx, OrganizationId, PayoutId, PayoutStatus};
use sea_orm::{ConnectionTrait, DbErr};
use serde::Serialize;
use uuid::Uuid;

use super::StoreError;
use super::lifecycle_read::hold_all;
use super::partner_read::{SELECT, full};
use super::sql::Sql;
use crate::domain::lifecycle::Held;
use crate::domain::partner::{NewPayout, PartnerError, PartnerPayout, Source, Step};
use crate::domain::payout::Payout;

/// What an audit row says of a payout.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recorded<'a> {
    status: &'static str,
    partner_id: Uuid,
    amount_minor: i64,
    currency: &'a str,
    period: &'a str,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reference: &'a str,
}

/// Rows of payouts that wait for approval, each with the earning that it covers.
pub(crate) fn create(ctx: &Ctx, set: &mut WriteSet, journal: &mut Journal, new: &[NewPayout]) {
    let ids = |of: fn(&NewPayout) -> Uuid| Column::Uuid(new.iter().map(of).collect());
    let text = |of: fn(&NewPayout) -> &str| {
        Column::Text(new.iter().map(|payout| of(payout).to_owned()).collect())
    };
    let amounts = || Column::I64(new.iter().map(|payout| payout.amount.minor()).collect());
    let currencies = || text(|payout| payout.amount.currency().code());
    let (organization, now) = (ctx.organization().0, ctx.now);
    let source = || text(|payout| payout.source.as_str());
    set.insert(
        Insert::into("payouts")
            .column("id", ids(|payout| payout.id.0))
            .column("organization_id", Column::same_uuid(Some(organization)))
            .column("payee_id", ids(|payout| payout.partner.0))
            .column("amount_minor", amounts())
            .column("currency", currencies())
            // Both are known once the money has moved.
            .column("method", Column::same_text(Some("")))
            .column("reference", Column::same_text(Some("")))
            .column("state", Column::same_text(Some("pending_approval")))
            .column("item_count", Column::same_i64(Some(1)))
            .column("created_by", Column::same_uuid(Some(ctx.member().0)))
            .column("source", source())
            .column("period", text(|payout| &payout.period))
            .column("notes", text(|payout| &payout.notes))
            .column("version", Column::same_i64(Some(1)))
            .column("created_at", Column::same_time(Some(now)))
            .column("updated_at", Column::same_time(Some(now))),
    );
    set.insert(
        Insert::into("earnings")
            .column("id", ids(|payout| payout.earning.0))
            .column("organization_id", Column::same_uuid(Some(organization)))
            .column("source_kind", source())
            .column("source_id", ids(|payout| payout.id.0))
            .column("cycle_id", Column::same_uuid(Some(Uuid::nil())))
            .column("payee_id", ids(|payout| payout.partner.0))
            .column("amount_minor", amounts())
            .column("currency", currencies())
            .column("status", Column::same_text(Some("pending")))
            .column("version", Column::same_i64(Some(1)))
            .column("source_version", Column::same_i64(Some(1)))
            .column("payout_id", ids(|payout| payout.id.0))
            .column("created_at", Column::same_time(Some(now)))
            .column("updated_at", Column::same_time(Some(now))),
    );
    set.insert(
        Insert::into("payout_items")
            .column("id", ids(|payout| payout.item.0))
            .column("organization_id", Column::same_uuid(Some(organization)))
            .column("payout_id", ids(|payout| payout.id.0))
            .column("earning_id", ids(|payout| payout.earning.0))
            .column("issue_id", Column::same_uuid(Some(Uuid::nil())))
            .column("amount_minor", amounts())
            .column("currency", currencies())
            .column("live", Column::Same(true.into(), "boolean")),
    );
    for payout in new {
        let created = payout.created(ctx.member(), now);
        let entry = Entry::new("payout.created", "payout", payout.id.0).after(json(&created));
        journal.record(ctx, entry, kind::PAYOUT_CREATED, told(&created));
    }
}

/// Notes how a partner is called now.
pub(crate) fn know(ctx: &Ctx, set: &mut WriteSet, partner: Uuid, name: &str) {
    set.insert(
        Insert::into("partners")
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("partner_id", Column::Uuid(vec![partner]))
            .column("name", Column::same_text(Some(name)))
            .column("created_at", Column::same_time(Some(ctx.now)))
            .on_conflict(
                "ON CONFLICT (organization_id, partner_id) DO UPDATE SET name = excluded.name",
            ),
    );
}

/// Reads payouts and locks them until the transaction ends, in the order of their ids.
pub(crate) async fn lock(
    tx: &Tx,
    organization: OrganizationId,
    ids: &[PayoutId],
) -> Result<Vec<PartnerPayout>, StoreError> {
    let conn = tx.conn();
    let backend = conn.get_database_backend();
    let sql = Sql::new(backend, "")
        .bind(SELECT, organization.0)
        .one_of(" AND p.id", ids.iter().map(|id| id.0).collect())
        .push(" ORDER BY p.id");
    // The directory of partners is not what changes.
    let postgres = backend == sea_orm::DbBackend::Postgres;
    let sql = if postgres { sql.push(" FOR UPDATE OF p") } else { sql };
    full(sql.all(conn).await?)
}

/// Takes a step with payouts that are locked; returns how many rows have taken it.
pub(crate) async fn take(
    tx: &mut Tx,
    step: &Step,
    moved: &[(PartnerPayout, PartnerPayout)],
) -> Result<u64, DbErr> {
    if moved.is_empty() {
        return Ok(0);
    }
    let (now, by, organization) = (tx.ctx().now, tx.ctx().member().0, tx.ctx().organization().0);
    let ids = || -> Vec<Uuid> { moved.iter().map(|(before, _)| before.payout.id.0).collect() };
    let conn = tx.conn();
    let new = |text: &str| Sql::new(conn.get_database_backend(), text);
    let sql = new("UPDATE payouts SET version = version + 1")
        .bind(", updated_at = ", now)
        .bind(", state = ", step.to().as_str());
    let sql = match step {
        Step::Approve => sql.bind(", approved_by = ", by).bind(", approved_at = ", now),
        Step::Reject { notes } => sql.bind(", rejection = ", notes.as_str()),
        Step::MarkPaid { method, reference } => sql
            .bind(", method = ", method.as_str())
            .bind(", reference = ", reference.as_str())
            .bind(", paid_at = ", now),
    };
    let changed = sql
        .bind(" WHERE organization_id = ", organization)
        // A second wall beside the lock.
        .bind(" AND source <> 'issue' AND state = ", step.from().as_str())
        .one_of(" AND id", ids())
        .execute(conn)
        .await?;
    let (status, payout) = match step {
        Step::Approve => ("approved", ""),
        Step::Reject { .. } => ("rejected", ", payout_id = NULL"),
        Step::MarkPaid { .. } => ("paid", ""),
    };
    let earnings = new("UPDATE earnings SET version = version + 1")
        .bind(", updated_at = ", now)
        .bind(", status = ", status)
        .push(payout);
    let earnings =
        if *step == Step::Approve { earnings.bind(", approved_at = ", now) } else { earnings };
    earnings
        .bind(" WHERE organization_id = ", organization)
        .one_of(" AND id IN (SELECT earning_id FROM payout_items WHERE live AND payout_id", ids())
        .push(")")
        .execute(conn)
        .await?;
    if let Step::Reject { .. } = step {
        release(conn, organization, now, &ids).await?;
    }
    if let Step::MarkPaid { .. } = step {
        tell_schedules(tx, moved).await?;
    }
    tell(tx, step, moved);
    Ok(changed)
}

/// Lets go of what rejected payouts covered, so that others may cover it.
pub(super) async fn release(
    conn: &impl ConnectionTrait,
    organization: Uuid,
    now: quittance_kernel::Timestamp,
    ids: &(impl Fn() -> Vec<Uuid> + Sync),
) -> Result<(), DbErr> {
    let new = |text: &str| Sql::new(conn.get_database_backend(), text);
    new("UPDATE payout_items SET live = FALSE")
        .bind(" WHERE organization_id = ", organization)
        .one_of(" AND payout_id", ids())
        .execute(conn)
        .await?;
    new("UPDATE commission_items SET live = FALSE")
        .bind(" WHERE organization_id = ", organization)
        .one_of(" AND payout_id", ids())
        .execute(conn)
        .await?;
    new("UPDATE commissions SET payout_id = NULL, version = version + 1")
        .bind(", updated_at = ", now)
        .bind(" WHERE organization_id = ", organization)
        .one_of(" AND payout_id", ids())
        .execute(conn)
        .await?;
    Ok(())
}

/// The earnings of schedules are told one by one, so that they reach balances.
async fn tell_schedules(
    tx: &mut Tx,
    moved: &[(PartnerPayout, PartnerPayout)],
) -> Result<(), DbErr> {
    let of = |(_, after): &&(PartnerPayout, PartnerPayout)| after.source == Source::Schedule;
    let paid: Vec<&PartnerPayout> = moved.iter().filter(of).map(|(_, after)| after).collect();
    if paid.is_empty() {
        return Ok(());
    }
    let ids = paid.iter().map(|after| after.payout.id.0).collect();
    let organization = tx.ctx().organization();
    let held = hold_all(tx.conn(), organization, ids).await.map_err(|error| match error {
        StoreError::Database(error) => error,
        error @ StoreError::Corrupt { .. } => DbErr::Custom(error.to_string()),
    })?;
    for after in paid {
        for item in held.get(&after.payout.id).into_iter().flatten().filter(|item| item.live) {
            let (entry, state) = earning_paid(&after.payout, item);
            tx.record(entry, kind::EARNING_PAID, state);
        }
    }
    Ok(())
}

/// Audit and event of an earning of a schedule that was paid; `item` has it as it is now.
fn earning_paid(payout: &Payout, item: &Held) -> (Entry, EarningState) {
    let state = EarningState {
        version: item.earning.version,
        amount_minor: item.amount.minor(),
        currency: item.amount.currency().code().to_owned(),
        status: PayoutStatus::Paid,
        payout_id: Some(payout.id.0),
        method: payout.method,
        reference: Some(payout.reference.clone()),
        paid_at: payout.paid_at,
        ..super::lifecycle::state(&item.earning)
    };
    let entry = Entry::new("earning.paid", "earning", item.earning.id.0)
        .change(r#"{"status":"approved"}"#, r#"{"status":"paid"}"#);
    (entry, state)
}

fn tell(tx: &mut Tx, step: &Step, moved: &[(PartnerPayout, PartnerPayout)]) {
    let (action, reason) = match step {
        Step::Approve => (kind::PAYOUT_APPROVED, None),
        Step::Reject { notes } => (kind::PAYOUT_REJECTED, Some(notes.clone())),
        Step::MarkPaid { .. } => (kind::PAYOUT_PAID, None),
    };
    for (before, after) in moved {
        let entry = Entry::new(action, "payout", after.payout.id.0)
            .change(json(before), json(after))
            .because(reason.clone());
        tx.record(entry, action, told(after));
    }
}

/// Leaves a trace of a denial (rule 16).
pub(crate) fn refused(tx: &mut Tx, id: PayoutId, step: &Step, reason: &PartnerError) {
    let after =
        format!("{{\"step\":\"{}\",\"reasons\":[\"{}\"]}}", step.to().as_str(), reason.reason());
    tx.note(Entry::new("payout.refused", "payout", id.0).after(after));
}

/// Audit and event of a payout that was made in this state.
pub(super) fn tell_new(ctx: &Ctx, journal: &mut Journal, new: &PartnerPayout, kind: &'static str) {
    let entry = Entry::new(kind, "payout", new.payout.id.0).after(json(new));
    journal.record(ctx, entry, kind, told(new));
}

pub(super) fn told(of: &PartnerPayout) -> PayoutTold {
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let payout = &of.payout;
    PayoutTold {
        payout_id: payout.id.0,
        version: payout.version,
        batch_id: payout.batch.map(|batch| batch.0),
        payee_id: payout.payee.0,
        amount_minor: payout.amount.minor(),
        currency: payout.amount.currency().code().to_owned(),
        method: payout.method,
        reference: payout.reference.clone(),
        status: payout.state.as_str().to_owned(),
        item_count: payout.item_count,
        paid_at: payout.paid_at,
        netted_minor: None,
        source: of.source.as_str().to_owned(),
        period: some(&of.period),
        notes: some(&of.notes),
        approved_by: of.approved_by.map(|member| member.0),
        reason: some(&of.rejection),
    }
}

/// Plain structs cannot fail to be written.
pub(super) fn json(of: &PartnerPayout) -> String {
    let payout = &of.payout;
    let recorded = Recorded {
        status: payout.state.as_str(),
        partner_id: payout.payee.0,
        amount_minor: payout.amount.minor(),
        currency: payout.amount.currency().code(),
        period: &of.period,
        source: of.source.as_str(),
        method: payout.method.map(quittance_kernel::Method::as_str),
        reference: &payout.reference,
    };
    serde_json::to_string(&recorded).unwrap_or_default()
}
