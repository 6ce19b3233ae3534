//! The log as it is read: filtered, the newest first, page by page.

use std::fmt::Write as _;

use quittance_kernel::{OrganizationId, PageError, PageRequest, Timestamp, token};
use sea_orm::{ConnectionTrait as _, DbErr, FromQueryResult as _, Statement, Value};
use uuid::Uuid;

use super::record::{COLUMNS, Record};
use crate::db::Db;

/// Which rows are asked for; what is absent does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) entity: Option<String>,
    pub(super) entity_id: Option<Uuid>,
    pub(super) actor_id: Option<Uuid>,
    pub(super) action: Option<String>,
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
}

impl Filter {
    /// Names the list, so that its tokens continue no other one.
    pub(super) fn query(&self, db: &Db) -> String {
        format!("audit/{}?{self:?}", db.service())
    }

    /// The token that continues after a row.
    pub(super) fn token(&self, db: &Db, row: &Record) -> String {
        let place = [row.occurred_at.timestamp_micros().to_string(), row.seq.to_string()];
        token::encode(&place, &self.query(db))
    }
}

/// The place of a row in the list.
type Place = (Timestamp, i64);

pub(super) fn place(page: &PageRequest) -> Result<Option<Place>, PageError> {
    let Some(after) = page.after.as_deref() else { return Ok(None) };
    let [time, seq] = after else { return Err(PageError::BadToken) };
    let micros = time.parse().map_err(|_| PageError::BadToken)?;
    let time = Timestamp::from_timestamp_micros(micros).ok_or(PageError::BadToken)?;
    Ok(Some((time, seq.parse().map_err(|_| PageError::BadToken)?)))
}

/// Reads at most `limit` rows that are older than a place.
pub(super) async fn list(
    db: &Db,
    organization: OrganizationId,
    filter: &Filter,
    before: Option<Place>,
    limit: u32,
) -> Result<Vec<Record>, DbErr> {
    let (sql, values) = statement(organization, filter, before, limit);
    let statement = Statement::from_sql_and_values(db.backend(), sql, values);
    let rows = db.conn().query_all_raw(statement).await?;
    rows.iter().map(|row| Record::from_query_result(row, "")).collect()
}

fn statement(
    organization: OrganizationId,
    filter: &Filter,
    before: Option<Place>,
    limit: u32,
) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = Vec::new();
    let mut bind = |value: Value| {
        values.push(value);
        format!("${}", values.len())
    };
    let mut sql = format!(
        "SELECT {COLUMNS} FROM audit_log a WHERE a.organization_id = {}",
        bind(organization.0.into())
    );
    let conditions: [(&str, Option<Value>); 6] = [
        ("a.entity_id =", filter.entity_id.map(Into::into)),
        ("a.entity =", filter.entity.clone().map(Into::into)),
        ("a.actor_id =", filter.actor_id.map(Into::into)),
        ("a.action =", filter.action.clone().map(Into::into)),
        ("a.occurred_at >=", filter.from.map(Into::into)),
        ("a.occurred_at <", filter.to.map(Into::into)),
    ];
    for (condition, value) in conditions {
        if let Some(value) = value {
            let _ = write!(sql, " AND {condition} {}", bind(value));
        }
    }
    if let Some((time, seq)) = before {
        let (time, seq) = (bind(time.into()), bind(seq.into()));
        let _ = write!(sql, " AND (a.occurred_at, a.seq) < ({time}, {seq})");
    }
    let _ = write!(sql, " ORDER BY a.occurred_at DESC, a.seq DESC LIMIT {limit}");
    (sql, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::postgres;

    /// The plan must come from an index whatever is filtered, also in a large log.
    #[tokio::test]
    async fn a_page_of_the_log_never_scans_it() {
        let db = postgres("test").await;
        let conn = db.conn();
        let manager = sea_orm_migration::SchemaManager::new(conn);
        crate::db::chassis_tables(&manager).await.unwrap();
        let fill = "INSERT INTO audit_log (id, organization_id, occurred_at, actor_id, actor_role, \
                    action, entity, entity_id, request_id) \
                    SELECT gen_random_uuid(), ('00000000-0000-0000-0000-00000000000' || n % 5)::uuid, \
                    '2026-05-08T12:00:00Z'::timestamptz + n * interval '1 second', \
                    gen_random_uuid(), 'admin', 'issue.approved', 'issue', gen_random_uuid(), 'r' \
                    FROM generate_series(1, 20000) n";
        conn.execute_unprepared(fill).await.unwrap();
        conn.execute_unprepared("ANALYZE audit_log").await.unwrap();
        let noon: Timestamp = "2026-05-08T13:00:00Z".parse().unwrap();
        let filters = [
            Filter::default(),
            Filter { from: Some(noon), ..Filter::default() },
            Filter { to: Some(noon), ..Filter::default() },
            Filter { entity_id: Some(Uuid::max()), ..Filter::default() },
            Filter { actor_id: Some(Uuid::max()), ..Filter::default() },
            Filter { action: Some("issue.approved".into()), ..Filter::default() },
            Filter { entity: Some("issue".into()), ..Filter::default() },
        ];
        for filter in filters {
            for before in [None, Some((noon, 77))] {
                let (sql, values) = statement(OrganizationId(Uuid::nil()), &filter, before, 50);
                let explain = format!("EXPLAIN {sql}");
                let explain = Statement::from_sql_and_values(db.backend(), explain, values);
                let plan: Vec<String> = conn
                    .query_all_raw(explain)
                    .await
                    .unwrap()
                    .iter()
                    .map(|row| row.try_get_by_index(0).unwrap())
                    .collect();
                let plan = plan.join("\n");
                assert!(plan.contains("Index") && !plan.contains("Seq Scan"), "{filter:?}\n{plan}");
            }
        }
    }
}
