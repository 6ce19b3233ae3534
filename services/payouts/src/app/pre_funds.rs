//! Paying in advance for the bounties of a product.

use prost::Message;
use quittance_chassis::db::{Idempotency, Journal, WriteSet};
use quittance_chassis::grpc::Caller;
use quittance_kernel::{Currency, Money, ProductId};
use uuid::Uuid;

use super::begin_bounty::first_charge;
use super::pay_bounty::Funds;
use super::{Answered, Error, Payouts};
use crate::domain::charge::{ChargeAttempt, Purpose};
use crate::domain::pre_fund::{PreFund, PreFundError, top_up};
use crate::domain::quote::quote;
use crate::domain::rail::RailError;
use crate::store;

impl Payouts {
    /// Shows what a product has paid in advance, by currency.
    #[tracing::instrument(name = "pre_funds.list", skip_all, fields(product.id = %product))]
    pub(crate) async fn pre_funds(
        &self,
        caller: &Caller,
        product: ProductId,
    ) -> Result<Vec<PreFund>, Error> {
        self.pool(caller, product).await?;
        let organization = caller.ctx.organization();
        Ok(store::pre_fund::of_product(self.db.conn(), organization, product).await?)
    }

    /// Charges the payer of a product for what is paid in: once per key. It is there when the charge
    /// has succeeded.
    #[tracing::instrument(name = "pre_funds.top_up", skip_all, fields(product.id = %product))]
    pub(crate) async fn top_up<R: Message + Default>(
        &self,
        caller: &Caller,
        product: ProductId,
        amount: Money,
        key: Option<&Idempotency>,
        reply: impl Fn(&ChargeAttempt) -> R,
    ) -> Result<Answered<R>, Error> {
        let ctx = &caller.ctx;
        if let Some(before) = self.recall(ctx, key).await? {
            return Ok(before);
        }
        let amount = top_up(amount.minor(), amount.currency())?;
        self.pool(caller, product).await?;
        let payer = store::payer::find(self.db.conn(), ctx.organization(), product).await?;
        let funds = self.funds(payer.map(|payer| (payer.customer, payer.payment_method)));
        let Some(Funds::Payer { customer, payment_method }) = funds else {
            return Err(RailError::NoPayer(product).into());
        };
        // The processor's part is paid now, so that none is when it is drawn.
        let priced = quote(amount, 0, 0).map_err(|_| Error::Unreadable("an amount"))?;
        let charge = ChargeAttempt {
            product,
            payer: ctx.member(),
            customer,
            payment_method,
            ..first_charge(ctx, (Purpose::TopUp, Uuid::now_v7()), priced)
        };
        let reply = reply(&charge);
        let wrote = self.wrote(|| {
            let (mut set, mut journal) = (WriteSet::new(), Journal::new(self.db.service()));
            store::charge::insert_charges(
                ctx,
                &mut set,
                &mut journal,
                std::slice::from_ref(&charge),
            );
            journal.write_to(ctx, &mut set);
            if let Some(key) = key {
                set.insert(key.remember(ctx, reply.encode_to_vec()));
            }
            set
        });
        if wrote.await? {
            self.due.notify_one();
            return Ok(Answered { reply, replayed: false });
        }
        // The same request has done it in between.
        self.recall(ctx, key).await?.ok_or(Error::Contended)
    }

    /// Says below which balance a product counts as low.
    #[tracing::instrument(name = "pre_funds.set_low", skip_all, fields(product.id = %product))]
    pub(crate) async fn set_low_balance(
        &self,
        caller: &Caller,
        product: ProductId,
        currency: Currency,
        low: i64,
    ) -> Result<Vec<PreFund>, Error> {
        if low < 0 {
            let detail = "must not be negative";
            return Err(PreFundError { field: "low_minor", detail }.into());
        }
        self.pool(caller, product).await?;
        let ctx = &caller.ctx;
        let set = || store::pre_fund::set_low(ctx, self.db.service(), product, currency, low);
        if !self.wrote(set).await? {
            return Err(Error::Contended);
        }
        self.pre_funds(caller, product).await
    }
}
