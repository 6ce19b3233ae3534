use quittance_kernel::{Ctx, ProductId};

use super::page::Cursor;
use super::{Issues, Page, Paging};
use crate::domain::product::Product;
use crate::error::{Error, Kind};
use crate::store::product::{find, list};

impl Issues {
    /// Gets a product.
    #[tracing::instrument(name = "products.get", skip_all, fields(product.id = %id))]
    pub async fn get_product(&self, ctx: &Ctx, id: ProductId) -> Result<Product, Error> {
        let found = find(self.db.conn(), ctx.organization(), id).await?;
        found.ok_or(Error::NotFound(Kind::Product, id.0))
    }

    /// Lists products by name.
    #[tracing::instrument(name = "products.list", skip_all)]
    pub async fn list_products(&self, ctx: &Ctx, paging: &Paging) -> Result<Page<Product>, Error> {
        let mut cursor = Cursor::parse(paging, "products".to_owned())?;
        let (after, limit) = (cursor.after.take(), cursor.limit());
        let rows = list(self.db.conn(), ctx.organization(), after, limit).await?;
        Ok(cursor.page(rows, |product| (product.name.clone(), product.id.0)))
    }
}
