//! Cycles and their crews.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use quittance_chassis::db::{Column, Entry, Insert, Tx, Update, WriteSet};
use quittance_chassis::snapshots::Wanted;
use quittance_events::{CycleState, Rates, kind};
use quittance_kernel::{CycleId, MemberId, Money, OrganizationId, ProductId, Severity, Timestamp};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Value};
use uuid::Uuid;

use super::sql::Sql;
use super::{After, StoreError, rate_change};
use crate::domain::cycle::{Crew, Cycle};
use crate::domain::rates::{self, Overrides};

/// What a list of cycles is narrowed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub product: Option<ProductId>,
    pub open: Option<bool>,
}

/// A cycle and the gate of its product, from which the effective one follows.
pub(crate) type Found = (Cycle, Option<bool>);

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    product_id: Uuid,
    name: String,
    status: String,
    requires_verification: Option<bool>,
    product_gate: Option<bool>,
    rate_currency: Option<String>,
    rate_critical: Option<i64>,
    rate_high: Option<i64>,
    rate_medium: Option<i64>,
    rate_low: Option<i64>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct CrewRow {
    cycle_id: Uuid,
    member_id: Uuid,
    lead: bool,
}

const SELECT: &str = "SELECT c.id, c.product_id, c.name, c.status, c.requires_verification, \
    p.requires_verification AS product_gate, c.rate_currency, c.rate_critical, c.rate_high, \
    c.rate_medium, c.rate_low, c.version, c.created_at, c.updated_at \
    FROM cycles c JOIN products p ON p.id = c.product_id WHERE c.organization_id = ";

/// Reads stored overrides, given in the order of severities.
pub(super) fn overrides(
    cycle: Uuid,
    currency: Option<&str>,
    minor: [Option<i64>; 4],
) -> Result<Option<Overrides>, StoreError> {
    let Some(code) = currency else { return Ok(None) };
    let corrupt = || StoreError::Corrupt { table: "cycles", id: cycle, column: "rate_currency" };
    let currency = code.parse().map_err(|_| corrupt())?;
    Overrides::new(currency, minor).map_err(|_| corrupt())
}

impl Row {
    fn read(self, crew: Crew) -> Result<Found, StoreError> {
        let open = match self.status.as_str() {
            "open" => true,
            "closed" => false,
            _ => {
                let column = "status";
                return Err(StoreError::Corrupt { table: "cycles", id: self.id, column });
            }
        };
        let minor = [self.rate_critical, self.rate_high, self.rate_medium, self.rate_low];
        let cycle = Cycle {
            id: CycleId(self.id),
            product: ProductId(self.product_id),
            name: self.name,
            open,
            requires_verification: self.requires_verification,
            rates: overrides(self.id, self.rate_currency.as_deref(), minor)?,
            crew,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        Ok((cycle, self.product_gate))
    }
}

fn begin(backend: DbBackend, organization: OrganizationId) -> Sql {
    let mut sql = Sql::new(backend, "");
    sql.bind(SELECT, organization.0);
    sql
}

/// Reads the crews of all these cycles at once.
async fn with_crews<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    rows: Vec<Row>,
) -> Result<Vec<Found>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(
        "SELECT cycle_id, member_id, lead FROM cycle_members WHERE organization_id = ",
        organization.0,
    )
    .one_of(" AND cycle_id", rows.iter().map(|row| row.id).collect());
    let mut crews: HashMap<Uuid, (Vec<MemberId>, Vec<MemberId>)> = HashMap::new();
    for row in sql.all::<CrewRow, C>(conn).await? {
        let (leads, members) = crews.entry(row.cycle_id).or_default();
        if row.lead { leads } else { members }.push(MemberId(row.member_id));
    }
    rows.into_iter()
        .map(|row| {
            let (leads, members) = crews.remove(&row.id).unwrap_or_default();
            row.read(Crew::new(leads, members))
        })
        .collect()
}

/// Finds a cycle.
pub(crate) async fn find<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    id: CycleId,
) -> Result<Option<Found>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization);
    sql.bind(" AND c.id = ", id.0);
    let rows = sql.all::<Row, C>(conn).await?;
    Ok(with_crews(conn, organization, rows).await?.pop())
}

/// Reads cycles in the order of their ids, without their crews.
pub(super) async fn snapshots<C: ConnectionTrait>(
    conn: &C,
    wanted: &Wanted,
) -> Result<Vec<Found>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), wanted.organization);
    super::snapshot::page(&mut sql, "c.id", wanted);
    let rows = sql.all::<Row, C>(conn).await?;
    rows.into_iter().map(|row| row.read(Crew::default())).collect()
}

/// Reads a cycle inside a transaction: `UPDATE` to change it, `SHARE` so that nobody else does.
pub(crate) async fn load(
    tx: &Tx,
    id: CycleId,
    strength: &str,
) -> Result<Option<Found>, StoreError> {
    let conn = tx.conn();
    let organization = tx.ctx().organization();
    let mut sql = begin(conn.get_database_backend(), organization);
    sql.bind(" AND c.id = ", id.0).lock(strength, "c");
    let rows = sql.all::<Row, _>(conn).await?;
    Ok(with_crews(conn, organization, rows).await?.pop())
}

/// Lists cycles, the newest first.
pub(crate) async fn list<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    filter: Filter,
    after: Option<After<Timestamp>>,
    limit: u32,
) -> Result<Vec<Found>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization);
    if let Some(product) = filter.product {
        sql.bind(" AND c.product_id = ", product.0);
    }
    if let Some(open) = filter.open {
        sql.bind(" AND c.status = ", status(open));
    }
    if let Some(After { key, id }) = after {
        sql.bind(" AND (c.created_at, c.id) < (", key).bind(", ", id).push(")");
    }
    sql.bind(" ORDER BY c.created_at DESC, c.id DESC LIMIT ", i64::from(limit));
    let rows = sql.all::<Row, C>(conn).await?;
    with_crews(conn, organization, rows).await
}

/// Lists the cycles that a member leads or is assigned to, the newest first.
pub(crate) async fn list_of<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    member: MemberId,
    after: Option<After<Timestamp>>,
    limit: u32,
) -> Result<Vec<Found>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization);
    let theirs = " AND c.id IN (SELECT m.cycle_id FROM cycle_members m WHERE m.organization_id = ";
    sql.bind(theirs, organization.0).bind(" AND m.member_id = ", member.0).push(")");
    if let Some(After { key, id }) = after {
        sql.bind(" AND (c.created_at, c.id) < (", key).bind(", ", id).push(")");
    }
    sql.bind(" ORDER BY c.created_at DESC, c.id DESC LIMIT ", i64::from(limit));
    let rows = sql.all::<Row, C>(conn).await?;
    with_crews(conn, organization, rows).await
}

fn status(open: bool) -> &'static str {
    if open { "open" } else { "closed" }
}

/// Saves a cycle that is new (`before` is none) or changed.
pub(crate) async fn save(
    tx: &mut Tx,
    before: Option<&Cycle>,
    cycle: Cycle,
) -> Result<Cycle, StoreError> {
    let version = before.map_or(0, |before| before.version);
    let saved = Cycle { version: version + 1, updated_at: tx.ctx().now, ..cycle };
    let organization = tx.ctx().organization();
    let mut set = WriteSet::new();
    if before.is_some() {
        let update = Update::of("cycles", "id", vec![saved.id.0], vec![version]);
        set.update(changing(&saved).into_iter().fold(update, |u, (name, v)| u.set(name, v)));
    } else {
        let insert = Insert::into("cycles")
            .column("id", Column::same_uuid(Some(saved.id.0)))
            .column("organization_id", Column::same_uuid(Some(organization.0)))
            .column("product_id", Column::same_uuid(Some(saved.product.0)))
            .column("version", Column::same_i64(Some(saved.version)))
            .column("created_at", Column::same_time(Some(saved.created_at)));
        set.insert(changing(&saved).into_iter().fold(insert, |i, (name, v)| i.column(name, v)));
    }
    let rates = before.and_then(|before| before.rates.as_ref());
    if rates != saved.rates.as_ref() {
        set.insert(rate_change::insert(tx.ctx(), saved.id, rates, saved.rates.as_ref()));
    }
    tx.write(set).await?;
    if before.is_none_or(|before| before.crew != saved.crew) {
        save_crew(tx, &saved).await?;
    }
    let entry = Entry::new(kind::CYCLE_UPDATED, "cycle", saved.id.0);
    let entry = match before {
        Some(before) => entry.change(audited(before), audited(&saved)),
        None => entry.after(audited(&saved)),
    };
    tx.record(entry, kind::CYCLE_UPDATED, state(&saved));
    Ok(saved)
}

async fn save_crew(tx: &Tx, cycle: &Cycle) -> Result<(), StoreError> {
    let conn = tx.conn();
    let organization = tx.ctx().organization();
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind("DELETE FROM cycle_members WHERE organization_id = ", organization.0)
        .bind(" AND cycle_id = ", cycle.id.0);
    sql.execute(conn).await?;
    let mut set = WriteSet::new();
    for (lead, people) in [(true, cycle.crew.leads()), (false, cycle.crew.members())] {
        let rows = Insert::into("cycle_members")
            .column("member_id", Column::Uuid(people.iter().map(|member| member.0).collect()))
            .column("organization_id", Column::same_uuid(Some(organization.0)))
            .column("cycle_id", Column::same_uuid(Some(cycle.id.0)))
            .column("lead", Column::Same(lead.into(), "boolean"));
        set.insert(rows);
    }
    Ok(tx.write(set).await?)
}

fn changing(cycle: &Cycle) -> Vec<(&'static str, Column)> {
    let own = cycle.rates.as_ref();
    let rate = |severity| Column::same_i64(own.and_then(|own| own.minor(severity)));
    let gate: Value = cycle.requires_verification.into();
    vec![
        ("name", Column::same_text(Some(&cycle.name))),
        ("status", Column::same_text(Some(status(cycle.open)))),
        ("requires_verification", Column::Same(gate, "boolean")),
        ("rate_currency", Column::same_text(own.map(|own| own.currency().code()))),
        ("rate_critical", rate(Severity::Critical)),
        ("rate_high", rate(Severity::High)),
        ("rate_medium", rate(Severity::Medium)),
        ("rate_low", rate(Severity::Low)),
        ("updated_at", Column::same_time(Some(cycle.updated_at))),
    ]
}

/// The whole state, as consumers keep it.
pub(super) fn state(cycle: &Cycle) -> CycleState {
    let standing = cycle.id.0 == cycle.product.0 && cycle.rates.is_none();
    let rate = |severity| {
        let rate = rates::suggest(cycle.rates.as_ref(), severity).amount;
        // Bounties say themselves what they pay: nothing is to be expected by severity.
        if standing { Money::signed(0, rate.currency()) } else { rate }
    };
    CycleState {
        cycle_id: cycle.id.0,
        version: cycle.version,
        product_id: cycle.product.0,
        name: cycle.name.clone(),
        open: cycle.open,
        requires_verification: cycle.requires_verification,
        rates: Rates {
            // An override in another currency gives all four rates, so that one code fits all.
            currency: rate(Severity::Critical).currency().code().to_owned(),
            critical: rate(Severity::Critical).minor(),
            high: rate(Severity::High).minor(),
            medium: rate(Severity::Medium).minor(),
            low: rate(Severity::Low).minor(),
        },
    }
}

fn audited(cycle: &Cycle) -> String {
    let own = cycle.rates.as_ref();
    let rates: Vec<Option<i64>> =
        Severity::ALL.iter().map(|severity| own.and_then(|own| own.minor(*severity))).collect();
    let names = |people: &[MemberId]| people.iter().map(ToString::to_string).collect::<Vec<_>>();
    serde_json::json!({
        "name": cycle.name,
        "status": status(cycle.open),
        "requiresVerification": cycle.requires_verification,
        "rates": own.map(|own| serde_json::json!({
            "currency": own.currency().code(), "minor": rates,
        })),
        "leads": names(cycle.crew.leads()),
        "members": names(cycle.crew.members()),
        "version": cycle.version,
    })
    .to_string()
}
