//! The arithmetic of balances. Pure: what is known of an issue, and what that adds up to.

mod balance;
pub(crate) mod bank;
mod days;
mod explain;
mod history;
mod ledger;
mod line;
pub(crate) mod partner;
mod period;
mod proof;
mod reconciliation;
mod sheet;
mod statement;
mod sums;

pub use balance::{Balance, BalanceTotal, CycleBalance};
pub(crate) use balance::{CycleFacts, SeverityRates};
pub use bank::BankError;
pub(crate) use days::{Day, DayDifferences, Interval, day_of, start_of};
pub(crate) use explain::{Figure, Share};
pub(crate) use history::{Part, Told};
pub use ledger::LedgerError;
pub(crate) use ledger::{
    Account, AccountKind, Book, BookEntry, GENESIS, Hash, Position, Posting, Source, Stage,
    Standing, Transfer,
};
pub(crate) use line::{Earning, EarningState, Filing, Line, Payment};
pub use period::Period;
pub(crate) use proof::Prover;
pub use proof::{Proof, Unproven};
pub use reconciliation::{ComparedSum, Finding, FindingKind, Reconciliation};
pub(crate) use reconciliation::{Row, Sum, SumKey, Verdict, compared, judge};
pub(crate) use sheet::{CsvRow, CsvSheet};
pub(crate) use statement::{Statement, StatementLine};
pub use sums::{Counts, Flow, OutOfRange, Sums};
pub(crate) use sums::{CountsKey, Differences, MoneyKey};
