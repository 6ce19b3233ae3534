//! The schedule service.

use prost::Message as _;
use quittance_chassis::grpc::{caller, detached};
use quittance_chassis::problem::invalid;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::schedule_service_server::ScheduleService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::convert::{self, money, time, wire_method};
use super::partner_convert::{amount, instant};
use super::payouts::key;
use super::plans::reply as answered;
use crate::app::{Error, Payouts};
use crate::domain::schedule::{Change, NewSchedule, Schedule, ScheduleChange, ScheduleState};
use crate::store::schedule::Filter;

const SERVICE: &str = "quittance.payouts.v1.ScheduleService";

/// Reads an instant that may be left out.
pub(super) fn optional_instant(
    field: &str,
    time: Option<prost_types::Timestamp>,
) -> Result<Option<quittance_kernel::Timestamp>, Status> {
    time.map(|time| instant(field, Some(time))).transpose()
}

/// Reads a method that may be left out.
pub(super) fn optional_method(
    field: &str,
    method: quittance_proto::common::v1::Method,
) -> Result<Option<quittance_kernel::Method>, Status> {
    if method == quittance_proto::common::v1::Method::Unspecified {
        return Ok(None);
    }
    convert::method(field, method).map(Some)
}

fn state(state: i32) -> Result<Option<ScheduleState>, Status> {
    use proto::ScheduleState as Wire;
    let refused = |_| invalid("state", "must be a state of schedules");
    Ok(match Wire::try_from(state).map_err(refused)? {
        Wire::Unspecified => None,
        Wire::Pending => Some(ScheduleState::Pending),
        Wire::Triggered => Some(ScheduleState::Triggered),
        Wire::Processing => Some(ScheduleState::Processing),
        Wire::Processed => Some(ScheduleState::Processed),
        Wire::Failed => Some(ScheduleState::Failed),
        Wire::Cancelled => Some(ScheduleState::Cancelled),
    })
}

fn wire_state(state: ScheduleState) -> proto::ScheduleState {
    use proto::ScheduleState as Wire;
    match state {
        ScheduleState::Pending => Wire::Pending,
        ScheduleState::Triggered => Wire::Triggered,
        ScheduleState::Processing => Wire::Processing,
        ScheduleState::Processed => Wire::Processed,
        ScheduleState::Failed => Wire::Failed,
        ScheduleState::Cancelled => Wire::Cancelled,
    }
}

fn schedule(of: &Schedule) -> proto::Schedule {
    let optional = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    proto::Schedule {
        schedule_id: of.id.to_string(),
        placement_id: of.placement.to_string(),
        payee_id: of.payee.to_string(),
        amount: Some(money(of.amount)),
        method: wire_method(of.method).into(),
        reference: of.reference.clone(),
        notes: of.notes.clone(),
        scheduled_date: Some(time(of.scheduled_at)),
        guarantee_completion_date: of.guarantee_at.map(time),
        state: wire_state(of.state).into(),
        payout_id: optional(of.payout.map(|payout| payout.0)),
        process_time: of.processed_at.map(time),
        failure_reason: of.failure.clone(),
        retry_count: i32::try_from(of.retries).unwrap_or(i32::MAX),
        last_retry_time: of.last_retry_at.map(time),
        next_attempt_time: Some(time(of.next_attempt_at)),
        waiting_for: of.waiting_for.clone(),
        hold_id: optional(of.hold),
        created_by: of.created_by.to_string(),
        version: of.version,
        create_time: Some(time(of.created_at)),
        update_time: Some(time(of.updated_at)),
    }
}

fn change(message: proto::UpdateScheduleRequest) -> Result<ScheduleChange, Status> {
    let method = optional_method("method", message.method())?;
    let guarantee =
        optional_instant("guarantee_completion_date", message.guarantee_completion_date)?;
    let payee = message.payee_id.map(|id| convert::id("payee_id", &id)).transpose()?;
    let amount = message.amount.map(|of| amount("amount.minor_units", Some(of))).transpose()?;
    Ok(ScheduleChange {
        payee,
        amount,
        method,
        reference: message.reference,
        notes: message.notes,
        scheduled_at: optional_instant("scheduled_date", message.scheduled_date)?,
        guarantee_at: Change::of(guarantee, message.clear_guarantee),
    })
}

#[tonic::async_trait]
impl ScheduleService for Payouts {
    async fn create_schedule(
        &self,
        request: Request<proto::CreateScheduleRequest>,
    ) -> Result<Response<proto::CreateScheduleResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let method = format!("{SERVICE}/CreateSchedule");
        let key = key(&request_id, &method, || message.encode_to_vec()).map_err(Error::from)?;
        let guarantee_at =
            optional_instant("guarantee_completion_date", message.guarantee_completion_date)?;
        let new = NewSchedule {
            placement: convert::id("placement_id", &message.placement_id)?,
            payee: convert::id("payee_id", &message.payee_id)?,
            amount: amount("amount.minor_units", message.amount.clone())?,
            method: convert::method("method", message.method())?,
            reference: message.reference,
            notes: message.notes,
            hold: None,
            scheduled_at: instant("scheduled_date", message.scheduled_date)?,
            guarantee_at,
        };
        let payouts = self.clone();
        let done = detached(async move {
            let reply = |of: &_| proto::CreateScheduleResponse { schedule: Some(schedule(of)) };
            payouts.create_schedule(&caller.ctx, &new, key.as_ref(), reply).await
        });
        Ok(answered(done.await?))
    }

    async fn get_schedule(
        &self,
        request: Request<proto::GetScheduleRequest>,
    ) -> Result<Response<proto::GetScheduleResponse>, Status> {
        let caller = caller(&request)?;
        let id = convert::id("schedule_id", &request.get_ref().schedule_id)?;
        let found = self.schedule(&caller.ctx, id).await?;
        Ok(Response::new(proto::GetScheduleResponse { schedule: Some(schedule(&found)) }))
    }

    async fn list_schedules(
        &self,
        request: Request<proto::ListSchedulesRequest>,
    ) -> Result<Response<proto::ListSchedulesResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let filter = Filter {
            placement: convert::optional_id("placement_id", &message.placement_id)?,
            payee: convert::optional_id("payee_id", &message.payee_id)?,
            state: state(message.state)?,
            due_before: optional_instant("due_before", message.due_before)?,
        };
        let (found, next_page_token) =
            self.schedules(&caller.ctx, filter, message.page_size, &message.page_token).await?;
        let schedules = found.iter().map(schedule).collect();
        Ok(Response::new(proto::ListSchedulesResponse { schedules, next_page_token }))
    }

    async fn update_schedule(
        &self,
        request: Request<proto::UpdateScheduleRequest>,
    ) -> Result<Response<proto::UpdateScheduleResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let method = format!("{SERVICE}/UpdateSchedule");
        let key = key(&request_id, &method, || message.encode_to_vec()).map_err(Error::from)?;
        let which = (convert::id("schedule_id", &message.schedule_id)?, message.version);
        let change = change(message)?;
        let payouts = self.clone();
        let done = detached(async move {
            let reply = |of: &_| proto::UpdateScheduleResponse { schedule: Some(schedule(of)) };
            payouts.update_schedule(&caller.ctx, which, &change, key.as_ref(), reply).await
        });
        Ok(answered(done.await?))
    }

    async fn cancel_schedule(
        &self,
        request: Request<proto::CancelScheduleRequest>,
    ) -> Result<Response<proto::CancelScheduleResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let method = format!("{SERVICE}/CancelSchedule");
        let key = key(&request_id, &method, || message.encode_to_vec()).map_err(Error::from)?;
        let which = (convert::id("schedule_id", &message.schedule_id)?, message.version);
        let reason = match message.reason.as_str() {
            "" => None,
            text => Some(crate::domain::hold::reason(text).map_err(Error::from)?),
        };
        let payouts = self.clone();
        let done = detached(async move {
            let (ctx, reason) = (&caller.ctx, reason.as_deref());
            let reply = |of: &_| proto::CancelScheduleResponse { schedule: Some(schedule(of)) };
            payouts.cancel_schedule(ctx, which, reason, key.as_ref(), reply).await
        });
        Ok(answered(done.await?))
    }

    async fn trigger_schedule(
        &self,
        request: Request<proto::TriggerScheduleRequest>,
    ) -> Result<Response<proto::TriggerScheduleResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let method = format!("{SERVICE}/TriggerSchedule");
        let key = key(&request_id, &method, || message.encode_to_vec()).map_err(Error::from)?;
        let id = convert::id("schedule_id", &message.schedule_id)?;
        let payouts = self.clone();
        let done = detached(async move {
            let reply = |of: &_| proto::TriggerScheduleResponse { schedule: Some(schedule(of)) };
            payouts.trigger_schedule(&caller.ctx, id, key.as_ref(), reply).await
        });
        Ok(answered(done.await?))
    }
}
