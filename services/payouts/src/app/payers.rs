//! Who pays for a product.

use quittance_chassis::grpc::Caller;
use quittance_kernel::{ProductId, Timestamp};
use uuid::Uuid;

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
        let customer = self.enrolled(product, payment_method, customer).await?;
        for _ in 0..TRIES {
            let before = store::payer::find(self.db.conn(), ctx.organization(), product).await?;
            let after = Payer {
                product,
                member: ctx.member(),
                customer: customer.clone(),
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

    /// The customer whom a payment method belongs to. Stripe is asked, and makes one where there is
    /// none: what is charged while nobody is there has to be agreed to before.
    async fn enrolled(
        &self,
        product: ProductId,
        payment_method: &str,
        customer: &str,
    ) -> Result<String, Error> {
        let Some(stripe) = self.rails.stripe().filter(|_| customer.is_empty()) else {
            return Ok(customer.to_owned());
        };
        // All cards of a product belong to one customer, also one that was tried in vain.
        let key = Uuid::new_v5(&product.0, b"customer");
        Ok(stripe.enrol(key, payment_method, &product.to_string()).await?)
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
