//! The double-entry book: which accounts a line or a payout stands on, and the entries that take it
//! from one standing to the next.
//!
//! What is known of a source (an issue's money, a payout, a commission) is a [`Position`]: amounts
//! on accounts that sum to zero in each currency. An entry is posted for the **difference** between
//! two positions, so that after any events, in any order and however often, the accounts hold
//! the position of the newest state: the entries telescope.

mod account;
mod book;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use quittance_kernel::{Currency, MemberId, Money, PayoutStatus};

pub(crate) use account::{Account, AccountKind};
pub(crate) use book::{Book, BookEntry, GENESIS, Hash, Posting, Standing};
pub(crate) use source::{Source, Stage};

use super::line::{Earning, Line};
use super::sums::OutOfRange;

/// Why nothing was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("a sum of the ledger is out of range")]
    OutOfRange,
    /// The rules below were broken; nothing of ours does that.
    #[error("an entry does not sum to zero in {0}")]
    Unbalanced(Currency),
}

impl From<OutOfRange> for LedgerError {
    fn from(OutOfRange: OutOfRange) -> Self {
        Self::OutOfRange
    }
}

/// Amounts on accounts, debits positive. Sums to zero in each currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position(BTreeMap<Account, i64>);

/// One entry: an amount moves from one account to another. It has one debit and one credit, so that
/// an entry that does not sum to zero cannot even be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub(crate) debit: Account,
    pub(crate) credit: Account,
    /// Greater than zero.
    pub(crate) minor: i64,
}

impl Position {
    /// One amount, debited and credited. A negative amount goes the other way round.
    pub(crate) fn moved(debit: Account, credit: Account, minor: i64) -> Result<Self, OutOfRange> {
        let mut position = Self::default();
        position.add(debit, minor)?;
        position.add(credit, minor.checked_neg().ok_or(OutOfRange)?)?;
        Ok(position)
    }

    fn add(&mut self, account: Account, minor: i64) -> Result<(), OutOfRange> {
        let sum = self.0.entry(account).or_default();
        *sum = sum.checked_add(minor).ok_or(OutOfRange)?;
        Ok(())
    }

    pub(crate) fn and(mut self, other: Self) -> Result<Self, OutOfRange> {
        for (account, minor) in other.0 {
            self.add(account, minor)?;
        }
        Ok(self)
    }

    /// The entries that lead from this position to the other.
    pub(crate) fn to(&self, after: &Self) -> Result<Vec<Transfer>, LedgerError> {
        let accounts: BTreeSet<&Account> = self.0.keys().chain(after.0.keys()).collect();
        let mut by_currency: BTreeMap<Currency, Vec<(Account, i128)>> = BTreeMap::new();
        for account in accounts {
            let of = |position: &Self| position.0.get(account).copied().map_or(0, i128::from);
            let change = of(after) - of(self);
            if change != 0 {
                by_currency.entry(account.currency).or_default().push((*account, change));
            }
        }
        let mut transfers = Vec::new();
        for (currency, changes) in by_currency {
            if changes.iter().map(|(_, change)| change).sum::<i128>() != 0 {
                return Err(LedgerError::Unbalanced(currency));
            }
            pair(&changes, &mut transfers)?;
        }
        Ok(transfers)
    }
}

/// Pairs what is debited with what is credited, both in the order of their accounts.
fn pair(changes: &[(Account, i128)], transfers: &mut Vec<Transfer>) -> Result<(), LedgerError> {
    let mut debits = changes.iter().filter(|(_, change)| 0 < *change).copied();
    let mut credits = changes.iter().filter(|(_, change)| *change < 0).copied();
    let (mut debit, mut credit) = (debits.next(), credits.next());
    while let (Some((to, owed)), Some((from, had))) = (debit, credit) {
        let part = owed.min(-had);
        let minor = i64::try_from(part).map_err(|_| LedgerError::OutOfRange)?;
        transfers.push(Transfer { debit: to, credit: from, minor });
        debit = if owed == part { debits.next() } else { Some((to, owed - part)) };
        credit = if had == -part { credits.next() } else { Some((from, had + part)) };
    }
    Ok(())
}

/// What the organization owes a payee: its own duty to provide it on the other side.
fn owed(payee: MemberId, amount: Money) -> Result<Position, OutOfRange> {
    let currency = amount.currency();
    Position::moved(
        Account::organization(AccountKind::PayerDue, currency),
        Account::member(AccountKind::Payable, payee, currency),
        amount.minor(),
    )
}

impl Line {
    /// Where the money of an issue stands in the book: the same amounts that the balance calls
    /// pending, earned and receivable (product.md, rule 14).
    pub(crate) fn position(&self) -> Result<Position, OutOfRange> {
        let Some((payee, _, amount)) = self.owed() else { return Ok(Position::default()) };
        let currency = amount.currency();
        let rail = || Account::rail(self.earning.as_ref().and_then(Earning::method), currency);
        match self.payout_status() {
            PayoutStatus::Approved => owed(payee, amount),
            PayoutStatus::Paid => Position::moved(
                Account::organization(AccountKind::PayerDue, currency),
                rail(),
                amount.minor(),
            ),
            // What was kept back of another payment did not leave by a rail after all.
            PayoutStatus::Void => Position::moved(
                Account::member(AccountKind::Receivable, payee, currency),
                rail(),
                self.earning.as_ref().map_or(0, Earning::receivable),
            ),
            PayoutStatus::Pending | PayoutStatus::Rejected => Ok(Position::default()),
        }
    }

    /// Grows with everything new that is heard of the issue or its earning.
    pub(crate) fn version(&self) -> i64 {
        let issue = self.filing.as_ref().map_or(0, |filing| filing.version);
        let earning = self.earning.as_ref().map_or(0, |earning| earning.version);
        issue.saturating_add(earning)
    }
}

#[cfg(test)]
mod tests;
