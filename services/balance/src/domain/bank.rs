//! Statements of banks and providers: what they say, and which payouts it is about. Pure.

mod amount;
mod camt;
mod matching;
mod sheet;

use chrono::NaiveDate;
use quittance_kernel::Money;

pub(crate) use camt::read_camt;
pub(crate) use matching::{MatchedBy, Payment, match_lines};
pub(crate) use sheet::{Columns, read_sheet};

/// The largest file.
pub(crate) const MAX_BYTES: usize = 3 * 1024 * 1024;

/// The most lines of a file.
pub(crate) const MAX_LINES: usize = 10_000;

/// What is kept of a text.
const MAX_TEXT: usize = 500;

/// One movement of money, as the bank writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BankLine {
    pub(crate) booked_on: NaiveDate,
    /// Negative: it went out.
    pub(crate) amount: Money,
    pub(crate) reference: String,
    pub(crate) counterparty: String,
}

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BankStatement {
    /// The account that it is of, as far as it says so.
    pub(crate) account: String,
    pub(crate) lines: Vec<BankLine>,
}

/// A line, and the payouts that it is about.
pub(crate) type Judged = (BankLine, Option<(MatchedBy, Vec<uuid::Uuid>)>);

/// Why a file is not taken. None of it is, then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BankError {
    #[error("the file is larger than 3 MiB")]
    TooLarge,
    #[error("the file has more than 10000 lines")]
    TooManyLines,
    #[error("the file has no lines")]
    Empty,
    #[error("the file is not UTF-8")]
    NotUtf8,
    #[error("line {line}: {problem}")]
    Line { line: usize, problem: &'static str },
    #[error("{0}")]
    Xml(&'static str),
    #[error("column {0:?} is not in the file")]
    NoColumn(String),
    #[error("{field}: {problem}")]
    Mapping { field: &'static str, problem: &'static str },
}

/// What is kept of a text: without ends and without control characters, and not for ever.
fn tidy(text: &str) -> String {
    let kept = text.trim().chars().filter(|letter| !letter.is_control());
    kept.take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests;
