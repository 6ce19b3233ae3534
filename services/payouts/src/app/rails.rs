//! What people do about rails: follow a batch, and have a failed payout tried again.

use std::collections::HashMap;

use prost::Message;
use quittance_chassis::db::{Idempotency, Tx, WriteError};
use quittance_kernel::{BatchId, Ctx, MemberId, Method, OrganizationId, PayoutId};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::plan::TRIES;
use super::{Answered, Error, Payouts};
use crate::domain::account::PayoutAccount;
use crate::domain::decision::Known;
use crate::domain::earning::EarningStatus;
use crate::domain::lifecycle::LifecycleError;
use crate::domain::order::Order;
use crate::domain::payout::Payout;
use crate::domain::payout_machine::{Command, step};
use crate::domain::rail::{Progress, RailError, is_onboarded};
use crate::store;

impl Payouts {
    /// Adds where the payees of an order are paid to, if a provider is to pay them.
    pub(super) async fn with_accounts(
        &self,
        ctx: &Ctx,
        order: &Order,
        mut known: Known,
    ) -> Result<Known, Error> {
        if let Some(rail) = order.executed_by() {
            if self.policy.sandbox_closed {
                known.accounts = Some(HashMap::new());
                return Ok(known);
            }
            let payees = known.facts.values().map(|facts| facts.reporter.0).collect();
            // Who has changed an account lately is among the limits, and waits.
            let found = self.open_accounts(self.db.conn(), ctx, rail, payees).await?;
            let number =
                |(member, (number, _)): (MemberId, (String, PayoutAccount))| (member, number);
            known.accounts = Some(found.into_iter().map(number).collect());
        }
        Ok(known)
    }

    /// Opens the accounts of these members that the provider can pay to.
    pub(super) async fn open_accounts<C: ConnectionTrait>(
        &self,
        conn: &C,
        ctx: &Ctx,
        rail: Method,
        members: Vec<Uuid>,
    ) -> Result<HashMap<MemberId, (String, PayoutAccount)>, Error> {
        let kept = store::account::of_method(conn, ctx.organization(), rail, members).await?;
        let mut accounts = HashMap::new();
        for kept in kept {
            let number = self.keys.open(&kept.bound(), &kept.sealed)?;
            if is_onboarded(&number) {
                accounts.insert(kept.account.member, (number, kept.account));
            }
        }
        Ok(accounts)
    }

    /// Opens the accounts that providers can pay to, of several organizations.
    pub(super) async fn accounts_of_all<C: ConnectionTrait>(
        &self,
        conn: &C,
        organizations: Vec<Uuid>,
        members: Vec<Uuid>,
    ) -> Result<HashMap<(OrganizationId, MemberId, Method), String>, Error> {
        let mut accounts = HashMap::new();
        for kept in store::account::of_members(conn, organizations, members).await? {
            let method = kept.account.method;
            if method.is_manual() {
                continue;
            }
            let number = self.keys.open(&kept.bound(), &kept.sealed)?;
            if is_onboarded(&number) {
                accounts.insert((kept.organization, kept.account.member, method), number);
            }
        }
        Ok(accounts)
    }

    /// How far a batch is.
    pub(crate) async fn batch(&self, ctx: &Ctx, batch: BatchId) -> Result<Progress, Error> {
        let found = store::rail::progress(self.db.conn(), ctx.organization(), batch).await?;
        found.ok_or_else(|| RailError::BatchNotFound(batch).into())
    }

    /// Has a failed payout paid by its provider once more, once per key: one further call, to the
    /// account of now.
    #[tracing::instrument(name = "payouts.retry", skip_all, fields(payout.id = %id))]
    pub(crate) async fn retry<R: Message + Default>(
        &self,
        ctx: &Ctx,
        id: PayoutId,
        key: Option<&Idempotency>,
        reply: impl Fn(&Payout) -> R,
    ) -> Result<Answered<R>, Error> {
        Self::permit_runs(ctx)?;
        for _ in 0..TRIES {
            if let Some(before) = self.recall(ctx, key).await? {
                return Ok(before);
            }
            match self.try_retry(ctx, id, key, &reply).await {
                Ok(reply) => {
                    self.due.notify_one();
                    return Ok(Answered { reply, replayed: false });
                }
                Err(Error::Write(WriteError::Duplicate(_) | WriteError::Stale)) => {}
                Err(error) => {
                    // The same request may have done it since the key was looked up.
                    if let Some(before) = self.recall(ctx, key).await? {
                        return Ok(before);
                    }
                    return Err(error);
                }
            }
        }
        Err(Error::Contended)
    }

    async fn try_retry<R: Message>(
        &self,
        ctx: &Ctx,
        id: PayoutId,
        key: Option<&Idempotency>,
        reply: &impl Fn(&Payout) -> R,
    ) -> Result<R, Error> {
        let organization = ctx.organization();
        let tx = Tx::begin(&self.db, ctx).await?;
        let payout = store::payout::lock(tx.conn(), organization, id).await?;
        let payout = payout.ok_or(LifecycleError::PayoutNotFound(id))?;
        let state = step(payout.state, Command::Retry).map_err(LifecycleError::from)?;
        if payout.payee == ctx.member() {
            return Err(LifecycleError::SelfApproval.into());
        }
        if let Some(payment) =
            store::bounty_payment::lock_of(tx.conn(), organization, vec![id.0]).await?.pop()
        {
            let reply = reply(&Payout { state, version: payout.version + 1, ..payout.clone() });
            return self.retry_bounty(tx, ctx, payout, payment, key, reply).await;
        }
        let rail = payout.method.filter(|method| !method.is_manual());
        let rail = rail.ok_or(RailError::NotOnboarded(payout.payee))?;
        let payees = vec![payout.payee.0];
        let mut accounts = self.open_accounts(tx.conn(), ctx, rail, payees).await?;
        let account = accounts.remove(&payout.payee);
        let (account, kept) = account.ok_or(RailError::NotOnboarded(payout.payee))?;
        if kept.payable_at(self.cooldown(), ctx.now).is_some() {
            return Err(RailError::CoolingDown(payout.payee).into());
        }
        let held = store::lifecycle_read::hold(tx.conn(), organization, id).await?;
        let owed = held.iter().all(|held| {
            let earning = &held.earning;
            earning.status == EarningStatus::Approved
                && earning.payout.is_none()
                && earning.amount == held.amount
        });
        if !owed {
            return Err(RailError::NoLongerOwed.into());
        }
        let (from, version) = (payout.state, payout.version + 1);
        let payout = Payout { state, version, updated_at: ctx.now, ..payout };
        let reply = reply(&payout);
        store::execution::retry(&tx, ctx, self.db.service(), (from, &payout), &held, account)
            .await
            .map_err(Error::Write)?;
        if let Some(key) = key {
            tx.insert(key.remember(ctx, reply.encode_to_vec())).await.map_err(Error::Write)?;
        }
        tx.commit().await.map_err(Error::Write)?;
        Ok(reply)
    }
}
