//! The tables of this service: rows are private to the modules below.
//!
//! Statements number their parameters `$1`, which both databases understand.

/// The generation that the organization `$1` reads, for the condition of a statement: all that it
/// reads is then of one generation, and the condition leads into an index as the id itself would.
macro_rules! current {
    () => {
        "COALESCE((SELECT g.current_id FROM generations g WHERE g.organization_id = $1), $1)"
    };
}

mod bank;
mod days;
mod directory;
mod generations;
mod ledger;
mod lines;
mod partners;
mod payments;
mod reconciliation;
mod row;
mod sums;
mod told;
mod totals;
mod truth;

use sea_orm::{DbErr, Statement, Value};

use quittance_chassis::db::Db;

pub(crate) use bank::{
    Imported, MatchedLine, UnmatchedPayout, keep_statement, matched_before, statement_by_id,
    statement_lines, statement_of, statements,
};
pub(crate) use days::{day_rows, days, top_earners};
pub(crate) use directory::{
    CycleEntry, MemberEntry, cycle_names, cycle_rows, member_name, member_rows,
};
pub(crate) use generations::{
    Generations, Hold, RebuildRow, begin, current, generations, sweep, switch,
};
pub(crate) use ledger::{
    AccountFilter, AccountRow, Chained, EntryRow, Kept, Posted, SourceKey, account_rows,
    account_rows_of, chain, ensure_sources, entries_of, entry_rows, head_rows, kept, lock_sources,
    open_books, posted, source_rows,
};
pub(crate) use lines::{
    HistoryKey, HistoryLine, LineKey, ensure, history, line_rows, lines_of_both, lock, look,
};
pub(crate) use partners::{EntryKey, partner_rows, partner_sums};
pub(crate) use payments::{Movement, Position, movements};
pub(crate) use reconciliation::{
    Which, keep_report, kept_cycles, kept_entries, kept_lines, kept_members, kept_totals,
    last_figures, last_report, line_page,
};
pub(crate) use sums::{count_rows, cycle_money_rows, cycles_of, member_money_rows};
pub(crate) use told::{ToldLine, told_again_rows, told_of, told_rows};
pub(crate) use totals::{MoneyTotal, TopEarner, top_earner, totals};
pub(crate) use truth::drift;

fn statement<const N: usize>(db: &Db, sql: &str, binds: [Value; N]) -> Statement {
    Statement::from_sql_and_values(db.backend(), sql, binds)
}

/// The database holds what we never write.
fn corrupt(table: &str, column: &str) -> DbErr {
    DbErr::Type(format!("a row of `{table}` is inconsistent in `{column}`"))
}

#[cfg(test)]
mod tests;
