//! One statement for the whole set: a CTE per table over arrays.

use std::fmt::Write as _;

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use super::{Columns, Insert, Update, Write, WriteError};

pub(super) async fn execute<C: ConnectionTrait>(
    writes: Vec<Write>,
    conn: &C,
) -> Result<(), WriteError> {
    let mut sql = String::from("WITH ");
    let mut binds: Vec<Value> = Vec::new();
    let mut guards: Vec<String> = Vec::new();
    for (number, write) in writes.into_iter().enumerate() {
        if number > 0 {
            sql.push_str(", ");
        }
        match write {
            Write::Insert(insert) => postgres_insert(&mut sql, &mut binds, number, insert),
            Write::Update(update) => {
                let expected = update.ids.len();
                postgres_update(&mut sql, &mut binds, number, update);
                binds.push(i64::try_from(expected).unwrap_or(i64::MAX).into());
                guards.push(format!("(SELECT count(*) FROM w{number}) = ${}::bigint", binds.len()));
            }
        }
    }
    if guards.is_empty() {
        sql.push_str(" SELECT 1");
    } else {
        let _ = write!(sql, " SELECT 1 / (CASE WHEN {} THEN 1 ELSE 0 END)", guards.join(" AND "));
    }
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, binds);
    conn.query_one_raw(statement).await?;
    Ok(())
}

/// Binds the columns and returns `(names, expressions, arrays, aliases)` for one CTE.
fn bind_columns(binds: &mut Vec<Value>, columns: Columns) -> (String, Vec<String>, String, String) {
    let (mut names, mut expressions, mut arrays, mut aliases) = (vec![], vec![], vec![], vec![]);
    for (name, column) in columns {
        let index = binds.len() + 1;
        expressions.push(column.postgres_expression(name, index));
        names.push(name);
        if column.len().is_some() {
            arrays.push(format!("${index}::{}[]", column.postgres_type()));
            aliases.push(name);
        }
        binds.push(column.into_array());
    }
    (names.join(", "), expressions, arrays.join(", "), aliases.join(", "))
}

fn postgres_insert(sql: &mut String, binds: &mut Vec<Value>, number: usize, insert: Insert) {
    let (names, expressions, arrays, aliases) = bind_columns(binds, insert.columns);
    let expressions = expressions.join(", ");
    let source = if arrays.is_empty() {
        String::new()
    } else {
        format!(" FROM unnest({arrays}) AS u({aliases})")
    };
    let (table, conflict) = (insert.table, insert.conflict);
    let _ = write!(
        sql,
        "w{number} AS (INSERT INTO {table} ({names}) SELECT {expressions}{source} {conflict})"
    );
}

fn postgres_update(sql: &mut String, binds: &mut Vec<Value>, number: usize, update: Update) {
    let Update { table, key, ids, versions, columns, guard } = update;
    let (id_bind, version_bind) = (binds.len() + 1, binds.len() + 2);
    binds.push(ids.into());
    binds.push(versions.into());
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let (_, expressions, arrays, aliases) = bind_columns(binds, columns);
    let carried: Vec<_> = names
        .iter()
        .zip(&expressions)
        .map(|(name, value)| format!(", {value} AS {name}"))
        .collect();
    let assignments: Vec<_> = names.iter().map(|name| format!(", {name} = l.{name}")).collect();
    let guard = if guard.is_empty() { String::new() } else { format!(" WHERE {guard}") };
    let comma = if arrays.is_empty() { "" } else { ", " };
    // Rows are locked in the order of their ids, so that two overlapping sets cannot deadlock; the
    // lock waits for a concurrent writer and then sees the row as that writer left it. The new
    // values travel with the locked ids: joining the arrays a second time would be quadratic in a
    // plan that does not know how long they are.
    let _ = write!(
        sql,
        "l{number} AS MATERIALIZED (SELECT t.{key}{} FROM {table} t \
         JOIN unnest(${id_bind}::uuid[], ${version_bind}::bigint[]{comma}{arrays}) \
         AS u(k, v{comma}{aliases}) ON t.{key} = u.k AND t.version = u.v{guard} \
         ORDER BY t.{key} FOR UPDATE OF t), \
         w{number} AS (UPDATE {table} t SET version = t.version + 1{} FROM l{number} l \
         WHERE t.{key} = l.{key} RETURNING 1)",
        carried.concat(),
        assignments.concat()
    );
}
