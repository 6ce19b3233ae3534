//! What is written of the ledger.

use std::collections::BTreeMap;

use quittance_chassis::db::{Column, Insert};
use quittance_kernel::{Method, OrganizationId};

use super::SourceKey;
use crate::domain::{Account, Book, BookEntry, Hash, Source};

/// The rows of sources that are already there and locked.
pub(crate) fn source_rows(sources: &BTreeMap<SourceKey, Source>) -> Insert {
    let all = || sources.values();
    let codes = all().map(|source| Some(source.amount.currency().code().to_owned()));
    let methods = all().map(|source| source.method.map(Method::as_str).map(str::to_owned));
    Insert::into("ledger_sources")
        .column("organization_id", Column::Uuid(sources.keys().map(|key| key.0.0).collect()))
        .column("source_id", Column::Uuid(sources.keys().map(|key| key.1).collect()))
        .column("version", Column::I64(all().map(|source| source.version).collect()))
        .column("stage", Column::Text(all().map(|s| s.stage.as_str().to_owned()).collect()))
        .column("payee_id", Column::Uuid(all().map(|source| source.payee.0).collect()))
        .column("minor", Column::I64(all().map(|source| source.amount.minor()).collect()))
        .column("currency", Column::OptText(codes.collect()))
        .column("method", Column::OptText(methods.collect()))
        .on_conflict(
            "ON CONFLICT (organization_id, source_id) DO UPDATE SET version = excluded.version, \
             stage = excluded.stage, payee_id = excluded.payee_id, minor = excluded.minor, \
             currency = excluded.currency, method = excluded.method",
        )
}

/// Entries, each with the hash before it and its own.
pub(crate) fn entry_rows(entries: &[(BookEntry, Hash, Hash)]) -> Insert {
    let all = || entries.iter().map(|(entry, _, _)| entry);
    let number = |pick: fn(&BookEntry) -> i64| Column::I64(all().map(pick).collect());
    let debits = all().map(|entry| entry.transfer.debit.to_string());
    let credits = all().map(|entry| entry.transfer.credit.to_string());
    Insert::into("ledger_entries")
        .column("organization_id", Column::Uuid(all().map(|e| e.organization.0).collect()))
        .column("ordinal", number(|entry| entry.ordinal))
        .column("source_id", Column::Uuid(all().map(|entry| entry.source).collect()))
        .column("source_version", number(|entry| entry.version))
        .column("part", number(|entry| entry.part))
        .column("event_id", Column::Uuid(all().map(|entry| entry.event).collect()))
        .column("kind", Column::Text(all().map(|entry| entry.kind.clone()).collect()))
        .column("occurred_at", Column::Time(all().map(|entry| entry.occurred_at).collect()))
        .column("posted_at", Column::Time(all().map(|entry| entry.posted_at).collect()))
        .column("debit", Column::Text(debits.collect()))
        .column("credit", Column::Text(credits.collect()))
        .column("minor", number(|entry| entry.transfer.minor))
        .column("debit_balance", number(|entry| entry.debit_balance))
        .column("credit_balance", number(|entry| entry.credit_balance))
        .column("prev", Column::Text(entries.iter().map(|e| hex::encode(e.1)).collect()))
        .column("hash", Column::Text(entries.iter().map(|e| hex::encode(e.2)).collect()))
}

/// Where the chains end now.
pub(crate) fn head_rows(books: &BTreeMap<OrganizationId, Book>) -> Insert {
    let all = || books.values();
    Insert::into("ledger_heads")
        .column("organization_id", Column::Uuid(all().map(|book| book.organization.0).collect()))
        .column("ordinal", Column::I64(all().map(|book| book.ordinal).collect()))
        .column("hash", Column::Text(all().map(|book| hex::encode(book.hash)).collect()))
        .on_conflict(
            "ON CONFLICT (organization_id) DO UPDATE SET ordinal = excluded.ordinal, \
             hash = excluded.hash",
        )
}

/// What the accounts hold now.
pub(crate) fn account_rows(books: &BTreeMap<OrganizationId, Book>) -> Insert {
    let all: Vec<_> = books
        .values()
        .flat_map(|book| book.accounts.iter().map(move |(account, held)| (book, account, held)))
        .collect();
    let text = |pick: fn(&Account) -> String| {
        Column::Text(all.iter().map(|(_, account, _)| pick(account)).collect())
    };
    Insert::into("ledger_accounts")
        .column(
            "organization_id",
            Column::Uuid(all.iter().map(|(book, _, _)| book.organization.0).collect()),
        )
        .column("account", text(Account::to_string))
        .column("kind", text(|account| account.kind.as_str().to_owned()))
        .column("owner", text(|account| account.owner.to_string()))
        .column("currency", text(|account| account.currency.code().to_owned()))
        .column("balance", Column::I64(all.iter().map(|(_, _, held)| held.balance).collect()))
        .column("entries", Column::I64(all.iter().map(|(_, _, held)| held.entries).collect()))
        .on_conflict(
            "ON CONFLICT (organization_id, account) DO UPDATE SET balance = excluded.balance, \
             entries = excluded.entries",
        )
}
