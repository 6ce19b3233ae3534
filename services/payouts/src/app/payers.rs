//! Who pays for a product.

use quittance_chassis::grpc::Caller;
use quittance_kernel::{ProductId, Timestamp};

use super::plan::TRIES;
use super::{Error, Payouts};
use crate::domain::payer::{Payer, check};
use crate::store;

impl Payouts {
    /// Names how a product is paid for. The same again changes nothing.
    #[tracing::instrument(name = "payers.set", skip_all, fields(product.id = %product))]
    pub(crate) async fn set_payer(
        &self,
        caller: &Caller,
        product: ProductId,
        payment_method: &str,
        customer: &str,
    ) -> Result<Payer, Error> {
        let ctx = &caller.ctx;
        check(payment_method, customer)?;
        self.pool(caller, product).await?;
        for _ in 0..TRIES {
            let before = store::payer::find(self.db.conn(), ctx.organization(), product).await?;
            let after = Payer {
                product,
                member: ctx.member(),
                customer: customer.to_owned(),
                payment_method: payment_method.to_owned(),
                version: before.as_ref().map_or(1, |before| before.version + 1),
                created_at: before.as_ref().map_or(ctx.now, |before| before.created_at),
                updated_at: ctx.now,
            };
            if let Some(before) = &before
                && (before.member, &before.payment_method, &before.customer)
                    == (after.member, &after.payment_method, &after.customer)
            {
                return Ok(before.clone());
            }
            let set = || store::payer::set(ctx, self.db.service(), &after, before.as_ref());
            if self.wrote(set).await? {
                self.wake_product(caller, product, ctx.now).await?;
                return Ok(after);
            }
        }
        Err(Error::Contended)
    }

    /// Reads how a product is paid for; none where nobody is named.
    #[tracing::instrument(name = "payers.get", skip_all, fields(product.id = %product))]
    pub(crate) async fn payer(
        &self,
        caller: &Caller,
        product: ProductId,
    ) -> Result<Option<Payer>, Error> {
        self.pool(caller, product).await?;
        Ok(store::payer::find(self.db.conn(), caller.ctx.organization(), product).await?)
    }

    async fn wake_product(
        &self,
        caller: &Caller,
        product: ProductId,
        now: Timestamp,
    ) -> Result<(), Error> {
        let organization = caller.ctx.organization();
        let products = vec![product.0];
        let woken = store::bounty_payment::wake_products(&self.db, organization, products, now);
        if woken.await? > 0 {
            self.due.notify_one();
        }
        Ok(())
    }
}
