use quittance_chassis::grpc::{caller, detached};
use quittance_proto::issues::v1 as proto;
use quittance_proto::issues::v1::bounty_service_server::BountyService;
use quittance_proto::issues::v1::reward_pool_service_server::RewardPoolService;
use tonic::{Request, Response, Status};

use super::once::Once;
use super::{bounty_convert as shape, convert, parse};
use crate::app::{BountyPatch, Extra, Issues, NewBounty, NewSubmission, Paging};
use crate::domain::bounty::{BountyStatus, ClaimMode};
use crate::domain::text::{FieldError, reason};
use crate::error::Error;

fn new_bounty(message: &proto::CreateBountyRequest) -> Result<NewBounty, Error> {
    let missing = || FieldError::new("reward_type", "must be given");
    Ok(NewBounty {
        product: parse::id("product_id", &message.product_id)?,
        kind: shape::reward_type(message.reward_type)?.ok_or_else(missing)?,
        title: message.title.clone(),
        description: message.description.clone(),
        points: message.points,
        value: message.value_minor,
        currency: shape::currency(&message.currency_code)?,
        mode: shape::claim_mode(message.claim_mode)?.unwrap_or(ClaimMode::Single),
        max_claims: message.max_claims,
        expiry_days: message.claim_expiry_days,
        evidence: message.evidence_description.clone(),
        status: shape::bounty_status(message.status)?.unwrap_or(BountyStatus::Open),
    })
}

fn patch(message: &proto::UpdateBountyRequest) -> Result<BountyPatch, Error> {
    Ok(BountyPatch {
        version: message.version,
        title: message.title.clone(),
        description: message.description.clone(),
        status: shape::bounty_status(message.status)?,
        kind: shape::reward_type(message.reward_type)?,
        points: message.points,
        clear_points: message.clear_points,
        value: message.value_minor,
        clear_value: message.clear_value,
        currency: shape::currency(&message.currency_code)?,
        max_claims: message.max_claims,
        expiry_days: message.claim_expiry_days,
        evidence: message.evidence_description.clone(),
    })
}

fn new_submission(message: &proto::CreateSubmissionRequest) -> Result<NewSubmission, Error> {
    Ok(NewSubmission {
        bounty: parse::id("bounty_id", &message.bounty_id)?,
        description: message.description.clone(),
        evidence: message.evidence.clone(),
        claim: parse::optional_id("claim_id", &message.claim_id)?,
    })
}

#[tonic::async_trait]
impl BountyService for Issues {
    async fn create_bounty(
        &self,
        request: Request<proto::CreateBountyRequest>,
    ) -> Result<Response<proto::CreateBountyResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let new = new_bounty(&message)?;
        let once = Once::new(self, &ctx, "CreateBounty", message)?;
        detached(once.run(
            |bounty| proto::CreateBountyResponse { bounty: Some(shape::bounty(bounty)) },
            move |issues, ctx, answer| {
                let new = new.clone();
                async move { issues.create_bounty(&ctx, new, answer).await }
            },
        ))
        .await
    }

    async fn get_bounty(
        &self,
        request: Request<proto::GetBountyRequest>,
    ) -> Result<Response<proto::GetBountyResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let id = parse::id("bounty_id", &request.get_ref().bounty_id)?;
        let (bounty, claims) = Issues::get_bounty(self, &ctx, id).await?;
        let bounty = Some(shape::whole(&bounty, &claims, ctx.now));
        Ok(Response::new(proto::GetBountyResponse { bounty }))
    }

    async fn list_bounties(
        &self,
        request: Request<proto::ListBountiesRequest>,
    ) -> Result<Response<proto::ListBountiesResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let product = parse::id("product_id", &message.product_id)?;
        let status = shape::bounty_status(message.status)?;
        let paging = Paging { size: message.page_size, token: message.page_token };
        let page = Issues::list_bounties(self, &ctx, product, status, &paging).await?;
        Ok(Response::new(proto::ListBountiesResponse {
            bounties: page.items.iter().map(shape::bounty).collect(),
            next_page_token: page.next,
        }))
    }

    async fn update_bounty(
        &self,
        request: Request<proto::UpdateBountyRequest>,
    ) -> Result<Response<proto::UpdateBountyResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let id = parse::id("bounty_id", &message.bounty_id)?;
        let patch = patch(&message)?;
        let once = Once::new(self, &ctx, "UpdateBounty", message)?;
        detached(once.run(
            |bounty| proto::UpdateBountyResponse { bounty: Some(shape::bounty(bounty)) },
            move |issues, ctx, answer| {
                let patch = patch.clone();
                async move { issues.update_bounty(&ctx, id, patch, answer).await }
            },
        ))
        .await
    }

    async fn create_claim(
        &self,
        request: Request<proto::CreateClaimRequest>,
    ) -> Result<Response<proto::CreateClaimResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let id = parse::id("bounty_id", &message.bounty_id)?;
        let once = Once::new(self, &ctx, "CreateClaim", message)?;
        detached(once.run(
            |claim| proto::CreateClaimResponse { claim: Some(shape::claim(claim)) },
            move |issues, ctx, answer| async move { issues.claim_bounty(&ctx, id, answer).await },
        ))
        .await
    }

    async fn delete_claim(
        &self,
        request: Request<proto::DeleteClaimRequest>,
    ) -> Result<Response<proto::DeleteClaimResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.get_ref();
        let bounty = parse::id("bounty_id", &message.bounty_id)?;
        let id = parse::id("claim_id", &message.claim_id)?;
        let issues = self.clone();
        let claim = detached(async move { issues.abandon_claim(&ctx, bounty, id).await }).await?;
        Ok(Response::new(proto::DeleteClaimResponse { claim: Some(shape::claim(&claim)) }))
    }

    async fn create_submission(
        &self,
        request: Request<proto::CreateSubmissionRequest>,
    ) -> Result<Response<proto::CreateSubmissionResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let new = new_submission(&message)?;
        let once = Once::new(self, &ctx, "CreateSubmission", message)?;
        detached(once.run(
            |issue| proto::CreateSubmissionResponse { issue: Some(convert::issue(issue)) },
            move |issues, ctx, answer| {
                let new = new.clone();
                async move { issues.submit(&ctx, new, answer).await }
            },
        ))
        .await
    }

    async fn approve_submission(
        &self,
        request: Request<proto::ApproveSubmissionRequest>,
    ) -> Result<Response<proto::ApproveSubmissionResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let target = parse::target(&message.issue_id, "", message.version)?;
        let extra = Extra { points: message.points, tip: message.tip_minor };
        let once = Once::new(self, &ctx, "ApproveSubmission", message)?;
        detached(once.run(
            |issue| proto::ApproveSubmissionResponse { issue: Some(convert::issue(issue)) },
            move |issues, ctx, answer| async move {
                issues.approve_submission(&ctx, target, extra, answer).await
            },
        ))
        .await
    }

    async fn reject_submission(
        &self,
        request: Request<proto::RejectSubmissionRequest>,
    ) -> Result<Response<proto::RejectSubmissionResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let target = parse::target(&message.issue_id, "", message.version)?;
        let note = reason("note", &message.note).map_err(Error::from)?;
        let once = Once::new(self, &ctx, "RejectSubmission", message)?;
        detached(once.run(
            |issue| proto::RejectSubmissionResponse { issue: Some(convert::issue(issue)) },
            move |issues, ctx, answer| {
                let note = note.clone();
                async move { issues.reject_submission(&ctx, target, note, answer).await }
            },
        ))
        .await
    }

    async fn get_submission_terms(
        &self,
        request: Request<proto::GetSubmissionTermsRequest>,
    ) -> Result<Response<proto::GetSubmissionTermsResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let id = parse::id("issue_id", &request.get_ref().issue_id)?;
        let terms = self.submission_terms(&ctx, id).await?;
        Ok(Response::new(shape::terms(&terms)))
    }
}

#[tonic::async_trait]
impl RewardPoolService for Issues {
    async fn get_reward_pool(
        &self,
        request: Request<proto::GetRewardPoolRequest>,
    ) -> Result<Response<proto::GetRewardPoolResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let id = parse::id("product_id", &request.get_ref().product_id)?;
        let pool = self.reward_pool(&ctx, id).await?;
        Ok(Response::new(proto::GetRewardPoolResponse { pool: Some(shape::pool(&pool)) }))
    }
}
