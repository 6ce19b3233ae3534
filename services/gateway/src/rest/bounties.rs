//! Bounties: work that is offered in advance, and the claims to it.

mod body;

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
use crate::rest::shapes::{Id, Page, some, time};
use crate::state::Gateway;
use crate::words::{BountyStatus, ClaimMode, ClaimStatus, RewardType};

use body::{BountyChange, NewBounty};

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one, change))
        .routes(routes!(claim))
        .routes(routes!(abandon))
}

/// Work that is offered in advance, with exactly one reward.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Bounty {
    id: Id,
    #[schema(example = "SHP-12")]
    number: String,
    product_id: Id,
    title: String,
    description: String,
    #[schema(value_type = BountyStatus)]
    status: Option<BountyStatus>,
    #[schema(value_type = RewardType)]
    reward_type: Option<RewardType>,
    /// Of a profit share; null is the backlog.
    points: Option<i64>,
    /// Of a fixed payment.
    value_minor: Option<i64>,
    currency: Option<String>,
    /// What a card shows: the amount, the points, or "Backlog".
    #[schema(example = "$500.00")]
    reward_label: String,
    #[schema(value_type = ClaimMode)]
    claim_mode: Option<ClaimMode>,
    max_claims: Option<i64>,
    claim_expiry_days: i64,
    evidence_description: Option<String>,
    /// Claims that hold a place now: active, submitted and accepted ones.
    claim_count: i64,
    /// Only where one bounty is got: all of them for who oversees the organization, else your own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    claims: Vec<Claim>,
    version: i64,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

/// One member's reservation of a bounty.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Claim {
    id: Id,
    bounty_id: Id,
    member_id: Id,
    #[schema(value_type = ClaimStatus)]
    status: Option<ClaimStatus>,
    #[schema(value_type = DateTime<Utc>)]
    expires_at: Option<DateTime<Utc>>,
    /// The work that was handed in for it.
    issue_id: Option<Id>,
    version: i64,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

impl From<wire::Bounty> for Bounty {
    fn from(of: wire::Bounty) -> Self {
        let (value_minor, currency) =
            of.value.map(|value| (value.minor_units, value.currency_code)).unzip();
        Self {
            status: BountyStatus::read(of.status),
            reward_type: RewardType::read(of.reward_type),
            claim_mode: ClaimMode::read(of.claim_mode),
            id: Id::new(of.bounty_id),
            number: of.number,
            product_id: Id::new(of.product_id),
            title: of.title,
            description: of.description,
            points: of.points,
            value_minor,
            currency,
            reward_label: of.reward_label,
            max_claims: of.max_claims,
            claim_expiry_days: of.claim_expiry_days,
            evidence_description: some(of.evidence_description),
            claim_count: of.claim_count,
            claims: of.claims.into_iter().map(Claim::from).collect(),
            version: of.version,
            created_at: time(of.create_time),
            updated_at: time(of.update_time),
        }
    }
}

impl From<wire::Claim> for Claim {
    fn from(of: wire::Claim) -> Self {
        Self {
            status: ClaimStatus::read(of.status),
            id: Id::new(of.claim_id),
            bounty_id: Id::new(of.bounty_id),
            member_id: Id::new(of.member_id),
            expires_at: time(of.expire_time),
            issue_id: Id::optional(of.issue_id),
            version: of.version,
            created_at: time(of.create_time),
            updated_at: time(of.update_time),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct BountyFilter {
    #[param(inline)]
    status: Option<BountyStatus>,
    page_size: Option<i32>,
    page_token: Option<String>,
}

/// Lists the bounties of a product, the newest first. Drafts are seen by admins.
#[utoipa::path(
    get,
    path = "/api/products/{id}/bounties",
    operation_id = "listBounties",
    tag = "bounties",
    params(("id" = Uuid, Path), BountyFilter),
    responses((status = 200, body = Page<Bounty>))
)]
async fn list(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(product): Segments<Uuid>,
    Params(filter): Params<BountyFilter>,
) -> Result<Json<Page<Bounty>>, Problem> {
    let request = caller.request(wire::ListBountiesRequest {
        product_id: product.to_string(),
        status: filter.status.map(BountyStatus::number).unwrap_or_default(),
        page_size: filter.page_size.unwrap_or_default(),
        page_token: filter.page_token.unwrap_or_default(),
    });
    let reply = gateway.bounties().list_bounties(request).await?.into_inner();
    Ok(Json(Page::of(reply.bounties, reply.next_page_token)))
}

/// Offers work for a fixed payment or for points of the reward pool.
#[utoipa::path(
    post,
    path = "/api/products/{id}/bounties",
    operation_id = "createBounty",
    tag = "bounties",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = NewBounty,
    responses((status = 201, body = Bounty))
)]
async fn create(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(product): Segments<Uuid>,
    key: IdempotencyKey,
    Body(body): Body<NewBounty>,
) -> Result<Reply<Bounty>, Problem> {
    let message = body.message(product, &key)?;
    let reply = gateway.bounties().create_bounty(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let bounty = Bounty::from(required(reply.bounty, "bounty")?);
    let (location, version) = (format!("/api/bounties/{}", bounty.id.as_str()), bounty.version);
    Ok(Reply::created(&location, bounty).version(version).remembered(&metadata))
}

/// Gets a bounty with the claims to it that you may see.
#[utoipa::path(
    get,
    path = "/api/bounties/{id}",
    operation_id = "getBounty",
    tag = "bounties",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = Bounty))
)]
async fn one(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Reply<Bounty>, Problem> {
    let request = caller.request(wire::GetBountyRequest { bounty_id: id.to_string() });
    let reply = gateway.bounties().get_bounty(request).await?.into_inner();
    let bounty = Bounty::from(required(reply.bounty, "bounty")?);
    let version = bounty.version;
    Ok(Reply::ok(bounty).version(version))
}

/// Changes a bounty. What is absent stays; its reward stays while somebody works on it.
#[utoipa::path(
    patch,
    path = "/api/bounties/{id}",
    operation_id = "updateBounty",
    tag = "bounties",
    params(
        ("id" = Uuid, Path),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    request_body = BountyChange,
    responses((status = 200, body = Bounty))
)]
async fn change(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    IfMatch(version): IfMatch,
    key: IdempotencyKey,
    Body(body): Body<BountyChange>,
) -> Result<Reply<Bounty>, Problem> {
    let message = body.message(id, version, &key);
    let reply = gateway
        .bounties()
        .update_bounty(key.request(&caller, message))
        .await
        .map_err(|status| Problem::from(status).of_version(version))?;
    let (metadata, reply, _) = reply.into_parts();
    let bounty = Bounty::from(required(reply.bounty, "bounty")?);
    let version = bounty.version;
    Ok(Reply::ok(bounty).version(version).remembered(&metadata))
}

/// Reserves a bounty for you, until the claim expires.
#[utoipa::path(
    post,
    path = "/api/bounties/{id}/claims",
    operation_id = "claimBounty",
    tag = "bounties",
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Claim))
)]
async fn claim(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
    key: IdempotencyKey,
) -> Result<Reply<Claim>, Problem> {
    let message =
        wire::CreateClaimRequest { request_id: key.request_id(), bounty_id: id.to_string() };
    let reply = gateway.bounties().create_claim(key.request(&caller, message)).await?;
    let (metadata, reply, _) = reply.into_parts();
    let claim = Claim::from(required(reply.claim, "claim")?);
    let version = claim.version;
    let location = format!("/api/bounties/{id}");
    Ok(Reply::created(&location, claim).version(version).remembered(&metadata))
}

/// Gives your claim up.
#[utoipa::path(
    delete,
    path = "/api/bounties/{id}/claims/{claimId}",
    operation_id = "abandonClaim",
    tag = "bounties",
    params(("id" = Uuid, Path), ("claimId" = Uuid, Path)),
    responses((status = 200, body = Claim))
)]
async fn abandon(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments((bounty, claim)): Segments<(Uuid, Uuid)>,
) -> Result<Reply<Claim>, Problem> {
    let request = caller.request(wire::DeleteClaimRequest {
        bounty_id: bounty.to_string(),
        claim_id: claim.to_string(),
    });
    let reply = gateway.bounties().delete_claim(request).await?.into_inner();
    let claim = Claim::from(required(reply.claim, "claim")?);
    let version = claim.version;
    Ok(Reply::ok(claim).version(version))
}
