//! The service of partners' payouts.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _};
use prost::Message as _;
use quittance_chassis::grpc::{Caller, caller, detached};
use quittance_kernel::PayoutId;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::partner_payout_service_server::PartnerPayoutService;
use tonic::{Request, Response, Status};

use super::partner_convert as wire;
use super::payouts::key;
use super::{convert, plans::reply as answered};
use crate::app::{Answered, Error, Mode, Moved, Payouts};
use crate::domain::partner::{NewPayout, Period, Source, Step, check_bulk, text};

const SERVICE: &str = "quittance.payouts.v1.PartnerPayoutService";

/// Takes a step with one payout.
async fn single<R: prost::Message + Default + 'static>(
    payouts: &Payouts,
    caller: Caller,
    id: PayoutId,
    step: Step,
    (request_id, method, body): (String, &str, Vec<u8>),
    reply: fn(&[Moved], bool) -> R,
) -> Result<Response<R>, Status> {
    let key = key(&request_id, &format!("{SERVICE}/{method}"), || body).map_err(Error::from)?;
    let payouts = payouts.clone();
    let done: Result<Answered<R>, Status> = detached(async move {
        payouts.move_payouts(&caller.ctx, &[id], &step, Mode::Single, key.as_ref(), reply).await
    })
    .await;
    Ok(answered(done?))
}

#[tonic::async_trait]
impl PartnerPayoutService for Payouts {
    async fn create_partner_payout(
        &self,
        request: Request<proto::CreatePartnerPayoutRequest>,
    ) -> Result<Response<proto::CreatePartnerPayoutResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let method = format!("{SERVICE}/CreatePartnerPayout");
        let key = key(&request_id, &method, || message.encode_to_vec()).map_err(Error::from)?;
        let partner = convert::id("partner_id", &message.partner_id)?;
        let amount = wire::amount("amount.minor_units", message.amount)?;
        let name = text("partner_name", &message.partner_name).map_err(Error::from)?;
        let new = NewPayout {
            period: Period::parse(&message.period).map_err(Error::from)?.text,
            notes: text("notes", &message.notes).map_err(Error::from)?,
            ..NewPayout::of(partner, name, amount, Source::Manual)
        };
        let payouts = self.clone();
        let done = detached(async move {
            let reply =
                |of: &_| proto::CreatePartnerPayoutResponse { payout: Some(wire::payout(of)) };
            payouts.create_payout(&caller.ctx, &new, key.as_ref(), reply).await
        });
        Ok(answered(done.await?))
    }

    async fn approve_partner_payout(
        &self,
        request: Request<proto::ApprovePartnerPayoutRequest>,
    ) -> Result<Response<proto::ApprovePartnerPayoutResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let id = convert::id("payout_id", &message.payout_id)?;
        let key = (request_id, "ApprovePartnerPayout", message.encode_to_vec());
        single(self, caller, id, Step::Approve, key, |moved, _| {
            proto::ApprovePartnerPayoutResponse { payout: wire::moved(moved) }
        })
        .await
    }

    async fn reject_partner_payout(
        &self,
        request: Request<proto::RejectPartnerPayoutRequest>,
    ) -> Result<Response<proto::RejectPartnerPayoutResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let id = convert::id("payout_id", &message.payout_id)?;
        let step = Step::reject(&message.notes).map_err(Error::from)?;
        let key = (request_id, "RejectPartnerPayout", message.encode_to_vec());
        single(self, caller, id, step, key, |moved, _| proto::RejectPartnerPayoutResponse {
            payout: wire::moved(moved),
        })
        .await
    }

    async fn mark_partner_payout_paid(
        &self,
        request: Request<proto::MarkPartnerPayoutPaidRequest>,
    ) -> Result<Response<proto::MarkPartnerPayoutPaidResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let id = convert::id("payout_id", &message.payout_id)?;
        let method = convert::method("method", message.method())?;
        let step = Step::mark_paid(method, &message.reference).map_err(Error::from)?;
        let key = (request_id, "MarkPartnerPayoutPaid", message.encode_to_vec());
        single(self, caller, id, step, key, |moved, _| proto::MarkPartnerPayoutPaidResponse {
            payout: wire::moved(moved),
        })
        .await
    }

    async fn bulk_approve_partner_payouts(
        &self,
        request: Request<proto::BulkApprovePartnerPayoutsRequest>,
    ) -> Result<Response<proto::BulkApprovePartnerPayoutsResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let method = format!("{SERVICE}/BulkApprovePartnerPayouts");
        let key = key(&request_id, &method, || message.encode_to_vec()).map_err(Error::from)?;
        let ids = wire::payout_ids(&message.payout_ids)?;
        check_bulk(&ids).map_err(Error::from)?;
        let mode = if message.best_effort { Mode::BestEffort } else { Mode::Atomic };
        let payouts = self.clone();
        let done = detached(async move {
            let step = Step::Approve;
            payouts.move_payouts(&caller.ctx, &ids, &step, mode, key.as_ref(), wire::bulk).await
        });
        Ok(answered(done.await?))
    }

    async fn list_partner_payouts(
        &self,
        request: Request<proto::ListPartnerPayoutsRequest>,
    ) -> Result<Response<proto::ListPartnerPayoutsResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let filter = wire::filter(message.filter)?;
        let (size, token) = (message.page_size, &message.page_token);
        let (payouts, next_page_token) =
            self.partner_payouts(&caller.ctx, &filter, size, token).await?;
        let payouts = payouts.iter().map(wire::payout).collect();
        Ok(Response::new(proto::ListPartnerPayoutsResponse { payouts, next_page_token }))
    }

    async fn get_payout_stats(
        &self,
        request: Request<proto::GetPayoutStatsRequest>,
    ) -> Result<Response<proto::GetPayoutStatsResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(wire::stats(&self.payout_stats(&caller.ctx).await?)))
    }

    async fn list_partners(
        &self,
        request: Request<proto::ListPartnersRequest>,
    ) -> Result<Response<proto::ListPartnersResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.get_ref();
        let (partners, next_page_token) =
            self.partners(&caller.ctx, message.page_size, &message.page_token).await?;
        let partners = partners.into_iter().map(wire::partner).collect();
        Ok(Response::new(proto::ListPartnersResponse { partners, next_page_token }))
    }

    async fn get_partner_summary(
        &self,
        request: Request<proto::GetPartnerSummaryRequest>,
    ) -> Result<Response<proto::GetPartnerSummaryResponse>, Status> {
        let caller = caller(&request)?;
        let id = convert::id("partner_id", &request.get_ref().partner_id)?;
        Ok(Response::new(wire::summary(self.partner_summary(&caller.ctx, id).await?)))
    }

    type ExportPartnerPayoutsStream =
        Pin<Box<dyn Stream<Item = Result<proto::ExportPartnerPayoutsResponse, Status>> + Send>>;

    async fn export_partner_payouts(
        &self,
        request: Request<proto::ExportPartnerPayoutsRequest>,
    ) -> Result<Response<Self::ExportPartnerPayoutsStream>, Status> {
        let caller = caller(&request)?;
        let filter = wire::filter(request.into_inner().filter)?;
        let chunks = self
            .export_payouts(&caller.ctx, filter)
            .map(|chunk| Ok(proto::ExportPartnerPayoutsResponse { chunk: chunk?.into() }));
        Ok(Response::new(Box::pin(chunks)))
    }
}
