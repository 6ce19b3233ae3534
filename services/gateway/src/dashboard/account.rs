//! Where a payee is paid: one account for each method. Numbers go in and come out masked.

use axum::response::{IntoResponse, Response};
use http::Method as HttpMethod;
use quittance_proto::common::v1::Method;
use quittance_proto::payouts::v1 as wire;

use super::form::Typed;
use super::labels::{self, number};
use super::view::{Choice, Frame, Viewer, answer, done};
use crate::problem::Problem;
use crate::rest::time;

const PAGE: &str = "/app/payout-account";

/// Methods that need an account, and what each takes.
const TAKEN: [(Method, &str); 5] = [
    (Method::Kaspi, "a phone number, such as +77011234567"),
    (Method::Bank, "an IBAN"),
    (Method::Ach, "a routing and an account number: 021000021/1234567"),
    (Method::Paypal, "an e-mail address"),
    (Method::Stripe, "the provider’s id: acct_…"),
];

#[derive(askama::Template)]
#[template(path = "payout_account.html")]
struct AccountPage {
    frame: Frame,
    tab: &'static str,
    accounts: Vec<Account>,
    sets: bool,
    methods: Vec<Choice>,
    hints: Vec<(&'static str, &'static str)>,
    number: String,
}

struct Account {
    method: &'static str,
    masked: String,
    since: String,
    /// A changed one is paid only after a while.
    payable: Option<String>,
}

impl Viewer {
    fn account(&self, of: wire::PayoutAccount) -> Account {
        let now = self.caller.ctx.now;
        let waits = time(of.payable_time).filter(|at| now < *at);
        Account {
            method: labels::method(of.method),
            masked: of.masked,
            since: self.day(of.change_time.or(of.create_time)),
            payable: waits.map(|at| self.locale.minute(at)),
        }
    }
}

/// Shows where the viewer is paid.
pub(super) async fn page(viewer: Viewer) -> Result<Response, Problem> {
    shown(&viewer, &Typed::default(), None).await
}

async fn shown(
    viewer: &Viewer,
    typed: &Typed,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let request =
        viewer.caller.request(wire::ListPayoutAccountsRequest { member_id: String::new() });
    let mut client = viewer.gateway.accounts();
    let (frame, reply) =
        tokio::join!(viewer.frame("Payout account"), client.list_payout_accounts(request));
    let chosen = typed.text("method");
    let method = |(method, _): &(Method, &str)| {
        let number = i32::from(*method);
        Choice::new(&number.to_string(), labels::method(number), chosen)
    };
    let page = AccountPage {
        frame: frame.with(problem),
        tab: "account",
        accounts: reply?.into_inner().accounts.into_iter().map(|of| viewer.account(of)).collect(),
        sets: viewer.may(&HttpMethod::POST, PAGE),
        methods: TAKEN.iter().map(method).collect(),
        hints: TAKEN.map(|(method, takes)| (labels::method(method.into()), takes)).into(),
        number: typed.text("number").to_owned(),
    };
    Ok(answer(problem, &page))
}

/// Sets an account. What was typed stays when it is refused.
pub(super) async fn set(viewer: Viewer, typed: Typed) -> Response {
    match changed(&viewer, &typed).await {
        Ok(()) => done(PAGE, "saved"),
        Err(problem) => {
            shown(&viewer, &typed, Some(&problem)).await.unwrap_or_else(IntoResponse::into_response)
        }
    }
}

/// The number stands in the field that its method takes.
fn message(method: i32, text: &str) -> wire::SetPayoutAccountRequest {
    let given = wire::SetPayoutAccountRequest { method, ..Default::default() };
    let text = text.to_owned();
    match Method::try_from(method) {
        Ok(Method::Kaspi) => wire::SetPayoutAccountRequest { phone: text, ..given },
        Ok(Method::Bank) => wire::SetPayoutAccountRequest { iban: text, ..given },
        Ok(_) | Err(_) => wire::SetPayoutAccountRequest { account_id: text, ..given },
    }
}

async fn changed(viewer: &Viewer, typed: &Typed) -> Result<(), Problem> {
    let message = message(number(typed.text("method")), typed.text("number"));
    viewer.gateway.accounts().set_payout_account(viewer.caller.request(message)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_in_the_field_of_its_method() {
        assert_eq!(message(Method::Kaspi.into(), "+7").phone, "+7");
        assert_eq!(message(Method::Bank.into(), "KZ").iban, "KZ");
        for method in [Method::Ach, Method::Paypal, Method::Stripe, Method::Cash] {
            assert_eq!(message(method.into(), "x").account_id, "x");
        }
    }
}
