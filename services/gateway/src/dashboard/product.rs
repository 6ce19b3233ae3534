//! The product that a page is about, and the tabs of its pages.

use http::Method;
use quittance_proto::issues::v1 as wire;

use super::view::{Choice, Viewer};
use crate::problem::Problem;

/// What stands on top of the pages of a product.
pub(super) struct Tabs {
    /// Empty while there is no product.
    pub(super) id: String,
    pub(super) products: Vec<Choice>,
    /// The page itself.
    pub(super) path: &'static str,
    /// Whether the viewer sees what the product has paid in advance.
    pub(super) funds: bool,
}

impl Viewer {
    /// Finds the product that was asked for, or the first one, with the tabs of its pages. There may be
    /// no product yet.
    pub(super) async fn product(
        &self,
        asked: &str,
        path: &'static str,
    ) -> Result<(Option<wire::Product>, Tabs), Problem> {
        let request = self
            .caller
            .request(wire::ListProductsRequest { page_size: 200, page_token: String::new() });
        let products = self.gateway.products().list_products(request).await?.into_inner().products;
        let found = products.iter().find(|of| of.product_id == asked);
        let found = match asked {
            "" => products.first(),
            _ => Some(found.ok_or_else(Problem::not_found)?),
        };
        let id = found.map(|of| of.product_id.clone()).unwrap_or_default();
        let tabs = Tabs {
            products: products
                .iter()
                .map(|of| Choice::new(&of.product_id, &of.name, &id))
                .collect(),
            path,
            funds: self.may(&Method::GET, "/app/admin/funding"),
            id,
        };
        Ok((found.cloned(), tabs))
    }
}
