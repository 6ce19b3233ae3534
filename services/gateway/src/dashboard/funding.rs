//! Who pays for a product, and what it has paid in advance.

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::Method;
use quittance_chassis::config::Mode;
use quittance_proto::payouts::v1 as wire;

use super::bounties::Asked;
use super::form::{Typed, fresh_key};
use super::product::Tabs;
use super::view::{Frame, Viewer, answer, done};
use crate::extract::Segments;
use crate::problem::Problem;
use crate::rest::some;

const PAGE: &str = "/app/admin/funding";

#[derive(askama::Template)]
#[template(path = "funding.html")]
struct FundingPage {
    frame: Frame,
    key: String,
    tabs: Tabs,
    payer: Option<Payer>,
    sandbox: bool,
    funds: Vec<Fund>,
    pays: bool,
    method: String,
    customer: String,
    amount: String,
    low: String,
    currency: String,
}

struct Payer {
    masked: String,
    customer: Option<String>,
    since: String,
}

/// What is there in one currency.
struct Fund {
    balance: String,
    threshold: String,
    low: bool,
    changed: String,
}

impl Viewer {
    async fn payer(&self, product: &str) -> Result<Option<Payer>, Problem> {
        let request = self.caller.request(wire::GetPayerRequest { product_id: product.to_owned() });
        let reply = self.gateway.payers().get_payer(request).await?.into_inner();
        Ok(reply.payer.map(|of| Payer {
            masked: of.masked,
            customer: some(of.customer_id),
            since: self.minute(of.update_time),
        }))
    }

    async fn funds(&self, product: &str) -> Result<Vec<Fund>, Problem> {
        let request =
            self.caller.request(wire::ListPreFundsRequest { product_id: product.to_owned() });
        let reply = self.gateway.pre_funds().list_pre_funds(request).await?.into_inner();
        let fund = |of: wire::PreFund| {
            let code = of.balance.clone().unwrap_or_default().currency_code;
            Fund {
                balance: self.money(of.balance.as_ref()),
                threshold: self.locale.money(of.low_minor, &code),
                low: of.low,
                changed: self.minute(of.update_time),
            }
        };
        Ok(reply.pre_funds.into_iter().map(fund).collect())
    }
}

/// Shows who pays, and what is there.
pub(super) async fn page(viewer: Viewer, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    shown(&viewer, &asked.product, &Typed::default(), None).await
}

async fn shown(
    viewer: &Viewer,
    product: &str,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let (_, tabs) = viewer.product(product, PAGE).await?;
    let asked = async {
        if tabs.id.is_empty() {
            return Ok((None, Vec::new()));
        }
        tokio::try_join!(viewer.payer(&tabs.id), viewer.funds(&tabs.id))
    };
    let (frame, asked) = tokio::join!(viewer.frame("Funding"), asked);
    let (payer, funds) = asked?;
    let page = FundingPage {
        frame: frame.with(problem),
        key: fresh_key(),
        payer,
        sandbox: viewer.gateway.mode == Mode::Development,
        funds,
        pays: !tabs.id.is_empty() && viewer.may(&Method::POST, "/app/admin/funding/{step}"),
        method: typed.text("method").to_owned(),
        customer: typed.text("customer").to_owned(),
        amount: typed.text("amount").to_owned(),
        low: typed.text("low").to_owned(),
        currency: typed.or("currency", "USD"),
        tabs,
    };
    Ok(answer(problem, &page))
}

/// Names who pays, tops the balance up, or says when it is low. What was typed stays when it is
/// refused.
pub(super) async fn step(
    viewer: Viewer,
    Segments(step): Segments<String>,
    typed: Typed,
) -> Response {
    let product = typed.text("product");
    let taken = match step.as_str() {
        "payer" => payer(&viewer, product, &typed).await.map(|()| "saved"),
        "top-up" => top_up(&viewer, product, &typed).await.map(|()| "topped-up"),
        "low" => low(&viewer, product, &typed).await.map(|()| "saved"),
        _ => return Problem::not_found().into_response(),
    };
    match taken {
        Ok(notice) => done(&format!("{PAGE}?product={product}"), notice),
        Err(problem) => shown(&viewer, product, &typed, Some(&problem))
            .await
            .unwrap_or_else(IntoResponse::into_response),
    }
}

async fn payer(viewer: &Viewer, product: &str, typed: &Typed) -> Result<(), Problem> {
    let request = viewer.caller.request(wire::SetPayerRequest {
        product_id: product.to_owned(),
        payment_method_id: typed.text("method").to_owned(),
        customer_id: typed.text("customer").to_owned(),
    });
    viewer.gateway.payers().set_payer(request).await?;
    Ok(())
}

async fn top_up(viewer: &Viewer, product: &str, typed: &Typed) -> Result<(), Problem> {
    let key = typed.key()?;
    let message = wire::TopUpPreFundRequest {
        request_id: key.request_id(),
        product_id: product.to_owned(),
        amount: Some(typed.money(viewer.locale)?),
    };
    viewer.gateway.pre_funds().top_up_pre_fund(key.request(&viewer.caller, message)).await?;
    Ok(())
}

async fn low(viewer: &Viewer, product: &str, typed: &Typed) -> Result<(), Problem> {
    let amount = typed.amount("low", &typed.currency()?, viewer.locale)?;
    let request = viewer.caller.request(wire::SetLowBalanceRequest {
        product_id: product.to_owned(),
        low: Some(amount.ok_or_else(|| Problem::required("low"))?),
    });
    viewer.gateway.pre_funds().set_low_balance(request).await?;
    Ok(())
}
