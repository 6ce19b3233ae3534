//! A plan by bank as a file for the bank. Accounts are opened for it and for nothing else.

use std::collections::HashMap;

use quittance_chassis::db::{Entry, Journal, WriteSet};
use quittance_chassis::grpc::Caller;
use quittance_kernel::{MemberId, Method, Money, PlanId};
use quittance_proto::issues::v1::ListMembersRequest;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Error, Payouts};
use crate::domain::payment_file::{Debtor, FilePayment, MAX_PAYMENTS, PaymentFileError, write};
use crate::domain::plan::{Plan, PlanError, PlanState};
use crate::store;

/// How many names are asked for at once.
const PAGE: i32 = 200;

/// A file, and what it adds up to.
pub(crate) struct PaymentFile {
    pub(crate) content: String,
    pub(crate) digest: String,
    pub(crate) totals: Vec<(Money, i64)>,
}

impl Payouts {
    /// Writes what a plan pays, if every payee has an account that may be paid now. Must run in a task
    /// that is not cancelled with its request.
    #[tracing::instrument(name = "payouts.payment_file", skip_all, fields(plan.id = %id))]
    pub(crate) async fn payment_file(
        &self,
        caller: &Caller,
        id: PlanId,
        debtor: &Debtor,
    ) -> Result<PaymentFile, Error> {
        let ctx = &caller.ctx;
        let organization = ctx.organization();
        let plan = store::plan::find(&self.db, organization, id).await?;
        let plan = plan.ok_or(PlanError::NotFound(id))?;
        match plan.state_at(ctx.now) {
            PlanState::Open | PlanState::Committed => {}
            state @ (PlanState::Expired | PlanState::Stale | PlanState::Cancelled) => {
                return Err(PaymentFileError::State(state.as_str()).into());
            }
        }
        if plan.method != Method::Bank {
            return Err(PaymentFileError::Method(plan.method).into());
        }
        let most = MAX_PAYMENTS + 1;
        let sums = store::payment_file::sums(&self.db, organization, id, most).await?;
        let sums = less_what_is_kept_back(&plan, sums)?;
        let ibans = self.ibans(caller, &sums).await?;
        let names = self.names(caller, &sums).await?;
        let payments: Vec<FilePayment> = sums
            .iter()
            .filter_map(|(payee, amount)| {
                let iban = ibans.get(payee)?.clone();
                let name = names.get(payee).cloned().unwrap_or_else(|| payee.to_string());
                Some(FilePayment { payee: *payee, name, iban, amount: *amount })
            })
            .collect();
        let content = write(id, &plan.reference, debtor, &payments, ctx.now)?;
        let digest = hex::encode(Sha256::digest(content.as_bytes()));
        let totals = totals(&payments)?;
        let after = serde_json::json!({
            "payments": payments.len(),
            "sha256": digest,
            "executionDate": debtor.day.to_string(),
            "totals": totals
                .iter()
                .map(|(sum, count)| serde_json::json!({
                    "currency": sum.currency().code(), "amountMinor": sum.minor(), "count": count,
                }))
                .collect::<Vec<_>>(),
        });
        let done = self.wrote(|| {
            let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
            let entry = Entry::new("plan.payment_file", "plan", id.0);
            journal.note(ctx, entry.after(after.to_string()));
            journal.write_to(ctx, &mut set);
            set
        });
        if !done.await? {
            return Err(Error::Contended);
        }
        Ok(PaymentFile { content, digest, totals })
    }

    /// Opens the accounts; all of them or none.
    async fn ibans(
        &self,
        caller: &Caller,
        sums: &[(MemberId, Money)],
    ) -> Result<HashMap<MemberId, String>, Error> {
        let (organization, now) = (caller.ctx.organization(), caller.ctx.now);
        let payees: Vec<Uuid> = sums.iter().map(|(payee, _)| payee.0).collect();
        let conn = self.db.conn();
        let kept = store::account::of_method(conn, organization, Method::Bank, payees).await?;
        let mut ibans = HashMap::new();
        for kept in kept {
            // One that was changed lately waits, as everywhere.
            if kept.account.payable_at(self.cooldown(), now).is_none() {
                let plain = self.keys.open(&kept.bound(), &kept.sealed)?;
                ibans.insert(kept.account.member, plain);
            }
        }
        let mut missing: Vec<MemberId> = sums
            .iter()
            .map(|(payee, _)| *payee)
            .filter(|payee| !ibans.contains_key(payee))
            .collect();
        missing.dedup();
        if missing.is_empty() {
            return Ok(ibans);
        }
        Err(PaymentFileError::NoAccount(missing).into())
    }

    /// How the payees are called, as far as issues knows them.
    async fn names(
        &self,
        caller: &Caller,
        sums: &[(MemberId, Money)],
    ) -> Result<HashMap<MemberId, String>, Error> {
        let mut names = HashMap::new();
        let mut page_token = String::new();
        loop {
            let message = ListMembersRequest { page_size: PAGE, page_token };
            let answer = self.members.clone().list_members(caller.request(message)).await;
            let page = answer.map_err(|status| Error::Facts(Box::new(status)))?.into_inner();
            for member in page.members {
                if let Ok(id) = member.member_id.parse::<Uuid>() {
                    names.insert(MemberId(id), member.name);
                }
            }
            page_token = page.next_page_token;
            if page_token.is_empty() || sums.iter().all(|(payee, _)| names.contains_key(payee)) {
                return Ok(names);
            }
        }
    }
}

/// What is paid: the sums less what is kept back of them.
fn less_what_is_kept_back(
    plan: &Plan,
    mut sums: Vec<(MemberId, Money)>,
) -> Result<Vec<(MemberId, Money)>, PaymentFileError> {
    if sums.len() > MAX_PAYMENTS {
        return Err(PaymentFileError::TooLarge);
    }
    for (payee, amount) in &mut sums {
        let currency = amount.currency();
        let kept = plan.nettings.iter().filter(|netted| netted.payee == *payee);
        for netted in kept.filter(|netted| netted.amount.currency() == currency) {
            let less = netted.amount.checked_neg().and_then(|less| amount.checked_add(less));
            *amount = less.map_err(|_| PaymentFileError::OutOfRange)?;
        }
    }
    sums.retain(|(_, amount)| amount.minor() > 0);
    if sums.is_empty() { Err(PaymentFileError::Empty) } else { Ok(sums) }
}

fn totals(payments: &[FilePayment]) -> Result<Vec<(Money, i64)>, PaymentFileError> {
    let mut totals: Vec<(Money, i64)> = Vec::new();
    for payment in payments {
        let currency = payment.amount.currency();
        match totals.iter_mut().find(|(sum, _)| sum.currency() == currency) {
            Some((sum, count)) => {
                let more = sum.checked_add(payment.amount);
                *sum = more.map_err(|_| PaymentFileError::OutOfRange)?;
                *count += 1;
            }
            None => totals.push((payment.amount, 1)),
        }
    }
    Ok(totals)
}
