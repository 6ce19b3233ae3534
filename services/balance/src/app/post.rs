//! What a batch of events moves, posted to the ledger in its transaction.

use std::collections::{BTreeMap, BTreeSet};

use quittance_chassis::db::{Tx, WriteError, WriteSet};
use quittance_kernel::OrganizationId;

use crate::domain::{Account, LedgerError, Posting};
use crate::store;

/// Adds the entries, the balances and the ends of the chains to the set. The inner result is final.
pub(super) async fn post(
    tx: &Tx,
    set: &mut WriteSet,
    postings: &BTreeMap<OrganizationId, Vec<Posting>>,
) -> Result<Result<(), LedgerError>, WriteError> {
    if postings.is_empty() {
        return Ok(Ok(()));
    }
    let touched: BTreeMap<OrganizationId, BTreeSet<Account>> = postings
        .iter()
        .map(|(organization, postings)| {
            let transfers = postings.iter().flat_map(|posting| &posting.transfers);
            (*organization, transfers.flat_map(|moved| [moved.debit, moved.credit]).collect())
        })
        .collect();
    let mut books = store::open_books(tx, &touched).await?;
    let mut entries = Vec::new();
    for (organization, postings) in postings {
        let Some(book) = books.get_mut(organization) else { continue };
        for posting in postings {
            match book.post(posting, tx.ctx().now) {
                Ok(posted) => entries.extend(posted),
                Err(error) => return Ok(Err(error)),
            }
        }
    }
    set.insert(store::entry_rows(&entries));
    set.insert(store::account_rows(&books));
    set.insert(store::head_rows(&books));
    Ok(Ok(()))
}
