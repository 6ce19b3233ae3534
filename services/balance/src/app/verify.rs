//! Proves the book: every hash and every balance is computed again from the entries.

use std::collections::BTreeMap;

use quittance_kernel::{Ctx, Currency, OrganizationId};

use super::{Balances, Error};
use crate::domain::{Account, GENESIS, Hash, Standing};
use crate::store::{self, Chained, Kept};

/// How many entries are held at once, whatever the length of the chain.
const CHUNK: u32 = 1000;

/// What is wrong with the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerFlaw {
    /// The entry is not what was posted.
    Changed,
    /// Entries are gone.
    Missing,
    /// The entry does not follow from the one before it.
    ForgedLink,
    /// A balance of this account is not what the entries add up to.
    Balance(String),
}

/// What verifying has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerVerdict {
    /// Entries that hold, counted from the first.
    pub entries: i64,
    pub accounts: usize,
    /// Kept elsewhere, it shows that the chain was not made anew.
    pub head: String,
    /// The sum over all accounts of each currency: zero.
    pub totals: Vec<(Currency, i128)>,
    /// The first place that does not hold.
    pub broken: Option<(i64, LedgerFlaw)>,
}

impl LedgerVerdict {
    #[must_use]
    pub fn ok(&self) -> bool {
        self.broken.is_none() && self.totals.iter().all(|(_, sum)| *sum == 0)
    }
}

impl Balances {
    /// Verifies the book of the caller's organization as it is at this moment.
    #[tracing::instrument(name = "ledger.verify", skip_all)]
    pub async fn verify_ledger(&self, ctx: &Ctx) -> Result<LedgerVerdict, Error> {
        let organization = ctx.organization();
        let kept = store::kept(&self.db, organization).await?;
        let mut walk = Walk::default();
        let broken = walk.all(self, organization, &kept).await?;
        let mut totals: BTreeMap<Currency, i128> = BTreeMap::new();
        for row in &kept.accounts {
            *totals.entry(row.account.currency).or_default() += i128::from(row.balance);
        }
        Ok(LedgerVerdict {
            entries: walk.ordinal,
            accounts: kept.accounts.len(),
            head: hex::encode(walk.hash),
            totals: totals.into_iter().collect(),
            broken,
        })
    }
}

/// How far the chain holds, and what the accounts hold there.
struct Walk {
    ordinal: i64,
    hash: Hash,
    accounts: BTreeMap<Account, Standing>,
}

impl Default for Walk {
    fn default() -> Self {
        Self { ordinal: 0, hash: GENESIS, accounts: BTreeMap::new() }
    }
}

impl Walk {
    /// Walks to the end that is kept, and compares what the accounts hold there.
    async fn all(
        &mut self,
        balances: &Balances,
        organization: OrganizationId,
        kept: &Kept,
    ) -> Result<Option<(i64, LedgerFlaw)>, Error> {
        while self.ordinal < kept.ordinal {
            let links = store::chain(&balances.db, organization, self.ordinal, CHUNK).await?;
            let full = links.len() == CHUNK as usize;
            for link in links.iter().take_while(|link| link.ordinal <= kept.ordinal) {
                if let Err(flaw) = self.step(link) {
                    return Ok(Some((self.ordinal + 1, flaw)));
                }
            }
            if !full && self.ordinal < kept.ordinal {
                return Ok(Some((self.ordinal + 1, LedgerFlaw::Missing)));
            }
        }
        if kept.ordinal > 0 && hex::encode(self.hash) != kept.hash {
            return Ok(Some((self.ordinal, LedgerFlaw::ForgedLink)));
        }
        for row in &kept.accounts {
            let held = self.accounts.remove(&row.account).unwrap_or_default();
            if held != (Standing { balance: row.balance, entries: row.entries }) {
                return Ok(Some((self.ordinal, LedgerFlaw::Balance(row.account.to_string()))));
            }
        }
        let lost = self.accounts.keys().next();
        Ok(lost.map(|account| (self.ordinal, LedgerFlaw::Balance(account.to_string()))))
    }

    fn step(&mut self, link: &Chained) -> Result<(), LedgerFlaw> {
        if link.ordinal != self.ordinal + 1 {
            return Err(LedgerFlaw::Missing);
        }
        if link.prev.as_ref() != Some(&self.hash) {
            return Err(LedgerFlaw::ForgedLink);
        }
        let entry = link.entry.as_ref().ok_or(LedgerFlaw::Changed)?;
        let hash = entry.hash(&self.hash);
        if link.hash != Some(hash) {
            return Err(LedgerFlaw::Changed);
        }
        let moved = &entry.transfer;
        let sides = [
            (moved.debit, Some(moved.minor), entry.debit_balance),
            (moved.credit, moved.minor.checked_neg(), entry.credit_balance),
        ];
        for (account, change, balance) in sides {
            let held = self.accounts.entry(account).or_default();
            if change.and_then(|change| held.balance.checked_add(change)) != Some(balance) {
                return Err(LedgerFlaw::Balance(account.to_string()));
            }
            *held = Standing { balance, entries: held.entries + 1 };
        }
        (self.ordinal, self.hash) = (link.ordinal, hash);
        Ok(())
    }
}
