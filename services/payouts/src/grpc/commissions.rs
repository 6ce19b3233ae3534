//! The commission service.

use prost::Message as _;
use quittance_chassis::grpc::{caller, detached};
use quittance_chassis::problem::invalid;
use quittance_kernel::MemberId;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::commission_service_server::CommissionService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::partner_convert as wire;
use super::payouts::key;
use super::{convert, plans::reply as answered};
use crate::app::{Error, Payouts, Sale};
use crate::domain::commission::Rule;
use crate::domain::partner::{Period, text};

const SERVICE: &str = "quittance.payouts.v1.CommissionService";

/// The most partners that one call names.
const MAX_PARTNERS: usize = 1_000;

#[tonic::async_trait]
impl CommissionService for Payouts {
    async fn create_attribution(
        &self,
        request: Request<proto::CreateAttributionRequest>,
    ) -> Result<Response<proto::CreateAttributionResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let method = format!("{SERVICE}/CreateAttribution");
        let key = key(&request_id, &method, || message.encode_to_vec()).map_err(Error::from)?;
        let external_id = message.external_id.trim();
        if external_id.is_empty() || 200 < external_id.chars().count() {
            return Err(invalid("external_id", "must have 1 to 200 characters"));
        }
        let occurred_at = wire::instant("occur_time", message.occur_time)?;
        if caller.ctx.now < occurred_at {
            return Err(invalid("occur_time", "must not be in the future"));
        }
        let sale = Sale {
            external_id: external_id.to_owned(),
            partner: convert::id("partner_id", &message.partner_id)?,
            name: text("partner_name", &message.partner_name).map_err(Error::from)?,
            product: convert::optional_id("product_id", &message.product_id)?,
            amount: wire::amount("amount.minor_units", message.amount)?,
            occurred_at,
        };
        let payouts = self.clone();
        let done = detached(async move {
            let reply = |of: &_| proto::CreateAttributionResponse {
                attribution: Some(wire::attribution(of)),
            };
            payouts.attribute(&caller.ctx, &sale, key.as_ref(), reply).await
        });
        Ok(answered(done.await?))
    }

    async fn refund_attribution(
        &self,
        request: Request<proto::RefundAttributionRequest>,
    ) -> Result<Response<proto::RefundAttributionResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let method = format!("{SERVICE}/RefundAttribution");
        let key = key(&request_id, &method, || message.encode_to_vec()).map_err(Error::from)?;
        let id: Uuid = convert::id("attribution_id", &message.attribution_id)?;
        let payouts = self.clone();
        let done = detached(async move {
            let reply = |of: &_, clawback| proto::RefundAttributionResponse {
                attribution: Some(wire::attribution(of)),
                clawback: Some(convert::money(clawback)),
            };
            payouts.refund(&caller.ctx, id, message.amount_minor, key.as_ref(), reply).await
        });
        Ok(answered(done.await?))
    }

    async fn create_commission_rule(
        &self,
        request: Request<proto::CreateCommissionRuleRequest>,
    ) -> Result<Response<proto::CreateCommissionRuleResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let method = format!("{SERVICE}/CreateCommissionRule");
        let key = key(&request_id, &method, || message.encode_to_vec()).map_err(Error::from)?;
        let rule = Rule {
            id: Uuid::now_v7(),
            partner: convert::optional_id("partner_id", &message.partner_id)?,
            product: convert::optional_id("product_id", &message.product_id)?,
            rate: wire::rate(message.rate)?,
            holding_days: wire::holding(message.holding_days)?,
            created_at: caller.ctx.now,
        };
        let payouts = self.clone();
        let done = detached(async move {
            let reply = |of: &_| proto::CreateCommissionRuleResponse { rule: Some(wire::rule(of)) };
            payouts.create_rule(&caller.ctx, &rule, key.as_ref(), reply).await
        });
        Ok(answered(done.await?))
    }

    async fn list_commission_rules(
        &self,
        request: Request<proto::ListCommissionRulesRequest>,
    ) -> Result<Response<proto::ListCommissionRulesResponse>, Status> {
        let caller = caller(&request)?;
        let rules = self.rules(&caller.ctx).await?.iter().map(wire::rule).collect();
        Ok(Response::new(proto::ListCommissionRulesResponse { rules }))
    }

    async fn list_pending_commissions(
        &self,
        request: Request<proto::ListPendingCommissionsRequest>,
    ) -> Result<Response<proto::ListPendingCommissionsResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.get_ref();
        let partner = convert::optional_id::<MemberId>("partner_id", &message.partner_id)?;
        let period = wire::optional_period(&message.period)?;
        let partners: Vec<MemberId> = partner.into_iter().collect();
        let (groups, _) = self.pending_commissions(&caller.ctx, &partners, period.as_ref()).await?;
        let pending = groups.iter().map(wire::pending).collect();
        Ok(Response::new(proto::ListPendingCommissionsResponse { pending }))
    }

    async fn create_commission_payouts(
        &self,
        request: Request<proto::CreateCommissionPayoutsRequest>,
    ) -> Result<Response<proto::CreateCommissionPayoutsResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let method = format!("{SERVICE}/CreateCommissionPayouts");
        let key = key(&request_id, &method, || message.encode_to_vec()).map_err(Error::from)?;
        let period = Period::parse(&message.period).map_err(Error::from)?;
        if MAX_PARTNERS < message.partner_ids.len() {
            return Err(invalid("partner_ids", "must have at most 1,000 entries"));
        }
        let read = |(place, text): (usize, &String)| {
            convert::id::<MemberId>(&format!("partner_ids[{place}]"), text)
        };
        let partners: Result<Vec<_>, _> =
            message.partner_ids.iter().enumerate().map(read).collect();
        let partners = partners?;
        let payouts = self.clone();
        let done = detached(async move {
            let (ctx, key) = (&caller.ctx, key.as_ref());
            payouts.create_commission_payouts(ctx, &period, &partners, key, wire::created).await
        });
        Ok(answered(done.await?))
    }
}
