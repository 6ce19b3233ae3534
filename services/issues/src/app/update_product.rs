use quittance_chassis::db::Tx;
use quittance_kernel::{Ctx, ProductId};

use super::{Answer, Issues, expect_version};
use crate::domain::pool;
use crate::domain::product::{self, Product};
use crate::domain::text::{MAX_NAME, line};
use crate::error::{Error, Kind};
use crate::store;

/// What is to change; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct ProductPatch {
    /// When not 0: the version that the caller has seen.
    pub version: i64,
    pub name: Option<String>,
    pub requires_verification: Option<bool>,
    pub platform_fee_bps: Option<i32>,
    pub capacity_points: Option<i64>,
}

impl Issues {
    /// Changes a product. Its gate holds at once in all cycles that inherit it.
    #[tracing::instrument(name = "products.update", skip_all, fields(product.id = %id))]
    pub async fn update_product(
        &self,
        ctx: &Ctx,
        id: ProductId,
        patch: ProductPatch,
        answer: Answer<Product>,
    ) -> Result<Product, Error> {
        let name = match &patch.name {
            Some(name) => Some(line("name", name, MAX_NAME)?),
            None => None,
        };
        let fee = patch.platform_fee_bps.map(product::fee_bps).transpose()?;
        let capacity = patch.capacity_points.map(pool::capacity).transpose()?;
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let before = store::product::load(&tx, id).await?;
        let before = before.ok_or(Error::NotFound(Kind::Product, id.0))?;
        expect_version(patch.version, before.version)?;
        let after = Product {
            name: name.unwrap_or_else(|| before.name.clone()),
            requires_verification: patch.requires_verification.or(before.requires_verification),
            platform_fee_bps: fee.unwrap_or(before.platform_fee_bps),
            capacity_points: capacity.unwrap_or(before.capacity_points),
            ..before.clone()
        };
        let product = store::product::save(&mut tx, Some(&before), after).await?;
        answer.leave(&tx, &product).await?;
        tx.commit().await?;
        Ok(product)
    }
}
