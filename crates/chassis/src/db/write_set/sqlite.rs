//! Statement after statement, in chunks of rows, inside the caller's transaction.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{Insert, Update, Write, WriteError, row_count};

/// Binds per statement that SQLite accepts.
const MAX_BINDS: usize = 30_000;

pub(super) async fn execute<C: ConnectionTrait>(
    writes: Vec<Write>,
    conn: &C,
) -> Result<(), WriteError> {
    for write in writes {
        match write {
            Write::Insert(insert) => sqlite_insert(conn, insert).await?,
            Write::Update(update) => sqlite_update(conn, update).await?,
        }
    }
    Ok(())
}

async fn sqlite_insert<C: ConnectionTrait>(conn: &C, insert: Insert) -> Result<(), WriteError> {
    let Insert { table, columns, conflict } = insert;
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let rows: Vec<usize> = (0..row_count(&columns)).collect();
    for chunk in rows.chunks(MAX_BINDS / columns.len().max(1)) {
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES {} {conflict}",
            names.join(", "),
            placeholders(chunk.len(), columns.len())
        );
        let binds =
            chunk.iter().flat_map(|row| columns.iter().map(|(_, column)| column.value_at(*row)));
        conn.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, binds)).await?;
    }
    Ok(())
}

async fn sqlite_update<C: ConnectionTrait>(conn: &C, update: Update) -> Result<(), WriteError> {
    let Update { table, key, ids, versions, columns, guard } = update;
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let assignments: Vec<_> = names.iter().map(|name| format!("{name} = u.{name}")).collect();
    let guard = if guard.is_empty() { String::new() } else { format!(" AND {guard}") };
    let rows: Vec<usize> = (0..ids.len()).collect();
    for chunk in rows.chunks(MAX_BINDS / (columns.len() + 2)) {
        let sql = format!(
            "WITH u(k, v, {}) AS (VALUES {}) UPDATE {table} AS t SET version = t.version + 1, {} \
             FROM u WHERE t.{key} = u.k AND t.version = u.v{guard}",
            names.join(", "),
            placeholders(chunk.len(), columns.len() + 2),
            assignments.join(", ")
        );
        let binds = chunk.iter().flat_map(|row| {
            [ids[*row].into(), versions[*row].into()]
                .into_iter()
                .chain(columns.iter().map(|(_, column)| column.value_at(*row)))
        });
        let done =
            conn.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, binds)).await?;
        if done.rows_affected() != chunk.len() as u64 {
            return Err(WriteError::Stale);
        }
    }
    Ok(())
}

/// `(?, ?), (?, ?)` for so many rows and columns.
fn placeholders(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row.as_str(); rows].join(", ")
}
