//! The service of payout accounts and minimum amounts.

use quittance_chassis::grpc::{caller, detached};
use quittance_chassis::problem::invalid;
use quittance_kernel::{MemberId, Money};
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::payout_account_service_server::PayoutAccountService;
use tonic::{Request, Response, Status};

use super::convert;
use crate::app::{Error, Payouts, Shown};
use crate::domain::account::{Given, Number};
use crate::domain::limits::Minimum;
use crate::domain::partner::PartnerError;

fn account((account, payable_at): Shown) -> proto::PayoutAccount {
    proto::PayoutAccount {
        member_id: account.member.to_string(),
        method: convert::wire_method(account.method).into(),
        masked: account.masked,
        version: account.version,
        create_time: Some(convert::time(account.created_at)),
        change_time: account.changed_at.map(convert::time),
        payable_time: payable_at.map(convert::time),
    }
}

fn minimum(minimum: &Minimum) -> proto::MinimumAmount {
    proto::MinimumAmount {
        method: convert::wire_method(minimum.method).into(),
        amount: Some(convert::money(minimum.amount)),
    }
}

#[tonic::async_trait]
impl PayoutAccountService for Payouts {
    async fn list_payout_accounts(
        &self,
        request: Request<proto::ListPayoutAccountsRequest>,
    ) -> Result<Response<proto::ListPayoutAccountsResponse>, Status> {
        let caller = caller(&request)?;
        let member: Option<MemberId> =
            convert::optional_id("member_id", &request.get_ref().member_id)?;
        let member = member.unwrap_or_else(|| caller.ctx.member());
        let found = self.accounts(&caller.ctx, member).await?;
        let accounts = found.into_iter().map(account).collect();
        Ok(Response::new(proto::ListPayoutAccountsResponse { accounts }))
    }

    async fn set_payout_account(
        &self,
        request: Request<proto::SetPayoutAccountRequest>,
    ) -> Result<Response<proto::SetPayoutAccountResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let method = convert::method("method", message.method())?;
        let given =
            Given { phone: &message.phone, iban: &message.iban, account_id: &message.account_id };
        let number = Number::parse(method, &given).map_err(Error::from)?;
        let payouts = self.clone();
        let done: Result<Shown, Status> =
            detached(async move { payouts.set_account(&caller.ctx, &number).await }).await;
        Ok(Response::new(proto::SetPayoutAccountResponse { account: Some(account(done?)) }))
    }

    async fn list_minimum_amounts(
        &self,
        request: Request<proto::ListMinimumAmountsRequest>,
    ) -> Result<Response<proto::ListMinimumAmountsResponse>, Status> {
        let caller = caller(&request)?;
        let found = self.minimums(&caller.ctx).await?;
        let minimums = found.iter().map(minimum).collect();
        Ok(Response::new(proto::ListMinimumAmountsResponse { minimums }))
    }

    async fn set_minimum_amount(
        &self,
        request: Request<proto::SetMinimumAmountRequest>,
    ) -> Result<Response<proto::SetMinimumAmountResponse>, Status> {
        let caller = caller(&request)?;
        let asked = request.into_inner().minimum.unwrap_or_default();
        let method = convert::method("minimum.method", asked.method())?;
        let amount = asked.amount.ok_or_else(|| invalid("minimum.amount", "must be given"))?;
        let code = amount.currency_code;
        let currency =
            code.parse().map_err(|_| Error::from(PartnerError::Currency(code.clone())))?;
        let set = Minimum { method, amount: Money::signed(amount.minor_units, currency) };
        let payouts = self.clone();
        let done: Result<Minimum, Status> =
            detached(async move { payouts.set_minimum(&caller.ctx, set).await }).await;
        Ok(Response::new(proto::SetMinimumAmountResponse { minimum: Some(minimum(&done?)) }))
    }
}
