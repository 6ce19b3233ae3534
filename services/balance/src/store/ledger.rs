//! The ledger: posted as sets, in the transaction of the projections, behind the head of each
//! organization's chain.

mod read;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use quittance_chassis::db::{Column, Insert, Tx, WriteError};
use quittance_kernel::{MemberId, Money, OrganizationId};
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, FromQueryResult, Statement, Value};
use uuid::Uuid;

#[cfg(test)]
pub(super) use read::entries_sql;
pub(crate) use read::{
    AccountFilter, AccountRow, Chained, EntryRow, Kept, account_rows_of, chain, entries_of, kept,
};
pub(crate) use rows::{account_rows, entry_rows, head_rows, source_rows};

use super::corrupt;
use crate::domain::{Account, Book, GENESIS, Hash, Position, Source, Stage, Standing};

/// A tenant's payout or commission.
pub(crate) type SourceKey = (OrganizationId, Uuid);

fn word<T: std::str::FromStr>(table: &str, column: &str, text: &str) -> Result<T, DbErr> {
    text.parse().map_err(|_| corrupt(table, column))
}

/// Reads a hash as the tables keep it. One that is none is not equal to any.
fn hash(text: &str) -> Option<Hash> {
    let mut hash = GENESIS;
    hex::decode_to_slice(text, &mut hash).ok().map(|()| hash)
}

/// A statement over `u(o, k)`: organizations, each with a key.
fn over<K>(backend: DbBackend, keys: &[(OrganizationId, K)], kind: &str, sql: &str) -> Statement
where
    K: Clone + Into<Value>,
    Vec<K>: Into<Value>,
{
    if backend == DbBackend::Postgres {
        let organizations: Vec<Uuid> = keys.iter().map(|(org, _)| org.0).collect();
        let others: Vec<K> = keys.iter().map(|(_, key)| key.clone()).collect();
        let sql = format!("WITH u(o, k) AS (SELECT * FROM unnest($1::uuid[], $2::{kind}[])) {sql}");
        return Statement::from_sql_and_values(backend, sql, [organizations.into(), others.into()]);
    }
    let rows = vec!["(?, ?)"; keys.len()].join(", ");
    let binds: Vec<Value> =
        keys.iter().flat_map(|(org, key)| [org.0.into(), key.clone().into()]).collect();
    let sql = format!("WITH u(o, k) AS (VALUES {rows}) {sql}");
    Statement::from_sql_and_values(backend, sql, binds)
}

/// SQLite has one writer, hence nothing to lock.
fn lock_clause(backend: DbBackend, alias: &str) -> String {
    if backend == DbBackend::Postgres { format!(" FOR UPDATE OF {alias}") } else { String::new() }
}

/// Makes sure that there is a row for each source, to be locked, in the order of the keys.
pub(crate) async fn ensure_sources(tx: &Tx, keys: &[SourceKey]) -> Result<(), WriteError> {
    let rows = Insert::into("ledger_sources")
        .column("organization_id", Column::Uuid(keys.iter().map(|(org, _)| org.0).collect()))
        .column("source_id", Column::Uuid(keys.iter().map(|(_, source)| *source).collect()))
        .column("version", Column::same_i64(Some(0)))
        .column("stage", Column::same_text(Some(Stage::None.as_str())))
        .column("minor", Column::same_i64(Some(0)))
        .on_conflict("ON CONFLICT DO NOTHING");
    tx.insert(rows).await
}

#[derive(FromQueryResult)]
struct SourceRow {
    organization_id: Uuid,
    source_id: Uuid,
    version: i64,
    stage: String,
    payee_id: Option<Uuid>,
    minor: i64,
    currency: Option<String>,
    method: Option<String>,
}

impl SourceRow {
    fn source(&self) -> Result<Option<Source>, DbErr> {
        let (Some(payee), Some(currency)) = (self.payee_id, &self.currency) else {
            return Ok(None);
        };
        let table = "ledger_sources";
        let stage = Stage::ALL.iter().find(|stage| stage.as_str() == self.stage);
        let method = self.method.as_deref().map(|text| word(table, "method", text)).transpose()?;
        Ok(Some(Source {
            version: self.version,
            stage: *stage.ok_or_else(|| corrupt(table, "stage"))?,
            payee: MemberId(payee),
            amount: Money::signed(self.minor, word(table, "currency", currency)?),
            method,
        }))
    }
}

/// Locks the rows in the order of their keys and reads what is known.
pub(crate) async fn lock_sources(
    tx: &Tx,
    keys: &[SourceKey],
) -> Result<BTreeMap<SourceKey, Source>, DbErr> {
    let backend = tx.conn().get_database_backend();
    let sql = format!(
        "SELECT s.organization_id, s.source_id, s.version, s.stage, s.payee_id, s.minor, \
         s.currency, s.method FROM u JOIN ledger_sources s ON s.organization_id = u.o \
         AND s.source_id = u.k ORDER BY s.organization_id, s.source_id{}",
        lock_clause(backend, "s")
    );
    let statement = over(backend, keys, "uuid", &sql);
    let rows = SourceRow::find_by_statement(statement).all(tx.conn()).await?;
    let mut known = BTreeMap::new();
    for row in rows {
        if let Some(source) = row.source()? {
            known.insert((OrganizationId(row.organization_id), row.source_id), source);
        }
    }
    Ok(known)
}

/// What the entries of a source add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Posted {
    pub(crate) position: Position,
    /// The lowest version that anything was posted for.
    pub(crate) lowest_version: i64,
}

#[derive(FromQueryResult)]
struct PostedRow {
    organization_id: Uuid,
    source_id: Uuid,
    debit: String,
    credit: String,
    minor: i64,
    lowest: i64,
}

/// Reads what has been posted of sources, from the entries themselves.
pub(crate) async fn posted(
    tx: &Tx,
    keys: &[SourceKey],
) -> Result<BTreeMap<SourceKey, Posted>, DbErr> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let backend = tx.conn().get_database_backend();
    let sql = "SELECT e.organization_id, e.source_id, e.debit, e.credit, \
         CAST(SUM(e.minor) AS BIGINT) AS minor, MIN(e.source_version) AS lowest FROM u \
         JOIN ledger_entries e ON e.organization_id = u.o AND e.source_id = u.k \
         GROUP BY e.organization_id, e.source_id, e.debit, e.credit";
    let statement = over(backend, keys, "uuid", sql);
    let mut all: BTreeMap<SourceKey, Posted> = BTreeMap::new();
    for row in PostedRow::find_by_statement(statement).all(tx.conn()).await? {
        let table = "ledger_entries";
        let debit = word(table, "debit", &row.debit)?;
        let credit = word(table, "credit", &row.credit)?;
        let sum = all.entry((OrganizationId(row.organization_id), row.source_id)).or_default();
        let position = std::mem::take(&mut sum.position);
        let moved = Position::moved(debit, credit, row.minor);
        let position = moved.and_then(|moved| position.and(moved));
        sum.position = position.map_err(|_| corrupt(table, "minor"))?;
        sum.lowest_version = sum.lowest_version.min(row.lowest);
    }
    Ok(all)
}

#[derive(FromQueryResult)]
struct HeadRow {
    organization_id: Uuid,
    ordinal: i64,
    hash: String,
}

#[derive(FromQueryResult)]
struct StandingRow {
    organization_id: Uuid,
    account: String,
    balance: i64,
    entries: i64,
}

/// Opens the books of organizations, in their order: locks the end of each chain, behind which
/// nobody else posts until this transaction is over, and reads the accounts that are touched.
pub(crate) async fn open_books(
    tx: &Tx,
    touched: &BTreeMap<OrganizationId, BTreeSet<Account>>,
) -> Result<BTreeMap<OrganizationId, Book>, WriteError> {
    let genesis = hex::encode(GENESIS);
    let heads = Insert::into("ledger_heads")
        .column("organization_id", Column::Uuid(touched.keys().map(|org| org.0).collect()))
        .column("ordinal", Column::same_i64(Some(0)))
        .column("hash", Column::same_text(Some(&genesis)))
        .on_conflict("ON CONFLICT DO NOTHING");
    tx.insert(heads).await?;
    let backend = tx.conn().get_database_backend();
    let keys: Vec<(OrganizationId, i64)> = touched.keys().map(|org| (*org, 0)).collect();
    let sql = format!(
        "SELECT h.organization_id, h.ordinal, h.hash FROM u JOIN ledger_heads h \
         ON h.organization_id = u.o ORDER BY h.organization_id{}",
        lock_clause(backend, "h")
    );
    let statement = over(backend, &keys, "bigint", &sql);
    let mut books = BTreeMap::new();
    for row in HeadRow::find_by_statement(statement).all(tx.conn()).await? {
        let organization = OrganizationId(row.organization_id);
        // A head that was tampered with is found by verifying; what is new is chained all the same.
        let hash = hash(&row.hash).unwrap_or(GENESIS);
        let ordinal = row.ordinal;
        books.insert(organization, Book { organization, ordinal, hash, accounts: BTreeMap::new() });
    }
    let keys: Vec<(OrganizationId, String)> = touched
        .iter()
        .flat_map(|(org, accounts)| accounts.iter().map(|account| (*org, account.to_string())))
        .collect();
    let sql = "SELECT a.organization_id, a.account, a.balance, a.entries FROM u \
         JOIN ledger_accounts a ON a.organization_id = u.o AND a.account = u.k";
    let statement = over(backend, &keys, "text", sql);
    for row in StandingRow::find_by_statement(statement).all(tx.conn()).await? {
        let account = word("ledger_accounts", "account", &row.account)?;
        let standing = Standing { balance: row.balance, entries: row.entries };
        if let Some(book) = books.get_mut(&OrganizationId(row.organization_id)) {
            book.accounts.insert(account, standing);
        }
    }
    Ok(books)
}
