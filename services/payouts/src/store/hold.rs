//! Escrow holds: rows, their reading, audit and events.

use quittance_chassis::db::{Column, Db, Entry, Insert, Journal, Update, WriteSet};
use quittance_events::{HoldState as Told, kind};
use quittance_kernel::{Ctx, MemberId, Method, Money, OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait, QueryResult};
use serde::Serialize;
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, money};
use crate::domain::hold::{Ended, Hold, HoldState};

const TABLE: &str = "escrow_holds";

const SELECT: &str = "SELECT id, organization_id, placement_id, schedule_id, amount_minor, currency, \
    reason, release_at, status, parent_id, ended_at, ended_by, end_reason, created_by, version, \
    created_at, updated_at, payee_id, method FROM escrow_holds";

/// Which holds are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) placement: Option<Uuid>,
    pub(crate) schedule: Option<Uuid>,
    pub(crate) state: Option<HoldState>,
}

fn read(row: &QueryResult) -> Result<Hold, StoreError> {
    let id: Uuid = row.try_get_by_index(0)?;
    let currency: String = row.try_get_by_index(5)?;
    let state: String = row.try_get_by_index(8)?;
    let state = HoldState::ALL.iter().copied().find(|known| known.as_str() == state);
    let (at, by): (Option<Timestamp>, Option<Uuid>) =
        (row.try_get_by_index(10)?, row.try_get_by_index(11)?);
    let why: String = row.try_get_by_index(12)?;
    Ok(Hold {
        id,
        organization: OrganizationId(row.try_get_by_index(1)?),
        placement: row.try_get_by_index(2)?,
        schedule: row.try_get_by_index(3)?,
        amount: money(TABLE, id, row.try_get_by_index(4)?, &currency)?,
        reason: row.try_get_by_index(6)?,
        release_at: row.try_get_by_index(7)?,
        state: state.ok_or(StoreError::Corrupt { table: TABLE, id, column: "status" })?,
        parent: row.try_get_by_index(9)?,
        ended: at.map(|at| Ended { at, by: MemberId(by.unwrap_or_default()), why }),
        created_by: MemberId(row.try_get_by_index(13)?),
        version: row.try_get_by_index(14)?,
        created_at: row.try_get_by_index(15)?,
        updated_at: row.try_get_by_index(16)?,
        payee: MemberId(row.try_get_by_index(17)?),
        method: method(id, &row.try_get_by_index::<String>(18)?)?,
    })
}

/// Empty: it is not paid when it is released.
fn method(id: Uuid, word: &str) -> Result<Option<Method>, StoreError> {
    if word.is_empty() {
        return Ok(None);
    }
    let corrupt = StoreError::Corrupt { table: TABLE, id, column: "method" };
    word.parse().map(Some).map_err(|_| corrupt)
}

async fn all<C: ConnectionTrait>(sql: Sql, conn: &C) -> Result<Vec<Hold>, StoreError> {
    sql.rows(conn).await?.iter().map(read).collect()
}

/// Reads one hold.
pub(crate) async fn find(
    db: &Db,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<Hold>, StoreError> {
    let sql = Sql::new(db.backend(), SELECT)
        .bind(" WHERE organization_id = ", organization.0)
        .bind(" AND id = ", id);
    Ok(all(sql, db.conn()).await?.pop())
}

/// Reads one hold and locks it until the transaction ends.
pub(crate) async fn lock<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<Hold>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), SELECT)
        .bind(" WHERE organization_id = ", organization.0)
        .bind(" AND id = ", id)
        .for_update();
    Ok(all(sql, conn).await?.pop())
}

/// Reads holds, the newest first: at most `limit`, those before `before`.
pub(crate) async fn list(
    db: &Db,
    organization: OrganizationId,
    filter: Filter,
    before: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Hold>, StoreError> {
    let sql = Sql::new(db.backend(), SELECT)
        .bind(" WHERE organization_id = ", organization.0)
        .bind_some(" AND placement_id = ", filter.placement)
        .bind_some(" AND schedule_id = ", filter.schedule)
        .bind_some(" AND status = ", filter.state.map(HoldState::as_str))
        .bind_some(" AND id < ", before)
        .bind(" ORDER BY id DESC LIMIT ", i64::from(limit));
    all(sql, db.conn()).await
}

/// What was held of a placement, in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) active: Money,
    pub(crate) released: i64,
    pub(crate) cancelled: i64,
    pub(crate) active_count: i64,
}

/// Sums up the holds of a placement by currency (S2-22, S2-26).
pub(crate) async fn total(
    db: &Db,
    organization: OrganizationId,
    placement: Uuid,
) -> Result<Vec<Total>, StoreError> {
    // A sum of `bigint` is a `numeric` on PostgreSQL.
    let text = "SELECT currency, \
        CAST(SUM(CASE WHEN status = 'active' THEN amount_minor ELSE 0 END) AS BIGINT), \
        CAST(SUM(CASE WHEN status = 'released' THEN amount_minor ELSE 0 END) AS BIGINT), \
        CAST(SUM(CASE WHEN status = 'cancelled' THEN amount_minor ELSE 0 END) AS BIGINT), \
        CAST(SUM(CASE WHEN status = 'active' THEN 1 ELSE 0 END) AS BIGINT) \
        FROM escrow_holds WHERE organization_id = ";
    let rows = Sql::new(db.backend(), "")
        .bind(text, organization.0)
        .bind(" AND placement_id = ", placement)
        .push(" GROUP BY currency ORDER BY currency")
        .rows(db.conn())
        .await?;
    rows.iter()
        .map(|row| {
            let currency: String = row.try_get_by_index(0)?;
            Ok(Total {
                active: money(TABLE, placement, row.try_get_by_index(1)?, &currency)?,
                released: row.try_get_by_index(2)?,
                cancelled: row.try_get_by_index(3)?,
                active_count: row.try_get_by_index(4)?,
            })
        })
        .collect()
}

/// Claims holds whose time has come, the longest overdue first; those that others have locked are
/// passed over.
pub(crate) async fn claim<C: ConnectionTrait>(
    conn: &C,
    at: Timestamp,
    limit: u32,
) -> Result<Vec<Hold>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), SELECT)
        .push(" WHERE status = 'active' AND release_at IS NOT NULL")
        .instant(" AND release_at <= ", at)
        .push(&format!(" ORDER BY release_at, id LIMIT {limit}"))
        .skip_locked();
    all(sql, conn).await
}

/// The active holds of placements.
pub(crate) async fn active<C: ConnectionTrait>(
    conn: &C,
    organizations: Vec<Uuid>,
    placements: Vec<Uuid>,
) -> Result<Vec<Hold>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), SELECT)
        .one_of(" WHERE status = 'active' AND organization_id", organizations)
        .one_of(" AND placement_id", placements);
    all(sql, conn).await
}

/// Rows, audit and event of a hold that is new, or split off.
pub(crate) fn create(
    ctx: &Ctx,
    set: &mut WriteSet,
    journal: &mut Journal,
    new: &Hold,
    kind: &'static str,
) {
    set.insert(
        Insert::into(TABLE)
            .column("id", Column::Uuid(vec![new.id]))
            .column("organization_id", Column::same_uuid(Some(new.organization.0)))
            .column("placement_id", Column::same_uuid(Some(new.placement)))
            .column("schedule_id", Column::same_uuid(new.schedule))
            .column("amount_minor", Column::same_i64(Some(new.amount.minor())))
            .column("currency", Column::same_text(Some(new.amount.currency().code())))
            .column("payee_id", Column::same_uuid(Some(new.payee.0)))
            .column("method", Column::same_text(Some(new.method.map_or("", Method::as_str))))
            .column("reason", Column::same_text(Some(&new.reason)))
            .column("release_at", Column::same_time(new.release_at))
            .column("status", Column::same_text(Some(new.state.as_str())))
            .column("parent_id", Column::same_uuid(new.parent))
            .column("ended_at", Column::same_time(new.ended.as_ref().map(|ended| ended.at)))
            .column("ended_by", Column::same_uuid(new.ended.as_ref().map(|ended| ended.by.0)))
            .column("end_reason", Column::same_text(Some(why(new))))
            .column("created_by", Column::same_uuid(Some(new.created_by.0)))
            .column("version", Column::same_i64(Some(new.version)))
            .column("created_at", Column::same_time(Some(new.created_at)))
            .column("updated_at", Column::same_time(Some(new.updated_at))),
    );
    tell(ctx, journal, None, new, kind);
}

fn why(hold: &Hold) -> &str {
    hold.ended.as_ref().map_or("", |ended| &ended.why)
}

/// What was changed of holds. They are one version on.
pub(crate) fn advance(after: &[Hold]) -> Update {
    let ids = after.iter().map(|one| one.id).collect();
    let versions = after.iter().map(|one| one.version - 1).collect();
    let text =
        |of: fn(&Hold) -> &str| Column::Text(after.iter().map(|one| of(one).to_owned()).collect());
    let times =
        |of: fn(&Hold) -> Option<Timestamp>| Column::OptTime(after.iter().map(of).collect());
    // The nil UUID says NULL here, and so does nobody's id.
    let by = after.iter().map(|one| one.ended.as_ref().map(|ended| ended.by.0)).collect();
    Update::of(TABLE, "id", ids, versions)
        .set("amount_minor", Column::I64(after.iter().map(|one| one.amount.minor()).collect()))
        .set("reason", text(|one| &one.reason))
        .set("release_at", times(|one| one.release_at))
        .set("status", text(|one| one.state.as_str()))
        .set("ended_at", times(|one| one.ended.as_ref().map(|ended| ended.at)))
        .set("ended_by", Column::OptUuid(by))
        .set("end_reason", text(why))
        .set("updated_at", Column::Time(after.iter().map(|one| one.updated_at).collect()))
        .only_where("t.status = 'active'")
}

/// What an audit row says of a hold.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recorded<'a> {
    status: &'static str,
    placement_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_id: Option<Uuid>,
    amount_minor: i64,
    currency: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<Uuid>,
}

/// Plain structs cannot fail to be written.
fn json(of: &Hold) -> String {
    let recorded = Recorded {
        status: of.state.as_str(),
        placement_id: of.placement,
        schedule_id: of.schedule,
        amount_minor: of.amount.minor(),
        currency: of.amount.currency().code(),
        reason: &of.reason,
        release_at: of.release_at,
        parent_id: of.parent,
    };
    serde_json::to_string(&recorded).unwrap_or_default()
}

/// Audit and event of a transition.
pub(crate) fn tell(
    ctx: &Ctx,
    journal: &mut Journal,
    before: Option<&Hold>,
    after: &Hold,
    kind: &'static str,
) {
    let mut entry = Entry::new(kind, "escrow_hold", after.id).after(json(after));
    entry.before = before.map(json);
    let reason = Some(why(after).to_owned()).filter(|text| !text.is_empty());
    let ended = after.ended.as_ref();
    let state = Told {
        hold_id: after.id,
        version: after.version,
        placement_id: after.placement,
        schedule_id: after.schedule,
        amount_minor: after.amount.minor(),
        currency: after.amount.currency().code().to_owned(),
        payee_id: after.payee.0,
        method: after.method,
        reason: after.reason.clone(),
        status: after.state.as_str().to_owned(),
        release_at: after.release_at,
        parent_id: after.parent,
        ended_at: ended.map(|ended| ended.at),
        ended_by: ended.map(|ended| ended.by.0).filter(|by| !by.is_nil()),
        end_reason: reason.clone(),
    };
    journal.record(ctx, entry.because(reason), kind, state);
}

/// The event of the end of a hold.
pub(crate) fn ended_kind(state: HoldState) -> &'static str {
    match state {
        HoldState::Released => kind::HOLD_RELEASED,
        HoldState::Cancelled => kind::HOLD_CANCELLED,
        HoldState::Active => kind::HOLD_UPDATED,
    }
}
