//! Receipts of payouts as pages to print: the contributor's says what they got, the founder's what it
//! cost.

use std::fmt::Write as _;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;
use quittance_proto::payouts::v1 as wire;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::Caller;
use crate::extract::Segments;
use crate::problem::Problem;
use crate::reply::required;
use crate::rest::shapes::time;
use crate::rest::statement::PAGE_POLICY;
use crate::rest::statement::render::{STYLE, amount, escape, instant};
use crate::state::Gateway;
use crate::words::{Method, PayoutState};

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(own)).routes(routes!(of_organization))
}

/// A receipt of what you were paid, to print. What the payer paid besides is not on it.
#[utoipa::path(
    get,
    path = "/api/me/payouts/{id}/receipt",
    operation_id = "getOwnReceipt",
    tag = "me",
    params(("id" = Uuid, Path)),
    responses((status = 200, content((String = "text/html"))))
)]
pub(crate) async fn own(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Response, Problem> {
    receipt(&caller, &gateway, id, false).await
}

/// A receipt of what a payout has cost, with its fees, to print.
#[utoipa::path(
    get,
    path = "/api/admin/payouts/{id}/receipt",
    operation_id = "getReceipt",
    tag = "payouts",
    params(("id" = Uuid, Path)),
    responses((status = 200, content((String = "text/html"))))
)]
pub(crate) async fn of_organization(
    caller: Caller,
    State(gateway): State<Gateway>,
    Segments(id): Segments<Uuid>,
) -> Result<Response, Problem> {
    receipt(&caller, &gateway, id, true).await
}

async fn receipt(
    caller: &Caller,
    gateway: &Gateway,
    id: Uuid,
    with_costs: bool,
) -> Result<Response, Problem> {
    let payout_id = id.to_string();
    let asked = caller.request(wire::GetPayoutRequest { payout_id: payout_id.clone() });
    let (mut payouts, mut bounties) = (gateway.payouts(), gateway.bounty_pay());
    let paid = async { payouts.get_payout(asked).await };
    let message = wire::GetBountyPaymentRequest { issue_id: String::new(), payout_id };
    let bounty = bounties.get_bounty_payment(caller.request(message));
    let (paid, bounty) = futures_util::try_join!(paid, bounty)?;
    let payout = required(paid.into_inner().payout, "payout")?;
    let bounty = bounty.into_inner().payment.filter(|_| with_costs);
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
    ];
    Ok((headers, page(&payout, bounty.as_ref())).into_response())
}

/// The page. It has no script, and every text in it is escaped.
fn page(payout: &wire::Payout, bounty: Option<&wire::BountyPayment>) -> String {
    let money = payout.amount.clone().unwrap_or_default();
    let code = money.currency_code.as_str();
    let mut rows = vec![
        ("Payout", payout.payout_id.clone()),
        ("State", state(payout.state).to_owned()),
        ("Paid on", instant(time(payout.pay_time))),
        ("By", method(payout.method).to_owned()),
        ("Reference", payout.reference.clone()),
        ("Received", amount(money.minor_units, code)),
    ];
    if let Some(quote) = bounty.and_then(|bounty| bounty.quote.as_ref()) {
        let code = quote.currency_code.as_str();
        for (name, minor) in [
            ("Value", quote.value_minor),
            ("Tip", quote.tip_minor),
            ("Platform fee", quote.platform_fee_minor),
            ("Processor fee", quote.processor_fee_minor),
            ("Rounding", quote.rounding_minor),
            ("Total", quote.total_minor),
        ] {
            rows.push((name, amount(minor, code)));
        }
    }
    if let Some(charge) = bounty.and_then(|bounty| bounty.charge.as_ref()) {
        rows.push(("Charge", charge.reference.clone()));
        rows.push(("Charge state", charge.state.clone()));
    }
    let title = escape(&format!("Receipt {}", payout.payout_id));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>\n<table><tbody>\n"
    );
    for (name, text) in rows.iter().filter(|(_, text)| !text.is_empty()) {
        let _ = writeln!(page, "<tr><th>{name}</th><td>{}</td></tr>", escape(text));
    }
    page.push_str("</tbody></table></body></html>\n");
    page
}

fn state(number: i32) -> &'static str {
    match PayoutState::read(number) {
        Some(PayoutState::Paid) => "paid",
        Some(PayoutState::Failed) => "failed",
        Some(PayoutState::Returned) => "returned",
        Some(PayoutState::Void) => "void",
        Some(PayoutState::Cancelled | PayoutState::Rejected) => "not paid",
        Some(
            PayoutState::PendingApproval
            | PayoutState::Approved
            | PayoutState::Processing
            | PayoutState::Unknown,
        )
        | None => "not paid yet",
    }
}

fn method(number: i32) -> &'static str {
    match Method::read(number) {
        Some(Method::Kaspi) => "Kaspi",
        Some(Method::Bank) => "bank transfer",
        Some(Method::Cash) => "cash",
        Some(Method::Ach) => "ACH",
        Some(Method::Paypal) => "PayPal",
        Some(Method::Stripe) => "Stripe",
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use quittance_proto::common::v1 as common;

    use super::*;

    fn payout() -> wire::Payout {
        let amount = common::Money { minor_units: 50_000, currency_code: "USD".to_owned() };
        wire::Payout {
            payout_id: "p-1".to_owned(),
            amount: Some(amount),
            reference: "<tr_1>".to_owned(),
            state: wire::PayoutState::Paid.into(),
            method: common::Method::Stripe.into(),
            ..wire::Payout::default()
        }
    }

    #[test]
    fn a_receipt_shows_fees_to_who_paid_them_and_to_nobody_else() {
        let quote = wire::Quote {
            currency_code: "USD".to_owned(),
            value_minor: 50_000,
            platform_fee_minor: 5_000,
            processor_fee_minor: 1_674,
            total_minor: 56_674,
            ..wire::Quote::default()
        };
        let bounty = wire::BountyPayment { quote: Some(quote), ..wire::BountyPayment::default() };
        let theirs = page(&payout(), None);
        assert!(theirs.contains("$500.00") && theirs.contains("&lt;tr_1&gt;"));
        assert!(!theirs.contains("fee"), "{theirs}");
        let ours = page(&payout(), Some(&bounty));
        for line in ["$50.00", "$16.74", "$566.74"] {
            assert!(ours.contains(line), "{line}: {ours}");
        }
    }
}
