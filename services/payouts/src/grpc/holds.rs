//! The escrow service.

use prost::Message as _;
use quittance_chassis::grpc::{Caller, caller, detached};
use quittance_chassis::problem::invalid;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::escrow_service_server::EscrowService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::convert::{self, money, time, wire_method};
use super::partner_convert::amount;
use super::payouts::key;
use super::plans::reply as answered;
use super::schedules::{optional_instant, optional_method};
use crate::app::{End, EndedHold, Error, Payouts};
use crate::domain::hold::{Hold, HoldChange, HoldState, NewHold};
use crate::domain::schedule::Change;
use crate::store::hold::{Filter, Total};

const SERVICE: &str = "quittance.payouts.v1.EscrowService";

fn state(state: i32) -> Result<Option<HoldState>, Status> {
    use proto::HoldState as Wire;
    let refused = |_| invalid("state", "must be a state of holds");
    Ok(match Wire::try_from(state).map_err(refused)? {
        Wire::Unspecified => None,
        Wire::Active => Some(HoldState::Active),
        Wire::Released => Some(HoldState::Released),
        Wire::Cancelled => Some(HoldState::Cancelled),
    })
}

fn wire_state(state: HoldState) -> proto::HoldState {
    use proto::HoldState as Wire;
    match state {
        HoldState::Active => Wire::Active,
        HoldState::Released => Wire::Released,
        HoldState::Cancelled => Wire::Cancelled,
    }
}

fn hold(of: &Hold) -> proto::Hold {
    let optional = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let method = of.method.map_or(quittance_proto::common::v1::Method::Unspecified, wire_method);
    let ended = of.ended.as_ref();
    proto::Hold {
        hold_id: of.id.to_string(),
        placement_id: of.placement.to_string(),
        schedule_id: optional(of.schedule),
        payee_id: of.payee.to_string(),
        amount: Some(money(of.amount)),
        method: method.into(),
        reason: of.reason.clone(),
        release_scheduled_date: of.release_at.map(time),
        state: wire_state(of.state).into(),
        parent_id: optional(of.parent),
        end_time: ended.map(|ended| time(ended.at)),
        ended_by: optional(ended.map(|ended| ended.by.0).filter(|by| !by.is_nil())),
        end_reason: ended.map(|ended| ended.why.clone()).unwrap_or_default(),
        created_by: of.created_by.to_string(),
        version: of.version,
        create_time: Some(time(of.created_at)),
        update_time: Some(time(of.updated_at)),
    }
}

fn released(of: &EndedHold) -> proto::ReleaseHoldResponse {
    proto::ReleaseHoldResponse {
        hold: Some(hold(&of.hold)),
        part: of.part.as_ref().map(hold),
        unblocked_schedules: i64::try_from(of.unblocked).unwrap_or(i64::MAX),
    }
}

fn cancelled(of: &EndedHold) -> proto::CancelHoldResponse {
    let unblocked_schedules = i64::try_from(of.unblocked).unwrap_or(i64::MAX);
    proto::CancelHoldResponse { hold: Some(hold(&of.hold)), unblocked_schedules }
}

fn total(of: &Total) -> proto::HeldTotal {
    proto::HeldTotal {
        currency_code: of.active.currency().code().to_owned(),
        active_minor: of.active.minor(),
        released_minor: of.released,
        cancelled_minor: of.cancelled,
        active_count: of.active_count,
    }
}

/// What a request to end a hold names.
struct Asked {
    hold_id: String,
    version: i64,
    end: End,
    reason: String,
}

async fn end<R: prost::Message + Default + Clone + 'static>(
    payouts: &Payouts,
    caller: Caller,
    asked: Asked,
    (request_id, method, body): (String, &str, Vec<u8>),
    reply: fn(&EndedHold) -> R,
) -> Result<Response<R>, Status> {
    let key = key(&request_id, &format!("{SERVICE}/{method}"), || body).map_err(Error::from)?;
    let id = convert::id("hold_id", &asked.hold_id)?;
    let payouts = payouts.clone();
    let done = detached(async move {
        let (which, how) = ((id, asked.version), (&asked.end, asked.reason.as_str()));
        payouts.end_hold(&caller.ctx, which, how, key.as_ref(), reply).await
    });
    Ok(answered(done.await?))
}

#[tonic::async_trait]
impl EscrowService for Payouts {
    async fn create_hold(
        &self,
        request: Request<proto::CreateHoldRequest>,
    ) -> Result<Response<proto::CreateHoldResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let method = format!("{SERVICE}/CreateHold");
        let key = key(&request_id, &method, || message.encode_to_vec()).map_err(Error::from)?;
        let new = NewHold {
            placement: convert::id("placement_id", &message.placement_id)?,
            schedule: convert::optional_id("schedule_id", &message.schedule_id)?,
            payee: convert::id("payee_id", &message.payee_id)?,
            amount: amount("amount.minor_units", message.amount.clone())?,
            method: optional_method("method", message.method())?,
            reason: message.reason,
            release_at: optional_instant("release_scheduled_date", message.release_scheduled_date)?,
        };
        let payouts = self.clone();
        let done = detached(async move {
            let reply = |of: &_| proto::CreateHoldResponse { hold: Some(hold(of)) };
            payouts.create_hold(&caller.ctx, &new, key.as_ref(), reply).await
        });
        Ok(answered(done.await?))
    }

    async fn get_hold(
        &self,
        request: Request<proto::GetHoldRequest>,
    ) -> Result<Response<proto::GetHoldResponse>, Status> {
        let caller = caller(&request)?;
        let id = convert::id("hold_id", &request.get_ref().hold_id)?;
        let found = self.hold(&caller.ctx, id).await?;
        Ok(Response::new(proto::GetHoldResponse { hold: Some(hold(&found)) }))
    }

    async fn list_holds(
        &self,
        request: Request<proto::ListHoldsRequest>,
    ) -> Result<Response<proto::ListHoldsResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let filter = Filter {
            placement: convert::optional_id("placement_id", &message.placement_id)?,
            schedule: convert::optional_id("schedule_id", &message.schedule_id)?,
            state: state(message.state)?,
        };
        let (found, next_page_token) =
            self.holds(&caller.ctx, filter, message.page_size, &message.page_token).await?;
        let holds = found.iter().map(hold).collect();
        Ok(Response::new(proto::ListHoldsResponse { holds, next_page_token }))
    }

    async fn update_hold(
        &self,
        request: Request<proto::UpdateHoldRequest>,
    ) -> Result<Response<proto::UpdateHoldResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let method = format!("{SERVICE}/UpdateHold");
        let key = key(&request_id, &method, || message.encode_to_vec()).map_err(Error::from)?;
        let which = (convert::id("hold_id", &message.hold_id)?, message.version);
        let at = optional_instant("release_scheduled_date", message.release_scheduled_date)?;
        let release_at = Change::of(at, message.clear_release);
        let change = HoldChange { reason: message.reason, release_at };
        let payouts = self.clone();
        let done = detached(async move {
            let reply = |of: &_| proto::UpdateHoldResponse { hold: Some(hold(of)) };
            payouts.update_hold(&caller.ctx, which, &change, key.as_ref(), reply).await
        });
        Ok(answered(done.await?))
    }

    async fn release_hold(
        &self,
        request: Request<proto::ReleaseHoldRequest>,
    ) -> Result<Response<proto::ReleaseHoldResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key = (request_id, "ReleaseHold", message.encode_to_vec());
        let part = Some(message.amount_minor).filter(|minor| *minor != 0);
        let asked = Asked {
            hold_id: message.hold_id,
            version: message.version,
            end: End::Release(part),
            reason: message.reason,
        };
        end(self, caller, asked, key, released).await
    }

    async fn cancel_hold(
        &self,
        request: Request<proto::CancelHoldRequest>,
    ) -> Result<Response<proto::CancelHoldResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key = (request_id, "CancelHold", message.encode_to_vec());
        let asked = Asked {
            hold_id: message.hold_id,
            version: message.version,
            end: End::Cancel,
            reason: message.reason,
        };
        end(self, caller, asked, key, cancelled).await
    }

    async fn get_held_total(
        &self,
        request: Request<proto::GetHeldTotalRequest>,
    ) -> Result<Response<proto::GetHeldTotalResponse>, Status> {
        let caller = caller(&request)?;
        let id = convert::id("placement_id", &request.get_ref().placement_id)?;
        let totals = self.total_held(&caller.ctx, id).await?.iter().map(total).collect();
        Ok(Response::new(proto::GetHeldTotalResponse { totals }))
    }
}
