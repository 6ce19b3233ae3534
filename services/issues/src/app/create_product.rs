use quittance_chassis::db::Tx;
use quittance_kernel::{Ctx, ProductId};

use super::{Answer, Issues};
use crate::domain::pool::{self, DEFAULT_CAPACITY};
use crate::domain::product::{self, DEFAULT_FEE_BPS, Product};
use crate::domain::text::{MAX_NAME, line};
use crate::error::{Error, StoreError};
use crate::store;

/// What a new product is made of.
#[derive(Clone, Debug)]
pub struct NewProduct {
    pub name: String,
    pub key: String,
    pub requires_verification: Option<bool>,
    pub platform_fee_bps: Option<i32>,
    pub capacity_points: Option<i64>,
}

impl Issues {
    /// Creates a product.
    #[tracing::instrument(name = "products.create", skip_all)]
    pub async fn create_product(
        &self,
        ctx: &Ctx,
        new: NewProduct,
        answer: Answer<Product>,
    ) -> Result<Product, Error> {
        let product = Product {
            id: ProductId::new(),
            name: line("name", &new.name, MAX_NAME)?,
            key: product::key(&new.key)?,
            requires_verification: new.requires_verification,
            platform_fee_bps: product::fee_bps(new.platform_fee_bps.unwrap_or(DEFAULT_FEE_BPS))?,
            capacity_points: pool::capacity(new.capacity_points.unwrap_or(DEFAULT_CAPACITY))?,
            version: 0,
            created_at: ctx.now,
            updated_at: ctx.now,
        };
        let key = product.key.clone();
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let saved = store::product::save(&mut tx, None, product).await;
        let product = saved.map_err(|error| match error {
            StoreError::Duplicate(_) => Error::ProductKeyTaken(key),
            StoreError::Stale | StoreError::Corrupt { .. } | StoreError::Database(_) => {
                Error::Store(error)
            }
        })?;
        answer.leave(&tx, &product).await?;
        tx.commit().await?;
        Ok(product)
    }
}
