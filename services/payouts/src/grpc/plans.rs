//! The plan service.

use prost::Message as _;
use quittance_chassis::grpc::{caller, detached};
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::plan_service_server::PlanService;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use super::payouts::key;
use super::{convert, plan_convert};
use crate::app::{Answered, Error, Payouts};

const RUN_BATCH: &str = "quittance.payouts.v1.PlanService/RunBatch";
const COMMIT_PLAN: &str = "quittance.payouts.v1.PlanService/CommitPlan";
const CANCEL_PLAN: &str = "quittance.payouts.v1.PlanService/CancelPlan";

#[tonic::async_trait]
impl PlanService for Payouts {
    async fn run_batch(
        &self,
        request: Request<proto::RunBatchRequest>,
    ) -> Result<Response<proto::RunBatchResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key = key(&request_id, RUN_BATCH, || message.encode_to_vec()).map_err(Error::from)?;
        let dry = message.dry_run;
        let run = plan_convert::run(message)?;
        let payouts = self.clone();
        let ran = detached(async move {
            payouts.run_batch(&caller, &run, dry, key.as_ref(), plan_convert::ran).await
        });
        Ok(reply(ran.await?))
    }

    async fn commit_plan(
        &self,
        request: Request<proto::CommitPlanRequest>,
    ) -> Result<Response<proto::CommitPlanResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key = key(&request_id, COMMIT_PLAN, || message.encode_to_vec()).map_err(Error::from)?;
        let id = convert::id("plan_id", &message.plan_id)?;
        let payouts = self.clone();
        let committed = detached(async move {
            payouts.commit_plan(&caller, id, key.as_ref(), plan_convert::committed).await
        });
        Ok(reply(committed.await?))
    }

    async fn cancel_plan(
        &self,
        request: Request<proto::CancelPlanRequest>,
    ) -> Result<Response<proto::CancelPlanResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key = key(&request_id, CANCEL_PLAN, || message.encode_to_vec()).map_err(Error::from)?;
        let id = convert::id("plan_id", &message.plan_id)?;
        let payouts = self.clone();
        let cancelled = detached(async move {
            let now = caller.ctx.now;
            let told =
                |plan: &_| proto::CancelPlanResponse { plan: Some(plan_convert::plan(plan, now)) };
            payouts.cancel_plan(&caller.ctx, id, key.as_ref(), told).await
        });
        Ok(reply(cancelled.await?))
    }

    async fn get_plan(
        &self,
        request: Request<proto::GetPlanRequest>,
    ) -> Result<Response<proto::GetPlanResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.get_ref();
        let id = convert::id("plan_id", &message.plan_id)?;
        let (plan, items, next_page_token) =
            self.plan(&caller.ctx, id, message.page_size, &message.page_token).await?;
        Ok(Response::new(proto::GetPlanResponse {
            plan: Some(plan_convert::plan(&plan, caller.ctx.now)),
            items: items.into_iter().map(plan_convert::item).collect(),
            next_page_token,
        }))
    }

    async fn list_plans(
        &self,
        request: Request<proto::ListPlansRequest>,
    ) -> Result<Response<proto::ListPlansResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.get_ref();
        let (plans, next_page_token) =
            self.plans(&caller.ctx, message.page_size, &message.page_token).await?;
        Ok(Response::new(proto::ListPlansResponse {
            plans: plans.iter().map(|plan| plan_convert::plan(plan, caller.ctx.now)).collect(),
            next_page_token,
        }))
    }
}

pub(super) fn reply<R>(answered: Answered<R>) -> Response<R> {
    let mut response = Response::new(answered.reply);
    if answered.replayed {
        let replayed = MetadataValue::from_static("true");
        response.metadata_mut().insert("idempotency-replayed", replayed);
    }
    response
}
