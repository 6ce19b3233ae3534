//! Products: what is worked on.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use quittance_proto::issues::v1 as wire;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::{Body, Params, Segments};
use crate::idempotency::IdempotencyKey;
use crate::problem::Problem;
use crate::reply::{IfMatch, Reply, required};
use crate::rest::shapes::{Id, Page, Patch, time};
use crate::state::Gateway;

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(one, change))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Product {
    id: Id,
    name: String,
    /// Prefix of issue numbers.
    key: String,
    /// The gate's default for the cycles of this product; null means no gate.
    requires_verification: Option<bool>,
    platform_fee_bps: i32,
    reward_pool: Capacity,
    version: i64,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

/// How many points there are for profit shares.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Capacity {
    capacity_points: i64,
}

impl From<wire::Product> for Product {
    fn from(product: wire::Product) -> Self {
        Self {
            id: Id::new(product.product_id),
            name: product.name,
            key: product.key,
            requires_verification: product.requires_verification,
            platform_fee_bps: product.platform_fee_bps,
            reward_pool: Capacity { capacity_points: product.capacity_points },
            version: product.version,
            created_at: time(product.create_time),
            updated_at: time(product.update_time),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ProductFilter {
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists the products of the organization.
#[utoipa::path(
    get,
    path = "/api/products",
    operation_id = "listProducts",
    tag = "products",
    params(ProductFilter),
    responses((status = 200, body = Page<Product>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Params(filter): Params<ProductFilter>,
) -> Result<Json<Page<Product>>, Problem> {
    let request = caller.request(wire::ListProductsRequest {
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
    });
    let reply = gateway.products().list_products(request).await?.into_inner();
    Ok(Json(Page::of(reply.products, reply.next_page_token)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewProduct {
    name: String,
    /// Prefix of issue numbers, such as `SHP` of `SHP-12`.
    key: String,
    requires_verification: Option<bool>,
    /// Basis points of each bounty that the platform keeps; 1000 when absent.
    platform_fee_bps: Option<i32>,
    /// 1000 points when absent.
    reward_pool: Option<Capacity>,
}

/// Creates a product.
#[utoipa::path(
    post,
    path = "/api/products",
    operation_id = "createProduct",
    tag = "products",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewProduct,
    responses((status = 201, body = Product))
)]
async fn create(
    caller: Caller,
    State(gateway): State<Gateway>,
    key: IdempotencyKey,
    Body(body): Body<NewProduct>,
) -> Result<Reply<Product>, Problem> {
    let message = wire::CreateProductRequest {
        request_id: key.request_id(),
        name: body.name,
        key: body.key,
        requires_verification: body.requires_verification,
        platform_fee_bps: body.platform_fee_bps,
        capacity_points: body.reward_pool.map(|pool| pool.capacity_points),
    };
    let reply = gateway.products().create_product(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let product = Product::from(required(reply.product, "product")?);
    let (location, version) = (format!("/api/products/{}", product.id.as_str()), product.version);
    Ok(Reply::created(&location, product).version(version).remembered(&metadata))
}

/// Gets a product.
#[utoipa::path(
    get,
    path = "/api/products/{id}",
    operation_id = "getProduct",
    tag = "products",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = Product))
)]
async fn one(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Reply<Product>, Problem> {
    let request = caller.request(wire::GetProductRequest { product_id: id.to_string() });
    let reply = gateway.products().get_product(request).await?.into_inner();
    let product = Product::from(required(reply.product, "product")?);
    let version = product.version;
    Ok(Reply::ok(product).version(version))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProductChange {
    name: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    requires_verification: Patch<bool>,
    platform_fee_bps: Option<i32>,
    reward_pool: Option<Capacity>,
}

/// Changes a product. What is absent stays.
#[utoipa::path(
    patch,
    path = "/api/products/{id}",
    operation_id = "updateProduct",
    tag = "products",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    request_body = ProductChange,
    responses((status = 200, body = Product))
)]
async fn change(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    Body(body): Body<ProductChange>,
) -> Result<Reply<Product>, Problem> {
    let requires_verification = match body.requires_verification {
        Patch::Absent => None,
        Patch::Value(gate) => Some(gate),
        Patch::Null => {
            let detail = "must be true or false: a product inherits from nothing";
            return Err(Problem::invalid("requiresVerification", detail));
        }
    };
    let message = wire::UpdateProductRequest {
        request_id: key.request_id(),
        product_id: id.to_string(),
        version,
        name: body.name,
        requires_verification,
        platform_fee_bps: body.platform_fee_bps,
        capacity_points: body.reward_pool.map(|pool| pool.capacity_points),
    };
    let reply = gateway
        .products()
        .update_product(key.request(&caller, message))
        .await
        .map_err(|status| Problem::from(status).of_version(version))?;
    let (metadata, reply, _) = reply.into_parts();
    let product = Product::from(required(reply.product, "product")?);
    let version = product.version;
    Ok(Reply::ok(product).version(version).remembered(&metadata))
}
