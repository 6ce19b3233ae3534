//! The book of the caller's organization: its accounts, and the entries of one of them.

use quittance_kernel::{Ctx, Currency, PageError, PageRequest, token};

use super::{Balances, Error};
use crate::domain::{Account, AccountKind};
use crate::store::{self, AccountFilter, AccountRow, EntryRow};

/// One page of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountsPage {
    pub(crate) accounts: Vec<AccountRow>,
    /// Empty on the last page.
    pub(crate) next: String,
}

/// One page of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntriesPage {
    pub(crate) entries: Vec<EntryRow>,
    /// Empty on the last page.
    pub(crate) next: String,
}

/// Takes the empty text for none.
fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

impl Balances {
    /// Lists the accounts of the caller's organization in the order of their names.
    #[tracing::instrument(name = "ledger.accounts", skip_all)]
    pub(crate) async fn ledger_accounts(
        &self,
        ctx: &Ctx,
        kind: &str,
        owner: &str,
        currency: &str,
        (page_size, page_token): (i32, &str),
    ) -> Result<AccountsPage, Error> {
        let kind: Option<AccountKind> = match kind {
            "" => None,
            text => Some(text.parse().map_err(|_| Error::Field("kind", "is no kind of account"))?),
        };
        let currency = some(currency);
        if currency.as_deref().is_some_and(|code| code.parse::<Currency>().is_err()) {
            return Err(Error::Field("currency", "must be an ISO 4217 code"));
        }
        let filter = AccountFilter { kind, owner: some(owner), currency };
        let query = format!("ledger/accounts?{filter:?}");
        let page = PageRequest::parse(page_size, page_token, &query)?;
        let after = match page.after.as_deref() {
            None => String::new(),
            Some([account]) => account.clone(),
            Some(_) => return Err(PageError::BadToken.into()),
        };
        let organization = ctx.organization();
        // One more than asked for tells whether there is another page.
        let limit = page.size + 1;
        let mut accounts =
            store::account_rows_of(&self.db, organization, &filter, &after, limit).await?;
        let more = accounts.len() > page.size as usize;
        accounts.truncate(page.size as usize);
        let last = if more { accounts.last() } else { None };
        let next = last.map(|row| token::encode(&[row.account.to_string()], &query));
        Ok(AccountsPage { next: next.unwrap_or_default(), accounts })
    }

    /// Lists the entries of one account, the newest first.
    #[tracing::instrument(name = "ledger.entries", skip_all)]
    pub(crate) async fn ledger_entries(
        &self,
        ctx: &Ctx,
        account: &str,
        page_size: i32,
        page_token: &str,
    ) -> Result<EntriesPage, Error> {
        let account: Account = account
            .parse()
            .map_err(|_| Error::Field("account", "must be an account such as `rail:kaspi:KZT`"))?;
        let query = format!("ledger/entries?{account}");
        let page = PageRequest::parse(page_size, page_token, &query)?;
        let before = match page.after.as_deref() {
            None => i64::MAX,
            Some([ordinal]) => ordinal.parse().map_err(|_| PageError::BadToken)?,
            Some(_) => return Err(PageError::BadToken.into()),
        };
        let limit = page.size + 1;
        let mut entries =
            store::entries_of(&self.db, ctx.organization(), &account, before, limit).await?;
        let more = entries.len() > page.size as usize;
        entries.truncate(page.size as usize);
        let last = if more { entries.last() } else { None };
        let next = last.map(|row| token::encode(&[row.ordinal.to_string()], &query));
        Ok(EntriesPage { next: next.unwrap_or_default(), entries })
    }
}
