//! The service of what is paid in advance.

use prost::Message as _;
use quittance_chassis::grpc::{caller, detached};
use quittance_chassis::problem::invalid;
use quittance_kernel::MoneyError;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::pre_fund_service_server::PreFundService;
use tonic::{Request, Response, Status};

use super::bounty_pay::charge;
use super::payouts::key;
use super::{convert, partner_convert as wire, plans::reply as answered};
use crate::app::{Error, Payouts};
use crate::domain::charge::ChargeAttempt;
use crate::domain::pre_fund::PreFund;

const TOP_UP: &str = "quittance.payouts.v1.PreFundService/TopUpPreFund";

fn shown(fund: &PreFund) -> proto::PreFund {
    proto::PreFund {
        product_id: fund.product.to_string(),
        balance: Some(convert::money(fund.balance)),
        low_minor: fund.low,
        low: fund.is_low(),
        version: fund.version,
        update_time: Some(convert::time(fund.updated_at)),
    }
}

fn topped_up(of: &ChargeAttempt) -> proto::TopUpPreFundResponse {
    proto::TopUpPreFundResponse { charge: Some(charge(of)) }
}

#[tonic::async_trait]
impl PreFundService for Payouts {
    async fn list_pre_funds(
        &self,
        request: Request<proto::ListPreFundsRequest>,
    ) -> Result<Response<proto::ListPreFundsResponse>, Status> {
        let caller = caller(&request)?;
        let product = convert::id("product_id", &request.get_ref().product_id)?;
        let pre_funds = self.pre_funds(&caller, product).await?.iter().map(shown).collect();
        Ok(Response::new(proto::ListPreFundsResponse { pre_funds }))
    }

    async fn top_up_pre_fund(
        &self,
        request: Request<proto::TopUpPreFundRequest>,
    ) -> Result<Response<proto::TopUpPreFundResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let key = key(&request_id, TOP_UP, || message.encode_to_vec()).map_err(Error::from)?;
        let product = convert::id("product_id", &message.product_id)?;
        let amount = wire::amount("amount_minor", message.amount)?;
        let payouts = self.clone();
        let done = detached(async move {
            payouts.top_up(&caller, product, amount, key.as_ref(), topped_up).await
        });
        Ok(answered(done.await?))
    }

    async fn set_low_balance(
        &self,
        request: Request<proto::SetLowBalanceRequest>,
    ) -> Result<Response<proto::SetLowBalanceResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let product = convert::id("product_id", &message.product_id)?;
        let low = message.low.unwrap_or_default();
        let unknown = |_: MoneyError| invalid("low.currency_code", "must be a code of ISO 4217");
        let currency = low.currency_code.parse().map_err(unknown)?;
        let payouts = self.clone();
        let set = detached(async move {
            payouts.set_low_balance(&caller, product, currency, low.minor_units).await
        });
        let pre_funds = set.await?.iter().map(shown).collect();
        Ok(Response::new(proto::SetLowBalanceResponse { pre_funds }))
    }
}
