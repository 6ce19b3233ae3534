//! What is read of the ledger: accounts, their entries, the chain.

use std::fmt::Write as _;

use quittance_chassis::db::Db;
use quittance_kernel::{OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait as _, DbErr, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::super::statement;
use super::{hash, word};
use crate::domain::{Account, AccountKind, BookEntry, Hash, Transfer};

/// What an account holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountRow {
    pub(crate) account: Account,
    pub(crate) balance: i64,
    pub(crate) entries: i64,
}

/// Which accounts are listed.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountFilter {
    pub(crate) kind: Option<AccountKind>,
    pub(crate) owner: Option<String>,
    pub(crate) currency: Option<String>,
}

#[derive(FromQueryResult)]
struct KeptRow {
    account: String,
    balance: i64,
    entries: i64,
}

/// The accounts of an organization after one of them, in the order of their names.
pub(crate) async fn account_rows_of(
    db: &Db,
    organization: OrganizationId,
    filter: &AccountFilter,
    after: &str,
    limit: u32,
) -> Result<Vec<AccountRow>, DbErr> {
    let mut binds: Vec<Value> = vec![organization.0.into(), after.into()];
    let mut sql = "SELECT account, balance, entries FROM ledger_accounts \
         WHERE organization_id = $1 AND account > $2"
        .to_owned();
    let kind = filter.kind.map(|kind| kind.as_str().to_owned());
    let conditions =
        [("kind", kind), ("owner", filter.owner.clone()), ("currency", filter.currency.clone())];
    for (column, value) in conditions {
        if let Some(value) = value {
            binds.push(value.into());
            let _ = write!(sql, " AND {column} = ${}", binds.len());
        }
    }
    let _ = write!(sql, " ORDER BY account LIMIT {limit}");
    let statement = Statement::from_sql_and_values(db.backend(), sql, binds);
    let rows = KeptRow::find_by_statement(statement).all(db.conn()).await?;
    rows.into_iter()
        .map(|row| {
            let account = word("ledger_accounts", "account", &row.account)?;
            Ok(AccountRow { account, balance: row.balance, entries: row.entries })
        })
        .collect()
}

/// One entry as an account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryRow {
    pub(crate) ordinal: i64,
    pub(crate) source: Uuid,
    pub(crate) event: Uuid,
    pub(crate) kind: String,
    pub(crate) occurred_at: Timestamp,
    pub(crate) posted_at: Timestamp,
    /// The account on the other side.
    pub(crate) other: Account,
    /// Positive when the account was debited.
    pub(crate) minor: i64,
    /// What the account held after it.
    pub(crate) balance: i64,
    pub(crate) hash: String,
}

#[derive(FromQueryResult)]
struct SideRow {
    ordinal: i64,
    source_id: Uuid,
    event_id: Uuid,
    kind: String,
    occurred_at: Timestamp,
    posted_at: Timestamp,
    other: String,
    moved: i64,
    balance: i64,
    hash: String,
}

/// Two reads of an index each, merged.
pub(in crate::store) fn entries_sql(limit: u32) -> String {
    let columns = "ordinal, source_id, event_id, kind, occurred_at, posted_at";
    let side = |account: &str, other: &str, sign: &str| {
        format!(
            "SELECT * FROM (SELECT {columns}, {other} AS other, {sign}minor AS moved, \
             {account}_balance AS balance, hash FROM ledger_entries \
             WHERE organization_id = $1 AND {account} = $2 AND ordinal < $3 \
             ORDER BY ordinal DESC LIMIT {limit}) AS {account}s"
        )
    };
    format!(
        "SELECT * FROM ({} UNION ALL {}) AS both_sides ORDER BY ordinal DESC LIMIT {limit}",
        side("debit", "credit", ""),
        side("credit", "debit", "-")
    )
}

/// The entries of an account before a place of the chain, the newest first.
pub(crate) async fn entries_of(
    db: &Db,
    organization: OrganizationId,
    account: &Account,
    before: i64,
    limit: u32,
) -> Result<Vec<EntryRow>, DbErr> {
    let binds = [organization.0.into(), account.to_string().into(), before.into()];
    let statement = statement(db, &entries_sql(limit), binds);
    let rows = SideRow::find_by_statement(statement).all(db.conn()).await?;
    rows.into_iter()
        .map(|row| {
            Ok(EntryRow {
                ordinal: row.ordinal,
                source: row.source_id,
                event: row.event_id,
                kind: row.kind,
                occurred_at: row.occurred_at,
                posted_at: row.posted_at,
                other: word("ledger_entries", "account", &row.other)?,
                minor: row.moved,
                balance: row.balance,
                hash: row.hash,
            })
        })
        .collect()
}

/// An entry in its chain. What no service of ours could have written is none.
pub(crate) struct Chained {
    pub(crate) ordinal: i64,
    pub(crate) prev: Option<Hash>,
    pub(crate) hash: Option<Hash>,
    pub(crate) entry: Option<BookEntry>,
}

#[derive(FromQueryResult)]
struct ChainRow {
    ordinal: i64,
    source_id: Uuid,
    source_version: i64,
    part: i64,
    event_id: Uuid,
    kind: String,
    occurred_at: Timestamp,
    posted_at: Timestamp,
    debit: String,
    credit: String,
    minor: i64,
    debit_balance: i64,
    credit_balance: i64,
    prev: String,
    hash: String,
}

impl ChainRow {
    fn chained(self, organization: OrganizationId) -> Chained {
        let accounts = self.debit.parse().ok().zip(self.credit.parse().ok());
        Chained {
            ordinal: self.ordinal,
            prev: hash(&self.prev),
            hash: hash(&self.hash),
            entry: accounts.map(|(debit, credit)| BookEntry {
                organization,
                ordinal: self.ordinal,
                source: self.source_id,
                version: self.source_version,
                part: self.part,
                event: self.event_id,
                kind: self.kind,
                occurred_at: self.occurred_at,
                posted_at: self.posted_at,
                transfer: Transfer { debit, credit, minor: self.minor },
                debit_balance: self.debit_balance,
                credit_balance: self.credit_balance,
            }),
        }
    }
}

/// The entries of an organization after a place, in the order of the chain.
pub(crate) async fn chain(
    db: &Db,
    organization: OrganizationId,
    after: i64,
    limit: u32,
) -> Result<Vec<Chained>, DbErr> {
    let sql = format!(
        "SELECT ordinal, source_id, source_version, part, event_id, kind, occurred_at, posted_at, \
         debit, credit, minor, debit_balance, credit_balance, prev, hash FROM ledger_entries \
         WHERE organization_id = $1 AND ordinal > $2 ORDER BY ordinal LIMIT {limit}"
    );
    let statement = statement(db, &sql, [organization.0.into(), after.into()]);
    let rows = ChainRow::find_by_statement(statement).all(db.conn()).await?;
    Ok(rows.into_iter().map(|row| row.chained(organization)).collect())
}

/// The end of an organization's chain and its accounts, as they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) ordinal: i64,
    pub(crate) hash: String,
    pub(crate) accounts: Vec<AccountRow>,
}

/// Reads what is kept in one statement, hence of one moment.
pub(crate) async fn kept(db: &Db, organization: OrganizationId) -> Result<Kept, DbErr> {
    let sql = "SELECT h.ordinal, h.hash, a.account, a.balance, a.entries FROM ledger_heads h \
         LEFT JOIN ledger_accounts a ON a.organization_id = h.organization_id \
         WHERE h.organization_id = $1 ORDER BY a.account";
    let rows = db.conn().query_all_raw(statement(db, sql, [organization.0.into()])).await?;
    let mut kept = Kept::default();
    for row in &rows {
        (kept.ordinal, kept.hash) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let Some(account) = row.try_get_by_index::<Option<String>>(2)? else { continue };
        let account = word("ledger_accounts", "account", &account)?;
        let (balance, entries) = (row.try_get_by_index(3)?, row.try_get_by_index(4)?);
        kept.accounts.push(AccountRow { account, balance, entries });
    }
    Ok(kept)
}
