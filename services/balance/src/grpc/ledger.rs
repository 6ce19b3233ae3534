//! The ledger over gRPC.

use quittance_chassis::grpc::caller;
use quittance_proto::balance::v1 as proto;
use quittance_proto::balance::v1::ledger_service_server::LedgerService;
use tonic::{Request, Response, Status};

use super::convert::time;
use crate::app::{Balances, LedgerFlaw, LedgerVerdict};
use crate::store::{AccountRow, EntryRow};

#[tonic::async_trait]
impl LedgerService for Balances {
    async fn list_ledger_accounts(
        &self,
        request: Request<proto::ListLedgerAccountsRequest>,
    ) -> Result<Response<proto::ListLedgerAccountsResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::ListLedgerAccountsRequest { page_size, page_token, kind, owner, currency_code } =
            request.into_inner();
        let place = (page_size, page_token.as_str());
        let page = self.ledger_accounts(&ctx, &kind, &owner, &currency_code, place).await?;
        let accounts = page.accounts.iter().map(account).collect();
        Ok(Response::new(proto::ListLedgerAccountsResponse {
            accounts,
            next_page_token: page.next,
        }))
    }

    async fn list_ledger_entries(
        &self,
        request: Request<proto::ListLedgerEntriesRequest>,
    ) -> Result<Response<proto::ListLedgerEntriesResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::ListLedgerEntriesRequest { account, page_size, page_token } =
            request.into_inner();
        let page = self.ledger_entries(&ctx, &account, page_size, &page_token).await?;
        let entries = page.entries.into_iter().map(entry).collect();
        Ok(Response::new(proto::ListLedgerEntriesResponse { entries, next_page_token: page.next }))
    }

    async fn get_ledger_verification(
        &self,
        request: Request<proto::GetLedgerVerificationRequest>,
    ) -> Result<Response<proto::GetLedgerVerificationResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let verdict = self.verify_ledger(&ctx).await?;
        Ok(Response::new(self::verdict(verdict)))
    }
}

fn account(row: &AccountRow) -> proto::LedgerAccount {
    proto::LedgerAccount {
        account: row.account.to_string(),
        kind: row.account.kind.as_str().to_owned(),
        owner: row.account.owner.to_string(),
        currency_code: row.account.currency.code().to_owned(),
        balance_minor: row.balance,
        entry_count: row.entries,
    }
}

fn entry(row: EntryRow) -> proto::LedgerEntry {
    proto::LedgerEntry {
        ordinal: row.ordinal,
        source_id: row.source.to_string(),
        event_id: row.event.to_string(),
        event_type: row.kind,
        occur_time: Some(time(row.occurred_at)),
        post_time: Some(time(row.posted_at)),
        other_account: row.other.to_string(),
        amount_minor: row.minor,
        balance_minor: row.balance,
        hash: row.hash,
    }
}

fn verdict(verdict: LedgerVerdict) -> proto::GetLedgerVerificationResponse {
    proto::GetLedgerVerificationResponse {
        ok: verdict.ok(),
        entry_count: verdict.entries,
        account_count: i64::try_from(verdict.accounts).unwrap_or(i64::MAX),
        head_hash: verdict.head,
        totals: verdict
            .totals
            .into_iter()
            .map(|(currency, sum)| proto::LedgerTotal {
                currency_code: currency.code().to_owned(),
                sum_minor: i64::try_from(sum).unwrap_or(i64::MAX),
            })
            .collect(),
        first_broken: verdict.broken.map(|(ordinal, flaw)| broken(ordinal, flaw)),
    }
}

fn broken(ordinal: i64, flaw: LedgerFlaw) -> proto::BrokenEntry {
    let (flaw, account) = match flaw {
        LedgerFlaw::Changed => (proto::LedgerFlaw::Changed, String::new()),
        LedgerFlaw::Missing => (proto::LedgerFlaw::Missing, String::new()),
        LedgerFlaw::ForgedLink => (proto::LedgerFlaw::ForgedLink, String::new()),
        LedgerFlaw::Balance(account) => (proto::LedgerFlaw::Balance, account),
    };
    proto::BrokenEntry { ordinal, flaw: flaw.into(), account }
}
