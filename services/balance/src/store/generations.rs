//! Generations of the projections, and how far a rebuild is.

use std::collections::{BTreeMap, BTreeSet};

use quittance_chassis::db::{Column, Db, Insert, Tx, Update, WriteError, WriteSet};
use quittance_kernel::{OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::statement;

/// The tables that a generation has rows in.
const TABLES: [&str; 8] = [
    "lines",
    "cycle_counts",
    "cycle_money",
    "member_money",
    "day_money",
    "cycles",
    "members",
    "partner_entries",
];

/// How many rows are removed at once.
const PIECE: u32 = 5_000;

/// Where the events of an organization go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Generations {
    organization_id: Uuid,
    current_id: Uuid,
    building_id: Option<Uuid>,
    version: i64,
}

impl Generations {
    /// Those of an organization that was never rebuilt.
    pub(crate) fn first(organization: OrganizationId) -> Self {
        let id = organization.0;
        Self { organization_id: id, current_id: id, building_id: None, version: 0 }
    }

    /// The one that is read.
    pub(crate) fn current(&self) -> OrganizationId {
        OrganizationId(self.current_id)
    }

    /// The one that is being built beside it.
    pub(crate) fn building(&self) -> Option<OrganizationId> {
        self.building_id.map(OrganizationId)
    }
}

/// How strongly rows are held until the transaction ends. SQLite has one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nobody switches meanwhile.
    Share,
    /// Nobody else reads them to write.
    Update,
}

/// Reads the generations of organizations and holds them as they are.
pub(crate) async fn generations(
    tx: &Tx,
    organizations: &BTreeSet<OrganizationId>,
    hold: Hold,
) -> Result<BTreeMap<OrganizationId, Generations>, DbErr> {
    let backend = tx.conn().get_database_backend();
    let select = "SELECT organization_id, current_id, building_id, version FROM generations \
                  WHERE organization_id";
    let ids: Vec<Uuid> = organizations.iter().map(|organization| organization.0).collect();
    let (sql, binds): (String, Vec<Value>) = if backend == DbBackend::Postgres {
        let strength = if hold == Hold::Share { "SHARE" } else { "UPDATE" };
        let sql = format!("{select} = ANY($1) ORDER BY organization_id FOR {strength}");
        (sql, vec![ids.into()])
    } else {
        let places = vec!["?"; ids.len()].join(", ");
        (format!("{select} IN ({places})"), ids.into_iter().map(Value::from).collect())
    };
    let statement = Statement::from_sql_and_values(backend, sql, binds);
    let rows = Generations::find_by_statement(statement).all(tx.conn()).await?;
    let known = rows.into_iter().map(|row| (OrganizationId(row.organization_id), row));
    let mut all: BTreeMap<_, _> =
        organizations.iter().map(|id| (*id, Generations::first(*id))).collect();
    all.extend(known);
    Ok(all)
}

/// A rebuild under way.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct RebuildRow {
    pub(crate) building_id: Uuid,
    organization_id: Uuid,
    pub(crate) step: String,
    /// The last entity of the step that was replayed; nil before the first.
    pub(crate) after_id: Uuid,
    pub(crate) done: i64,
    pub(crate) corrected: i64,
    version: i64,
    started_at: Timestamp,
}

impl RebuildRow {
    pub(crate) fn organization(&self) -> OrganizationId {
        OrganizationId(self.organization_id)
    }

    pub(crate) fn building(&self) -> OrganizationId {
        OrganizationId(self.building_id)
    }

    /// The row that says how far it is now, for the transaction of what was done. Refused once
    /// somebody else goes on with it.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Update {
        let update =
            Update::of("rebuilds", "building_id", vec![self.building_id], vec![self.version])
                .set("step", Column::same_text(Some(&self.step)))
                .set("after_id", Column::Uuid(vec![self.after_id]))
                .set("done", Column::same_i64(Some(self.done)))
                .set("corrected", Column::same_i64(Some(self.corrected)))
                .set("updated_at", Column::same_time(Some(now)));
        self.version += 1;
        update
    }
}

/// Begins a rebuild, or goes on with the one that is there. `restart` discards what is there.
pub(crate) async fn begin(
    tx: &Tx,
    organization: OrganizationId,
    first_step: &str,
    restart: bool,
) -> Result<RebuildRow, WriteError> {
    let now = tx.ctx().now;
    let known = generations(tx, &BTreeSet::from([organization]), Hold::Update).await?;
    let known = known.get(&organization).copied();
    let known = known.unwrap_or_else(|| Generations::first(organization));
    let mut set = WriteSet::new();
    if let Some(building) = known.building_id {
        let sql = "SELECT building_id, organization_id, step, after_id, done, corrected, version, \
                   started_at FROM rebuilds WHERE building_id = $1";
        let statement = Statement::from_sql_and_values(
            tx.conn().get_database_backend(),
            sql,
            [building.into()],
        );
        let row = RebuildRow::find_by_statement(statement).one(tx.conn()).await?;
        if let (Some(mut row), false) = (row, restart) {
            set.update(row.advance(now));
            tx.write(set).await?;
            return Ok(row);
        }
        set.insert(discarded(building, now));
    }
    let row = RebuildRow {
        building_id: Uuid::now_v7(),
        organization_id: organization.0,
        step: first_step.to_owned(),
        after_id: Uuid::nil(),
        done: 0,
        corrected: 0,
        version: 1,
        started_at: now,
    };
    set.insert(row.insert(now));
    if known.version == 0 {
        set.insert(
            Insert::into("generations")
                .column("organization_id", Column::Uuid(vec![organization.0]))
                .column("current_id", Column::Uuid(vec![known.current_id]))
                .column("building_id", Column::Uuid(vec![row.building_id]))
                .column("version", Column::same_i64(Some(1))),
        );
    } else {
        let building = Column::Uuid(vec![row.building_id]);
        set.update(known.update().set("building_id", building));
    }
    tx.write(set).await?;
    Ok(row)
}

impl RebuildRow {
    fn insert(&self, now: Timestamp) -> Insert {
        Insert::into("rebuilds")
            .column("building_id", Column::Uuid(vec![self.building_id]))
            .column("organization_id", Column::Uuid(vec![self.organization_id]))
            .column("step", Column::same_text(Some(&self.step)))
            .column("after_id", Column::Uuid(vec![self.after_id]))
            .column("done", Column::same_i64(Some(self.done)))
            .column("corrected", Column::same_i64(Some(self.corrected)))
            .column("version", Column::same_i64(Some(self.version)))
            .column("started_at", Column::same_time(Some(self.started_at)))
            .column("updated_at", Column::same_time(Some(now)))
    }
}

impl Generations {
    fn update(&self) -> Update {
        Update::of("generations", "organization_id", vec![self.organization_id], vec![self.version])
    }
}

fn discarded(generation: Uuid, now: Timestamp) -> Insert {
    Insert::into("discarded_generations")
        .column("generation_id", Column::Uuid(vec![generation]))
        .column("discarded_at", Column::same_time(Some(now)))
        .on_conflict("ON CONFLICT DO NOTHING")
}

/// Lets everybody read what was built: they see all of the old one or all of the new one.
pub(crate) async fn switch(tx: &Tx, rebuild: &mut RebuildRow) -> Result<(), WriteError> {
    let now = tx.ctx().now;
    let organization = rebuild.organization();
    let known = generations(tx, &BTreeSet::from([organization]), Hold::Update).await?;
    let known =
        known.get(&organization).filter(|known| known.building_id == Some(rebuild.building_id));
    let known = known.ok_or(WriteError::Stale)?;
    let mut set = WriteSet::new();
    set.update(rebuild.advance(now));
    set.update(
        known
            .update()
            .set("current_id", Column::Uuid(vec![rebuild.building_id]))
            .set("building_id", Column::same_uuid(None))
            .set("switched_at", Column::same_time(Some(now))),
    );
    set.insert(discarded(known.current_id, now));
    tx.write(set).await
}

/// Removes rows of what is discarded; `false` once there is nothing left.
pub(crate) async fn sweep(tx: &Tx) -> Result<bool, DbErr> {
    let conn = tx.conn();
    let backend = conn.get_database_backend();
    let sql = "SELECT generation_id FROM discarded_generations ORDER BY generation_id LIMIT 1";
    let Some(row) = conn.query_one_raw(Statement::from_string(backend, sql)).await? else {
        return Ok(false);
    };
    let id: Uuid = row.try_get_by_index(0)?;
    let place = if backend == DbBackend::Postgres { "ctid" } else { "rowid" };
    let run = async |sql: String| {
        conn.execute_raw(Statement::from_sql_and_values(backend, sql, [id.into()])).await
    };
    for table in TABLES {
        let sql = format!(
            "DELETE FROM {table} WHERE {place} IN (SELECT {place} FROM {table} \
             WHERE organization_id = $1 LIMIT {PIECE})"
        );
        if run(sql).await?.rows_affected() > 0 {
            return Ok(true);
        }
    }
    run("DELETE FROM rebuilds WHERE building_id = $1".to_owned()).await?;
    run("DELETE FROM discarded_generations WHERE generation_id = $1".to_owned()).await?;
    Ok(true)
}

/// The generation that an organization reads.
pub(crate) async fn current(
    db: &Db,
    organization: OrganizationId,
) -> Result<OrganizationId, DbErr> {
    let sql = concat!("SELECT ", current!(), " AS id");
    let row = db.conn().query_one_raw(statement(db, sql, [organization.0.into()])).await?;
    let id = row.map(|row| row.try_get_by_index::<Uuid>(0)).transpose()?;
    Ok(id.map_or(organization, OrganizationId))
}
