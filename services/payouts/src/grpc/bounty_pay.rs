//! Quotes and profit shares.

use prost::Message as _;
use quittance_chassis::grpc::{caller, detached};
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::bounty_pay_service_server::BountyPayService;
use quittance_proto::payouts::v1::payer_service_server::PayerService;
use quittance_proto::payouts::v1::profit_share_service_server::ProfitShareService;
use tonic::{Request, Response, Status};

use super::partner_convert as wire;
use super::payouts::key;
use super::{convert, plans::reply as answered};
use crate::app::{Error, Payouts, ShownPayment};
use crate::domain::bounty_payment::Funding;
use crate::domain::charge::ChargeAttempt;
use crate::domain::partner::Period;
use crate::domain::payer::Payer;
use crate::domain::profit::{Distribution, Report};
use crate::store::bounty_earnings::{Line, Total};
use crate::store::quote::Stored;

const DISTRIBUTE: &str = "quittance.payouts.v1.ProfitShareService/DistributeProfit";

fn quote(stored: &Stored) -> proto::Quote {
    let quote = &stored.quote;
    proto::Quote {
        quote_id: stored.id.to_string(),
        issue_id: stored.issue.to_string(),
        currency_code: quote.currency.code().to_owned(),
        value_minor: quote.value,
        tip_minor: quote.tip,
        platform_fee_minor: quote.platform_fee,
        processor_fee_minor: quote.processor_fee,
        rounding_minor: quote.rounding,
        total_minor: quote.total,
        version: stored.version,
    }
}

/// What a charge is like for whoever pays.
pub(super) fn charge(charge: &ChargeAttempt) -> proto::BountyCharge {
    proto::BountyCharge {
        charge_id: charge.id.to_string(),
        number: charge.number,
        state: charge.state.as_str().to_owned(),
        amount: Some(convert::money(charge.amount())),
        reference: charge.reference.clone(),
        code: charge.code.clone(),
        create_time: Some(convert::time(charge.created_at)),
        update_time: Some(convert::time(charge.updated_at)),
    }
}

fn payment(shown: &ShownPayment) -> proto::BountyPayment {
    let ShownPayment { payment, payout, .. } = shown;
    let costs = shown.with_costs;
    proto::BountyPayment {
        payout_id: payout.id.to_string(),
        issue_id: payment.issue.to_string(),
        product_id: payment.product.to_string(),
        bounty_id: payment.bounty.to_string(),
        payee_id: payout.payee.to_string(),
        status: shown.status().as_str().to_owned(),
        reasons: payment.reasons.clone(),
        amount: Some(convert::money(payout.amount)),
        quote: shown.quote.as_ref().filter(|_| costs).map(quote),
        funding: payment.funding.map(Funding::as_str).unwrap_or_default().to_owned(),
        charge: shown.charge.as_ref().filter(|_| costs).map(charge),
        in_escrow: shown.in_escrow(),
        pay_time: payout.paid_at.map(convert::time),
        create_time: Some(convert::time(payout.created_at)),
        update_time: Some(convert::time(payment.updated_at.max(payout.updated_at))),
        reference: payout.reference.clone(),
    }
}

fn payer(payer: &Payer) -> proto::Payer {
    proto::Payer {
        product_id: payer.product.to_string(),
        member_id: payer.member.to_string(),
        masked: payer.masked(),
        customer_id: payer.customer.clone(),
        version: payer.version,
        create_time: Some(convert::time(payer.created_at)),
        update_time: Some(convert::time(payer.updated_at)),
    }
}

fn distributed(done: &Distribution) -> proto::DistributeProfitResponse {
    let shares = done.division.shares.iter().zip(&done.names).zip(&done.payouts);
    proto::DistributeProfitResponse {
        profit_period_id: done.id.map(|id| id.to_string()).unwrap_or_default(),
        product_id: done.report.product.to_string(),
        period: done.report.period.clone(),
        currency_code: done.report.profit.currency().code().to_owned(),
        profit_minor: done.report.profit.minor(),
        pool_bps: done.report.pool_bps,
        total_minor: done.total,
        residual_minor: done.division.residual,
        platform_fee_minor: done.platform_fee(),
        effective_points: done.division.effective_points,
        allocations: shares
            .map(|((share, name), payout)| proto::Allocation {
                member_id: share.member.to_string(),
                member_name: name.clone(),
                points: share.points,
                amount_minor: share.amount,
                platform_fee_minor: share.platform_fee,
                payout_minor: share.payout(),
                payout_id: payout.map(|id| id.to_string()).unwrap_or_default(),
            })
            .collect(),
    }
}

#[tonic::async_trait]
impl BountyPayService for Payouts {
    async fn get_quote(
        &self,
        request: Request<proto::GetQuoteRequest>,
    ) -> Result<Response<proto::GetQuoteResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let issue = convert::id("issue_id", &message.issue_id)?;
        let payouts = self.clone();
        let stored =
            detached(async move { payouts.quote(&caller, issue, message.tip_minor).await });
        Ok(Response::new(proto::GetQuoteResponse { quote: Some(quote(&stored.await?)) }))
    }

    async fn pay_bounty(
        &self,
        request: Request<proto::PayBountyRequest>,
    ) -> Result<Response<proto::PayBountyResponse>, Status> {
        let caller = caller(&request)?;
        let issue = convert::id("issue_id", &request.get_ref().issue_id)?;
        let payouts = self.clone();
        let shown = detached(async move {
            payouts.look_at_bounty(&caller, issue).await?;
            payouts.bounty_payment(&caller.ctx, issue).await
        });
        let payment = shown.await?.map(|shown| payment(&shown));
        Ok(Response::new(proto::PayBountyResponse { payment }))
    }

    async fn get_bounty_payment(
        &self,
        request: Request<proto::GetBountyPaymentRequest>,
    ) -> Result<Response<proto::GetBountyPaymentResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.get_ref();
        let payout = convert::optional_id("payout_id", &message.payout_id)?;
        let shown = if let Some(payout) = payout {
            self.payment_of_payout(&caller.ctx, payout).await?
        } else {
            let issue = convert::id("issue_id", &message.issue_id)?;
            self.bounty_payment(&caller.ctx, issue).await?
        };
        let payment = shown.map(|shown| payment(&shown));
        Ok(Response::new(proto::GetBountyPaymentResponse { payment }))
    }

    async fn refund_payout(
        &self,
        request: Request<proto::RefundPayoutRequest>,
    ) -> Result<Response<proto::RefundPayoutResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let id = convert::id("payout_id", &message.payout_id)?;
        let payouts = self.clone();
        let shown = detached(async move {
            payouts.refund_bounty(&caller.ctx, id, &message.reason).await?;
            payouts.payment_of_payout(&caller.ctx, id).await
        });
        let payment = shown.await?.map(|shown| payment(&shown));
        Ok(Response::new(proto::RefundPayoutResponse { payment }))
    }

    async fn get_bounty_earnings(
        &self,
        request: Request<proto::GetBountyEarningsRequest>,
    ) -> Result<Response<proto::GetBountyEarningsResponse>, Status> {
        let caller = caller(&request)?;
        let member = convert::optional_id("member_id", &request.get_ref().member_id)?;
        let member = member.unwrap_or_else(|| caller.ctx.member());
        let earned = self.bounty_earnings(&caller.ctx, member).await?;
        let (fixed, shares): (Vec<_>, Vec<_>) =
            earned.lines.iter().partition(|line| line.issue.is_some());
        Ok(Response::new(proto::GetBountyEarningsResponse {
            fixed_payments: fixed.into_iter().map(earning).collect(),
            profit_shares: shares.into_iter().map(earning).collect(),
            totals: earned.totals.iter().map(total).collect(),
        }))
    }
}

fn earning(line: &Line) -> proto::BountyEarning {
    proto::BountyEarning {
        payout_id: line.payout.to_string(),
        issue_id: line.issue.map(|issue| issue.to_string()).unwrap_or_default(),
        bounty_id: line.bounty.map(|bounty| bounty.to_string()).unwrap_or_default(),
        period: line.period.clone(),
        amount: Some(convert::money(line.amount)),
        status: line.status().as_str().to_owned(),
        reasons: line.reasons.clone(),
        reference: line.reference.clone(),
        pay_time: line.paid_at.map(convert::time),
        create_time: Some(convert::time(line.created_at)),
    }
}

fn total(total: &Total) -> proto::BountyEarningTotal {
    proto::BountyEarningTotal {
        fixed: total.fixed,
        currency_code: total.currency.clone(),
        paid_minor: total.paid,
        pending_minor: total.pending,
        paid_count: total.paid_count,
        pending_count: total.pending_count,
    }
}

#[tonic::async_trait]
impl PayerService for Payouts {
    async fn set_payer(
        &self,
        request: Request<proto::SetPayerRequest>,
    ) -> Result<Response<proto::SetPayerResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let product = convert::id("product_id", &message.product_id)?;
        let payouts = self.clone();
        let set = detached(async move {
            let (method, customer) = (&message.payment_method_id, &message.customer_id);
            payouts.set_payer(&caller, product, method, customer).await
        });
        Ok(Response::new(proto::SetPayerResponse { payer: Some(payer(&set.await?)) }))
    }

    async fn get_payer(
        &self,
        request: Request<proto::GetPayerRequest>,
    ) -> Result<Response<proto::GetPayerResponse>, Status> {
        let caller = caller(&request)?;
        let product = convert::id("product_id", &request.get_ref().product_id)?;
        let found = self.payer(&caller, product).await?;
        Ok(Response::new(proto::GetPayerResponse { payer: found.as_ref().map(payer) }))
    }
}

#[tonic::async_trait]
impl ProfitShareService for Payouts {
    async fn distribute_profit(
        &self,
        request: Request<proto::DistributeProfitRequest>,
    ) -> Result<Response<proto::DistributeProfitResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key = key(&request_id, DISTRIBUTE, || message.encode_to_vec()).map_err(Error::from)?;
        let period = Period::parse(&message.period).map_err(Error::from)?;
        let report = Report::new(
            convert::id("product_id", &message.product_id)?,
            period.text,
            wire::amount("profit_minor", message.profit)?,
            message.pool_bps,
        )
        .map_err(Error::from)?;
        let payouts = self.clone();
        let done = detached(async move {
            let key = key.as_ref();
            payouts.distribute(&caller, &report, message.dry_run, key, distributed).await
        });
        Ok(answered(done.await?))
    }
}
