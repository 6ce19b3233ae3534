//! The double-entry book of the organization, and the proof of it.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::balance::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::extract::{Params, Segments};
use crate::problem::Problem;
use crate::rest::shapes::{Id, Page, some, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(accounts)).routes(routes!(entries)).routes(routes!(verify))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AccountFilter {
    /// Such as `payable`, `receivable`, `in_transit`, `payer_due` or `rail`.
    kind: Option<String>,
    /// A member's id, a method, or `organization`.
    owner: Option<String>,
    /// ISO 4217.
    currency: Option<String>,
    page_size: Option<i32>,
    page_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LedgerAccount {
    #[schema(example = "rail:kaspi:KZT")]
    account: String,
    kind: String,
    owner: String,
    currency: String,
    /// Positive is a debit balance.
    balance_minor: i64,
    entry_count: i64,
}

impl From<wire::LedgerAccount> for LedgerAccount {
    fn from(account: wire::LedgerAccount) -> Self {
        Self {
            account: account.account,
            kind: account.kind,
            owner: account.owner,
            currency: account.currency_code,
            balance_minor: account.balance_minor,
            entry_count: account.entry_count,
        }
    }
}

/// Accounts and what they hold, in the order of their names. All of a currency sum to zero.
#[utoipa::path(
    get,
    path = "/api/admin/ledger/accounts",
    operation_id = "listLedgerAccounts",
    tag = "ledger",
    params(AccountFilter),
    responses((status = 200, body = Page<LedgerAccount>))
)]
async fn accounts(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<AccountFilter>,
) -> Result<Json<Page<LedgerAccount>>, Problem> {
    let request = caller.request(wire::ListLedgerAccountsRequest {
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
        kind: filter.kind.unwrap_or_default(),
        owner: filter.owner.unwrap_or_default(),
        currency_code: filter.currency.unwrap_or_default(),
    });
    let reply = gateway.ledger().list_ledger_accounts(request).await?.into_inner();
    Ok(Json(Page::of(reply.accounts, reply.next_page_token)))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EntryPlace {
    page_size: Option<i32>,
    page_token: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LedgerEntry {
    /// Its place in the chain.
    ordinal: i64,
    /// The issue, payout or commission whose standing changed.
    source_id: Id,
    event_id: Id,
    event_type: String,
    #[schema(value_type = DateTime<Utc>)]
    occurred_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    posted_at: Option<DateTime<Utc>>,
    /// The account on the other side.
    other_account: String,
    /// Positive when this account was debited.
    amount_minor: i64,
    /// What this account held after it.
    balance_minor: i64,
    hash: String,
}

impl From<wire::LedgerEntry> for LedgerEntry {
    fn from(entry: wire::LedgerEntry) -> Self {
        Self {
            ordinal: entry.ordinal,
            source_id: Id::new(entry.source_id),
            event_id: Id::new(entry.event_id),
            event_type: entry.event_type,
            occurred_at: time(entry.occur_time),
            posted_at: time(entry.post_time),
            other_account: entry.other_account,
            amount_minor: entry.amount_minor,
            balance_minor: entry.balance_minor,
            hash: entry.hash,
        }
    }
}

/// The entries of one account, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin/ledger/accounts/{account}/entries",
    operation_id = "listLedgerEntries",
    tag = "ledger",
    params(("account" = String, Path, description = "Such as `rail:kaspi:KZT`"), EntryPlace),
    responses((status = 200, body = Page<LedgerEntry>))
)]
async fn entries(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(account): Segments<String>,
    Params(place): Params<EntryPlace>,
) -> Result<Json<Page<LedgerEntry>>, Problem> {
    let request = caller.request(wire::ListLedgerEntriesRequest {
        account,
        page_size: place.page_size.unwrap_or_default(),
        page_token: place.page_token.unwrap_or_default(),
    });
    let reply = gateway.ledger().list_ledger_entries(request).await?.into_inner();
    Ok(Json(Page::of(reply.entries, reply.next_page_token)))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LedgerProof {
    ok: bool,
    /// Entries that hold, counted from the first.
    entries: i64,
    accounts: i64,
    /// The hash of the last entry that holds. Kept elsewhere, it shows that nothing was made anew.
    head_hash: String,
    /// The sum over all accounts of each currency: zero.
    sums: Vec<LedgerSum>,
    first_broken: Option<BrokenEntry>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LedgerSum {
    currency: String,
    sum_minor: i64,
}

/// The first entry that does not hold.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BrokenEntry {
    ordinal: i64,
    /// `changed`, `missing`, `forged_link` or `balance`.
    what: &'static str,
    /// Of a wrong balance: whose.
    account: Option<String>,
}

impl BrokenEntry {
    fn new(broken: wire::BrokenEntry) -> Self {
        let what = match broken.flaw() {
            wire::LedgerFlaw::Missing => "missing",
            wire::LedgerFlaw::ForgedLink => "forged_link",
            wire::LedgerFlaw::Balance => "balance",
            wire::LedgerFlaw::Changed | wire::LedgerFlaw::Unspecified => "changed",
        };
        Self { ordinal: broken.ordinal, what, account: some(broken.account) }
    }
}

/// Recomputes the chain of hashes and all balances from the entries.
#[utoipa::path(
    get,
    path = "/api/admin/ledger/verify",
    operation_id = "verifyLedger",
    tag = "ledger",
    responses((status = 200, body = LedgerProof))
)]
async fn verify(
    caller: Caller,
    State(gateway): State<Gateway>,
) -> Result<Json<LedgerProof>, Problem> {
    let mut request = caller.request(wire::GetLedgerVerificationRequest {});
    request.set_timeout(super::audit::PATIENCE);
    let found = gateway.ledger().get_ledger_verification(request).await?.into_inner();
    let sum = |total: wire::LedgerTotal| LedgerSum {
        currency: total.currency_code,
        sum_minor: total.sum_minor,
    };
    Ok(Json(LedgerProof {
        ok: found.ok,
        entries: found.entry_count,
        accounts: found.account_count,
        head_hash: found.head_hash,
        sums: found.totals.into_iter().map(sum).collect(),
        first_broken: found.first_broken.map(BrokenEntry::new),
    }))
}
