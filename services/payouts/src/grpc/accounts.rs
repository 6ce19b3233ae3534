//! The service of payout accounts and minimum amounts.

use quittance_chassis::grpc::{caller, detached};
use quittance_chassis::problem::invalid;
use quittance_kernel::{MemberId, Money};
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::payout_account_service_server::PayoutAccountService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::convert;
use crate::app::{Error, Payouts, Shown};
use crate::domain::account::{Given, Number};
use crate::domain::limits::Minimum;
use crate::domain::partner::PartnerError;
use crate::rail::AccountLink;

fn account(Shown { account, payable_at, seen }: Shown) -> proto::PayoutAccount {
    let standing = seen.as_ref().map(|seen| seen.standing.as_str().to_owned());
    proto::PayoutAccount {
        standing: standing.unwrap_or_default(),
        standing_reason: seen.map(|seen| seen.reason).unwrap_or_default(),
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

    async fn create_onboarding_link(
        &self,
        request: Request<proto::CreateOnboardingLinkRequest>,
    ) -> Result<Response<proto::CreateOnboardingLinkResponse>, Status> {
        let caller = caller(&request)?;
        let payouts = self.clone();
        let link: Result<AccountLink, Status> =
            detached(async move { payouts.onboarding_link(&caller.ctx).await }).await;
        let AccountLink { url, expires_at } = link?;
        let expire_time = Some(convert::time(expires_at));
        Ok(Response::new(proto::CreateOnboardingLinkResponse { url, expire_time }))
    }

    async fn play_onboarding(
        &self,
        request: Request<proto::PlayOnboardingRequest>,
    ) -> Result<Response<proto::PlayOnboardingResponse>, Status> {
        let caller = caller(&request)?;
        let link: Uuid = convert::id("link_id", &request.get_ref().link_id)?;
        let payouts = self.clone();
        let done: Result<(), Status> =
            detached(async move { payouts.play_onboarding(&caller.ctx, link).await }).await;
        done?;
        Ok(Response::new(proto::PlayOnboardingResponse {}))
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
