use quittance_chassis::grpc::{caller, detached};
use quittance_proto::issues::v1 as proto;
use quittance_proto::issues::v1::product_service_server::ProductService;
use tonic::{Request, Response, Status};

use super::once::Once;
use super::{convert, parse};
use crate::app::{Issues, NewProduct, Paging, ProductPatch};

#[tonic::async_trait]
impl ProductService for Issues {
    async fn create_product(
        &self,
        request: Request<proto::CreateProductRequest>,
    ) -> Result<Response<proto::CreateProductResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let new = NewProduct {
            name: message.name.clone(),
            key: message.key.clone(),
            requires_verification: message.requires_verification,
            platform_fee_bps: message.platform_fee_bps,
            capacity_points: message.capacity_points,
        };
        let once = Once::new(self, &ctx, "CreateProduct", message)?;
        detached(once.run(
            |product| proto::CreateProductResponse { product: Some(convert::product(product)) },
            move |issues, ctx, answer| {
                let new = new.clone();
                async move { issues.create_product(&ctx, new, answer).await }
            },
        ))
        .await
    }

    async fn get_product(
        &self,
        request: Request<proto::GetProductRequest>,
    ) -> Result<Response<proto::GetProductResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let id = parse::id("product_id", &request.get_ref().product_id)?;
        let product = Issues::get_product(self, &ctx, id).await?;
        Ok(Response::new(proto::GetProductResponse { product: Some(convert::product(&product)) }))
    }

    async fn list_products(
        &self,
        request: Request<proto::ListProductsRequest>,
    ) -> Result<Response<proto::ListProductsResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::ListProductsRequest { page_size, page_token } = request.into_inner();
        let paging = Paging { size: page_size, token: page_token };
        let page = Issues::list_products(self, &ctx, &paging).await?;
        Ok(Response::new(proto::ListProductsResponse {
            products: page.items.iter().map(convert::product).collect(),
            next_page_token: page.next,
        }))
    }

    async fn update_product(
        &self,
        request: Request<proto::UpdateProductRequest>,
    ) -> Result<Response<proto::UpdateProductResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let id = parse::id("product_id", &message.product_id)?;
        let patch = ProductPatch {
            version: message.version,
            name: message.name.clone(),
            requires_verification: message.requires_verification,
            platform_fee_bps: message.platform_fee_bps,
            capacity_points: message.capacity_points,
        };
        let once = Once::new(self, &ctx, "UpdateProduct", message)?;
        detached(once.run(
            |product| proto::UpdateProductResponse { product: Some(convert::product(product)) },
            move |issues, ctx, answer| {
                let patch = patch.clone();
                async move { issues.update_product(&ctx, id, patch, answer).await }
            },
        ))
        .await
    }
}
