//! The book of one organization: running balances, and a chain of hashes over its entries.

use std::collections::BTreeMap;

use quittance_kernel::{OrganizationId, Timestamp};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Account, LedgerError, Transfer};

pub(crate) type Hash = [u8; 32];

/// What the first entry follows.
pub(crate) const GENESIS: Hash = [0; 32];

/// What an event moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Posting {
    /// The issue, payout or commission whose standing changed.
    pub(crate) source: Uuid,
    /// Never twice for one source: the unique index over it is what refuses a second posting.
    pub(crate) version: i64,
    pub(crate) event: Uuid,
    /// The type of the event.
    pub(crate) kind: String,
    pub(crate) occurred_at: Timestamp,
    pub(crate) transfers: Vec<Transfer>,
}

/// What an account holds, and the number of entries that made it so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) balance: i64,
    pub(crate) entries: i64,
}

/// One entry in its place of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BookEntry {
    pub(crate) organization: OrganizationId,
    /// 1, 2, 3 … within the organization.
    pub(crate) ordinal: i64,
    pub(crate) source: Uuid,
    pub(crate) version: i64,
    /// Of one posting: 0, 1, 2 …
    pub(crate) part: i64,
    pub(crate) event: Uuid,
    pub(crate) kind: String,
    pub(crate) occurred_at: Timestamp,
    pub(crate) posted_at: Timestamp,
    pub(crate) transfer: Transfer,
    /// What the debited account holds after it.
    pub(crate) debit_balance: i64,
    pub(crate) credit_balance: i64,
}

impl BookEntry {
    /// SHA-256 over the hash before and every column, texts with their length: what is not hashed
    /// could be changed unseen. The order of the columns is part of the format.
    pub(crate) fn hash(&self, prev: &Hash) -> Hash {
        let mut sha = Sha256::new();
        sha.update(prev);
        sha.update(self.organization.0.as_bytes());
        sha.update(self.source.as_bytes());
        sha.update(self.event.as_bytes());
        let numbers = [
            self.ordinal,
            self.version,
            self.part,
            self.occurred_at.timestamp_micros(),
            self.posted_at.timestamp_micros(),
            self.transfer.minor,
            self.debit_balance,
            self.credit_balance,
        ];
        for number in numbers {
            sha.update(number.to_be_bytes());
        }
        let Transfer { debit, credit, .. } = &self.transfer;
        for text in [&self.kind, &debit.to_string(), &credit.to_string()] {
            sha.update((text.len() as u64).to_be_bytes());
            sha.update(text.as_bytes());
        }
        sha.finalize().into()
    }
}

/// The end of an organization's chain and the accounts that are to be posted to.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) organization: OrganizationId,
    pub(crate) ordinal: i64,
    pub(crate) hash: Hash,
    pub(crate) accounts: BTreeMap<Account, Standing>,
}

impl Book {
    /// Posts, and returns each entry with the hash before it and its own.
    pub(crate) fn post(
        &mut self,
        posting: &Posting,
        posted_at: Timestamp,
    ) -> Result<Vec<(BookEntry, Hash, Hash)>, LedgerError> {
        let mut posted = Vec::with_capacity(posting.transfers.len());
        for (part, transfer) in (0..).zip(&posting.transfers) {
            let minor = transfer.minor;
            let credit = minor.checked_neg().ok_or(LedgerError::OutOfRange)?;
            self.ordinal += 1;
            let entry = BookEntry {
                organization: self.organization,
                ordinal: self.ordinal,
                source: posting.source,
                version: posting.version,
                part,
                event: posting.event,
                kind: posting.kind.clone(),
                occurred_at: posting.occurred_at,
                posted_at,
                debit_balance: self.move_account(transfer.debit, minor)?,
                credit_balance: self.move_account(transfer.credit, credit)?,
                transfer: transfer.clone(),
            };
            let prev = self.hash;
            self.hash = entry.hash(&prev);
            posted.push((entry, prev, self.hash));
        }
        Ok(posted)
    }

    fn move_account(&mut self, account: Account, minor: i64) -> Result<i64, LedgerError> {
        let standing = self.accounts.entry(account).or_default();
        standing.balance = standing.balance.checked_add(minor).ok_or(LedgerError::OutOfRange)?;
        standing.entries += 1;
        Ok(standing.balance)
    }
}
