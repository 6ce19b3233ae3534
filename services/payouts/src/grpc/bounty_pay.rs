//! Quotes and profit shares.

use prost::Message as _;
use quittance_chassis::grpc::{caller, detached};
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::bounty_pay_service_server::BountyPayService;
use quittance_proto::payouts::v1::profit_share_service_server::ProfitShareService;
use tonic::{Request, Response, Status};

use super::partner_convert as wire;
use super::payouts::key;
use super::{convert, plans::reply as answered};
use crate::app::{Error, Payouts};
use crate::domain::partner::Period;
use crate::domain::profit::{Distribution, Report};
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
