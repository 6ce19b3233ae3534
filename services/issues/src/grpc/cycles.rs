use quittance_chassis::grpc::{caller, detached};
use quittance_proto::issues::v1 as proto;
use quittance_proto::issues::v1::cycle_service_server::CycleService;
use tonic::{Request, Response, Status};

use super::once::Once;
use super::{convert, parse};
use crate::app::{CycleFilter, CyclePatch, Issues, NewCycle, Paging};
use crate::domain::text::FieldError;
use crate::error::Error;

fn new_cycle(message: &proto::CreateCycleRequest) -> Result<NewCycle, Error> {
    Ok(NewCycle {
        product: parse::id("product_id", &message.product_id)?,
        name: message.name.clone(),
        requires_verification: parse::gate("gate", message.gate)?.flatten(),
        rates: parse::rates(message.payout_rates.as_ref())?,
        leads: parse::ids("lead_ids", &message.lead_ids)?,
        members: parse::ids("member_ids", &message.member_ids)?,
    })
}

fn patch(message: &proto::UpdateCycleRequest) -> Result<CyclePatch, Error> {
    let rates = match (message.clear_payout_rates, &message.payout_rates) {
        (true, Some(_)) => {
            let detail = "excludes payout_rates";
            return Err(FieldError::new("clear_payout_rates", detail).into());
        }
        (true, None) => Some(None),
        (false, None) => None,
        (false, rates @ Some(_)) => Some(parse::rates(rates.as_ref())?),
    };
    let people = |field: &str, list: &Option<proto::MemberList>| {
        list.as_ref().map(|list| parse::ids(field, &list.member_ids)).transpose()
    };
    Ok(CyclePatch {
        version: message.version,
        name: message.name.clone(),
        open: parse::cycle_open("status", message.status)?,
        requires_verification: parse::gate("gate", message.gate)?,
        rates,
        leads: people("leads.member_ids", &message.leads)?,
        members: people("members.member_ids", &message.members)?,
    })
}

#[tonic::async_trait]
impl CycleService for Issues {
    async fn create_cycle(
        &self,
        request: Request<proto::CreateCycleRequest>,
    ) -> Result<Response<proto::CreateCycleResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let new = new_cycle(&message)?;
        let once = Once::new(self, &ctx, "CreateCycle", message)?;
        detached(once.run(
            |cycle| proto::CreateCycleResponse { cycle: Some(convert::cycle(cycle)) },
            move |issues, ctx, answer| {
                let new = new.clone();
                async move { issues.create_cycle(&ctx, new, answer).await }
            },
        ))
        .await
    }

    async fn get_cycle(
        &self,
        request: Request<proto::GetCycleRequest>,
    ) -> Result<Response<proto::GetCycleResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let id = parse::id("cycle_id", &request.get_ref().cycle_id)?;
        let cycle = Issues::get_cycle(self, &ctx, id).await?;
        Ok(Response::new(proto::GetCycleResponse { cycle: Some(convert::cycle(&cycle)) }))
    }

    async fn list_cycles(
        &self,
        request: Request<proto::ListCyclesRequest>,
    ) -> Result<Response<proto::ListCyclesResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let filter = CycleFilter {
            product: parse::optional_id("product_id", &message.product_id)?,
            open: parse::cycle_open("status", message.status)?,
        };
        let paging = Paging { size: message.page_size, token: message.page_token };
        let page = Issues::list_cycles(self, &ctx, filter, &paging).await?;
        Ok(Response::new(proto::ListCyclesResponse {
            cycles: page.items.iter().map(convert::cycle).collect(),
            next_page_token: page.next,
        }))
    }

    async fn update_cycle(
        &self,
        request: Request<proto::UpdateCycleRequest>,
    ) -> Result<Response<proto::UpdateCycleResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let id = parse::id("cycle_id", &message.cycle_id)?;
        let patch = patch(&message)?;
        let once = Once::new(self, &ctx, "UpdateCycle", message)?;
        detached(once.run(
            |cycle| proto::UpdateCycleResponse { cycle: Some(convert::cycle(cycle)) },
            move |issues, ctx, answer| {
                let patch = patch.clone();
                async move { issues.update_cycle(&ctx, id, patch, answer).await }
            },
        ))
        .await
    }

    async fn get_cycle_totals(
        &self,
        request: Request<proto::GetCycleTotalsRequest>,
    ) -> Result<Response<proto::GetCycleTotalsResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let id = parse::id("cycle_id", &request.get_ref().cycle_id)?;
        let totals = self.cycle_totals(&ctx, id).await?;
        Ok(Response::new(proto::GetCycleTotalsResponse {
            approved_unpaid: convert::totals(&totals.approved_unpaid),
            paid: convert::totals(&totals.paid),
            committed: convert::totals(&totals.committed),
        }))
    }

    async fn list_rate_changes(
        &self,
        request: Request<proto::ListRateChangesRequest>,
    ) -> Result<Response<proto::ListRateChangesResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let id = parse::id("cycle_id", &message.cycle_id)?;
        let paging = Paging { size: message.page_size, token: message.page_token };
        let page = self.rate_changes(&ctx, id, &paging).await?;
        Ok(Response::new(proto::ListRateChangesResponse {
            changes: page.items.iter().map(convert::rate_change).collect(),
            next_page_token: page.next,
        }))
    }

    async fn preview_gate(
        &self,
        request: Request<proto::PreviewGateRequest>,
    ) -> Result<Response<proto::PreviewGateResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.get_ref();
        let id = parse::id("cycle_id", &message.cycle_id)?;
        let missing = || Error::from(FieldError::new("gate", "must be given"));
        let setting = parse::gate("gate", message.gate)?.ok_or_else(missing)?;
        let preview = Issues::preview_gate(self, &ctx, id, setting).await?;
        Ok(Response::new(proto::PreviewGateResponse {
            effective_gate: preview.effective,
            becomes_payable: convert::totals(&preview.becomes_payable),
            becomes_blocked: convert::totals(&preview.becomes_blocked),
        }))
    }
}
