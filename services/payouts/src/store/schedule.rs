//! Schedules: rows, their reading, audit and events.

use quittance_chassis::db::{Column, Db, Entry, Insert, Journal, Update, WriteSet};
use quittance_events::{ScheduleState as Told, kind};
use quittance_kernel::{Ctx, MemberId, OrganizationId, PayoutId, Timestamp};
use sea_orm::{ConnectionTrait, QueryResult};
use serde::Serialize;
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, money};
use crate::domain::schedule::{Schedule, ScheduleState};

pub(super) const TABLE: &str = "payout_schedules";

pub(super) const SELECT: &str = "SELECT id, organization_id, placement_id, payee_id, amount_minor, \
    currency, method, reference, scheduled_at, guarantee_completion_date, status, payout_id, \
    processed_at, failure_reason, retry_count, last_retry_at, next_attempt_at, waiting_for, \
    created_by, version, created_at, updated_at, notes, hold_id FROM payout_schedules";

/// Which schedules are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) placement: Option<Uuid>,
    pub(crate) payee: Option<MemberId>,
    pub(crate) state: Option<ScheduleState>,
    /// Those that are due before then; the instant itself is excluded.
    pub(crate) due_before: Option<Timestamp>,
}

/// By position: looking columns up by name costs more when there are thousands of rows.
pub(super) fn read(row: &QueryResult) -> Result<Schedule, StoreError> {
    let id: Uuid = row.try_get_by_index(0)?;
    let corrupt = |column| StoreError::Corrupt { table: TABLE, id, column };
    let currency: String = row.try_get_by_index(5)?;
    let method: String = row.try_get_by_index(6)?;
    let state: String = row.try_get_by_index(10)?;
    let state = ScheduleState::ALL.iter().copied().find(|known| known.as_str() == state);
    let payout: Option<Uuid> = row.try_get_by_index(11)?;
    Ok(Schedule {
        id,
        organization: OrganizationId(row.try_get_by_index(1)?),
        placement: row.try_get_by_index(2)?,
        payee: MemberId(row.try_get_by_index(3)?),
        amount: money(TABLE, id, row.try_get_by_index(4)?, &currency)?,
        method: method.parse().map_err(|_| corrupt("method"))?,
        reference: row.try_get_by_index(7)?,
        scheduled_at: row.try_get_by_index(8)?,
        guarantee_at: row.try_get_by_index(9)?,
        state: state.ok_or(corrupt("status"))?,
        payout: payout.map(PayoutId),
        processed_at: row.try_get_by_index(12)?,
        failure: row.try_get_by_index(13)?,
        retries: row.try_get_by_index(14)?,
        last_retry_at: row.try_get_by_index(15)?,
        next_attempt_at: row.try_get_by_index(16)?,
        waiting_for: row.try_get_by_index(17)?,
        created_by: MemberId(row.try_get_by_index(18)?),
        version: row.try_get_by_index(19)?,
        created_at: row.try_get_by_index(20)?,
        updated_at: row.try_get_by_index(21)?,
        notes: row.try_get_by_index(22)?,
        hold: row.try_get_by_index(23)?,
    })
}

pub(super) async fn all<C: ConnectionTrait>(
    sql: Sql,
    conn: &C,
) -> Result<Vec<Schedule>, StoreError> {
    sql.rows(conn).await?.iter().map(read).collect()
}

/// Reads one schedule.
pub(crate) async fn find<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<Schedule>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), SELECT)
        .bind(" WHERE organization_id = ", organization.0)
        .bind(" AND id = ", id);
    Ok(all(sql, conn).await?.pop())
}

/// Reads schedules and locks them until the transaction ends, in the order of their ids.
pub(crate) async fn lock<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    ids: Vec<Uuid>,
) -> Result<Vec<Schedule>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), SELECT)
        .bind(" WHERE organization_id = ", organization.0)
        .one_of(" AND id", ids)
        .push(" ORDER BY id")
        .for_update();
    all(sql, conn).await
}

/// Reads schedules, the newest first: at most `limit`, those before `before`.
pub(crate) async fn list(
    db: &Db,
    organization: OrganizationId,
    filter: Filter,
    before: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Schedule>, StoreError> {
    let sql = Sql::new(db.backend(), SELECT)
        .bind(" WHERE organization_id = ", organization.0)
        .bind_some(" AND placement_id = ", filter.placement)
        .bind_some(" AND payee_id = ", filter.payee.map(|payee| payee.0))
        .bind_some(" AND status = ", filter.state.map(ScheduleState::as_str))
        .bind_some(" AND next_attempt_at < ", filter.due_before)
        .bind_some(" AND id < ", before)
        .bind(" ORDER BY id DESC LIMIT ", i64::from(limit));
    all(sql, db.conn()).await
}

/// Rows, audit and event of a new schedule.
pub(crate) fn create(ctx: &Ctx, set: &mut WriteSet, journal: &mut Journal, new: &Schedule) {
    insert(set, std::slice::from_ref(new));
    tell(ctx, journal, None, new, kind::SCHEDULE_CREATED, None);
}

/// Rows of new schedules, of whatever organizations.
pub(super) fn insert(set: &mut WriteSet, new: &[Schedule]) {
    set.insert(
        Insert::into(TABLE)
            .column("id", ids(new, |one| one.id))
            .column("organization_id", ids(new, |one| one.organization.0))
            .column("placement_id", ids(new, |one| one.placement))
            .column("payee_id", ids(new, |one| one.payee.0))
            .column("amount_minor", Column::I64(new.iter().map(|one| one.amount.minor()).collect()))
            .column("currency", text(new, |one| one.amount.currency().code()))
            .column("method", text(new, |one| one.method.as_str()))
            .column("reference", text(new, |one| &one.reference))
            .column("notes", text(new, |one| &one.notes))
            .column("hold_id", Column::OptUuid(new.iter().map(|one| one.hold).collect()))
            .column("scheduled_at", Column::Time(new.iter().map(|one| one.scheduled_at).collect()))
            .column(
                "guarantee_completion_date",
                Column::OptTime(new.iter().map(|one| one.guarantee_at).collect()),
            )
            .column("status", text(new, |one| one.state.as_str()))
            .column("failure_reason", Column::same_text(Some("")))
            .column("retry_count", Column::same_i64(Some(0)))
            .column(
                "next_attempt_at",
                Column::Time(new.iter().map(|one| one.next_attempt_at).collect()),
            )
            .column("waiting_for", Column::same_text(Some("")))
            .column("created_by", ids(new, |one| one.created_by.0))
            .column("version", Column::same_i64(Some(1)))
            .column("created_at", Column::Time(new.iter().map(|one| one.created_at).collect()))
            .column("updated_at", Column::Time(new.iter().map(|one| one.updated_at).collect())),
    );
}

fn ids(of: &[Schedule], id: fn(&Schedule) -> Uuid) -> Column {
    Column::Uuid(of.iter().map(id).collect())
}

fn text(of: &[Schedule], part: fn(&Schedule) -> &str) -> Column {
    Column::Text(of.iter().map(|one| part(one).to_owned()).collect())
}

/// Rows, audit and event of one that was changed by hand.
pub(crate) fn change(
    ctx: &Ctx,
    set: &mut WriteSet,
    journal: &mut Journal,
    (before, after): (&Schedule, &Schedule),
    kind: &'static str,
    reason: Option<&str>,
) {
    let update = Update::of(TABLE, "id", vec![after.id], vec![before.version])
        .set("payee_id", Column::same_uuid(Some(after.payee.0)))
        .set("amount_minor", Column::same_i64(Some(after.amount.minor())))
        .set("currency", Column::same_text(Some(after.amount.currency().code())))
        .set("method", Column::same_text(Some(after.method.as_str())))
        .set("reference", Column::same_text(Some(&after.reference)))
        .set("notes", Column::same_text(Some(&after.notes)))
        .set("scheduled_at", Column::same_time(Some(after.scheduled_at)))
        .set("guarantee_completion_date", Column::same_time(after.guarantee_at))
        .set("status", Column::same_text(Some(after.state.as_str())))
        .set("retry_count", Column::same_i64(Some(after.retries)))
        .set("next_attempt_at", Column::same_time(Some(after.next_attempt_at)))
        .set("waiting_for", Column::same_text(Some(&after.waiting_for)))
        .set("updated_at", Column::same_time(Some(after.updated_at)));
    set.update(update);
    tell(ctx, journal, Some(before), after, kind, reason);
}

/// What a job or a provider changes of schedules, all at once. They are one version on.
pub(super) fn advance(after: &[&Schedule]) -> Update {
    let ids = after.iter().map(|one| one.id).collect();
    let versions = after.iter().map(|one| one.version - 1).collect();
    let text = |of: fn(&Schedule) -> &str| {
        Column::Text(after.iter().map(|one| of(one).to_owned()).collect())
    };
    let optional = |of: fn(&Schedule) -> Option<Timestamp>| {
        Column::OptTime(after.iter().map(|one| of(one)).collect())
    };
    let times =
        |of: fn(&Schedule) -> Timestamp| Column::Time(after.iter().map(|one| of(one)).collect());
    let payouts = after.iter().map(|one| one.payout.map(|payout| payout.0)).collect();
    Update::of(TABLE, "id", ids, versions)
        .set("status", text(|one| one.state.as_str()))
        .set("payout_id", Column::OptUuid(payouts))
        .set("processed_at", optional(|one| one.processed_at))
        .set("failure_reason", text(|one| &one.failure))
        .set("retry_count", Column::I64(after.iter().map(|one| one.retries).collect()))
        .set("last_retry_at", optional(|one| one.last_retry_at))
        .set("next_attempt_at", times(|one| one.next_attempt_at))
        .set("waiting_for", text(|one| &one.waiting_for))
        .set("updated_at", times(|one| one.updated_at))
}

/// What an audit row says of a schedule.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recorded<'a> {
    status: &'static str,
    placement_id: Uuid,
    payee_id: Uuid,
    amount_minor: i64,
    currency: &'a str,
    method: &'static str,
    scheduled_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    guarantee_completion_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payout_id: Option<Uuid>,
    retry_count: i64,
    next_attempt_at: Timestamp,
    #[serde(skip_serializing_if = "str::is_empty")]
    waiting_for: &'a str,
}

/// Plain structs cannot fail to be written.
fn json(of: &Schedule) -> String {
    let recorded = Recorded {
        status: of.state.as_str(),
        placement_id: of.placement,
        payee_id: of.payee.0,
        amount_minor: of.amount.minor(),
        currency: of.amount.currency().code(),
        method: of.method.as_str(),
        scheduled_at: of.scheduled_at,
        guarantee_completion_date: of.guarantee_at,
        payout_id: of.payout.map(|payout| payout.0),
        retry_count: of.retries,
        next_attempt_at: of.next_attempt_at,
        waiting_for: &of.waiting_for,
    };
    serde_json::to_string(&recorded).unwrap_or_default()
}

fn entry(
    action: &'static str,
    before: Option<&Schedule>,
    after: &Schedule,
    reason: Option<&str>,
) -> Entry {
    let mut entry = Entry::new(action, "payout_schedule", after.id).after(json(after));
    entry.before = before.map(json);
    entry.because(reason.map(str::to_owned))
}

/// Audit and event of a transition (S2-33, S2-55).
pub(super) fn tell(
    ctx: &Ctx,
    journal: &mut Journal,
    before: Option<&Schedule>,
    after: &Schedule,
    kind: &'static str,
    reason: Option<&str>,
) {
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let state = Told {
        schedule_id: after.id,
        version: after.version,
        placement_id: after.placement,
        payee_id: after.payee.0,
        amount_minor: after.amount.minor(),
        currency: after.amount.currency().code().to_owned(),
        method: after.method,
        reference: after.reference.clone(),
        status: after.state.as_str().to_owned(),
        scheduled_at: after.scheduled_at,
        guarantee_completion_date: after.guarantee_at,
        payout_id: after.payout.map(|payout| payout.0),
        processed_at: after.processed_at,
        failure_reason: some(&after.failure),
        retry_count: after.retries,
        last_retry_at: after.last_retry_at,
        next_attempt_at: after.next_attempt_at,
        hold_id: after.hold,
    };
    journal.record(ctx, entry(kind, before, after, reason), kind, state);
}

/// Audit of what is no transition: it waits, or waits no longer.
pub(super) fn note(
    ctx: &Ctx,
    journal: &mut Journal,
    (before, after): (&Schedule, &Schedule),
    action: &'static str,
    reason: Option<&str>,
) {
    journal.note(ctx, entry(action, Some(before), after, reason));
}
