//! The arithmetic of balances. Pure: what is known of an issue, and what that adds up to.

mod balance;
mod line;
pub(crate) mod partner;
mod period;
mod sheet;
mod sums;

pub use balance::{Balance, BalanceTotal, CycleBalance};
pub(crate) use balance::{CycleFacts, SeverityRates};
pub(crate) use line::{Earning, EarningState, Filing, Line, Payment};
pub use period::Period;
pub(crate) use sheet::{CsvRow, CsvSheet};
pub use sums::{Counts, OutOfRange, Sums};
pub(crate) use sums::{CountsKey, Differences, MoneyKey};
