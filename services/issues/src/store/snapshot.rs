//! What is known now, in the words of events, for those who keep projections of it.

use quittance_chassis::snapshots::{Snapshot, SnapshotTotal, Wanted};
use quittance_events::kind;
use quittance_kernel::{OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, cycle, issue, issue_list, issue_row, member};

/// As the events of this service name it.
const SERVICE: &str = "issues";

#[derive(FromQueryResult)]
struct OrganizationRow {
    id: Uuid,
    created_at: Timestamp,
}

/// Reads entities of one kind in the order of their ids.
pub(crate) async fn list<C: ConnectionTrait>(
    conn: &C,
    wanted: &Wanted,
) -> Result<Vec<Snapshot>, StoreError> {
    let owner = (SERVICE, wanted.organization);
    Ok(match wanted.entity.as_str() {
        "organization" => organizations(conn, wanted).await?,
        "member" => {
            let told = |one: crate::domain::member::Member| {
                let (version, at) = (one.version, one.updated_at);
                Snapshot::told(owner, version, at, kind::MEMBER_UPDATED, member::state(&one))
            };
            member::snapshots(conn, wanted).await?.into_iter().map(told).collect()
        }
        "cycle" => {
            let told = |(one, _): cycle::Found| {
                let (version, at) = (one.version, one.updated_at);
                Snapshot::told(owner, version, at, kind::CYCLE_UPDATED, cycle::state(&one))
            };
            cycle::snapshots(conn, wanted).await?.into_iter().map(told).collect()
        }
        "issue" => {
            let found = issue_list::wanted(conn, wanted).await?;
            let told = found.iter().map(|(one, frame)| {
                let state = issue::told(one, frame);
                Snapshot::told(owner, one.version, one.updated_at, kind::ISSUE_UPDATED, state)
            });
            told.collect()
        }
        _ => Vec::new(),
    })
}

async fn organizations<C: ConnectionTrait>(
    conn: &C,
    wanted: &Wanted,
) -> Result<Vec<Snapshot>, DbErr> {
    let mut sql = Sql::new(conn.get_database_backend(), "SELECT id, created_at FROM organizations");
    sql.push(" WHERE 1 = 1");
    page(&mut sql, "id", wanted);
    let rows = sql.all::<OrganizationRow, C>(conn).await?;
    let snapshot = |row: OrganizationRow| Snapshot {
        id: row.id,
        version: 1,
        changed_at: row.created_at,
        kind: "",
        event: String::new(),
    };
    Ok(rows.into_iter().map(snapshot).collect())
}

/// Narrows a statement to a page in the order of this column.
pub(super) fn page(sql: &mut Sql, column: &str, wanted: &Wanted) {
    if let Some(after) = wanted.after {
        sql.bind(&format!(" AND {column} > "), after);
    }
    if !wanted.ids.is_empty() {
        sql.one_of(&format!(" AND {column}"), wanted.ids.clone());
    }
    sql.bind(&format!(" ORDER BY {column} LIMIT "), i64::from(wanted.limit));
}

#[derive(FromQueryResult)]
struct TotalRow {
    state: String,
    severity: i64,
    currency: String,
    count: i64,
    minor: i64,
}

#[derive(FromQueryResult)]
struct CountRow {
    count: i64,
}

/// Counts and sums what an organization has.
pub(crate) async fn totals<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
) -> Result<Vec<SnapshotTotal>, DbErr> {
    let backend = conn.get_database_backend();
    let mut sql = Sql::new(
        backend,
        "SELECT CASE WHEN status = 'draft' THEN status ELSE review END AS state, severity, \
         COALESCE(currency, '') AS currency, count(*) AS count, \
         CAST(COALESCE(SUM(amount_minor), 0) AS BIGINT) AS minor FROM issues",
    );
    sql.bind(" WHERE organization_id = ", organization.0).push(" GROUP BY 1, 2, 3");
    let rows = sql.all::<TotalRow, C>(conn).await?;
    let mut totals: Vec<SnapshotTotal> = rows
        .into_iter()
        .map(|row| {
            let severity =
                issue_row::severity(row.severity).map_or("unknown", |known| known.as_str());
            SnapshotTotal {
                entity: "issue",
                state: format!("{}/{severity}", row.state),
                currency: row.currency,
                count: row.count,
                minor: row.minor,
            }
        })
        .collect();
    for (entity, text) in [
        ("member", "SELECT count(*) AS count FROM members"),
        ("cycle", "SELECT count(*) AS count FROM cycles"),
    ] {
        let mut sql = Sql::new(backend, text);
        sql.bind(" WHERE organization_id = ", organization.0);
        let count = sql.one::<CountRow, C>(conn).await?.map_or(0, |row| row.count);
        if count > 0 {
            let (state, currency) = (String::new(), String::new());
            totals.push(SnapshotTotal { entity, state, currency, count, minor: 0 });
        }
    }
    Ok(totals)
}
