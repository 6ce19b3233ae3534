//! Every behaviour of a provider with a crash at every step of Approve & Pay: one charge and one
//! transfer come of it, counted at the provider.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::Outcome;
use crate::bounty::{payer, submitted};
use crate::check::{Books, number};
use crate::cluster::{Cluster, Node};
use crate::http::answer;
use crate::story::{Shop, id};
use crate::stripe::FakeStripe;
use crate::world::{Bus, Store, eventually};

/// What a provider may do with a charge and with a transfer. With the last three somebody has to act:
/// name another card, confirm at the bank, get onboarded.
pub const BEHAVIOURS: [&str; 13] = [
    "ok",
    "slow",
    "busy",
    "poor",
    "500before",
    "500after",
    "timeoutbefore",
    "timeoutafter",
    "garbledbefore",
    "garbled",
    "decline",
    "action",
    "pending",
];

/// Where a process dies by itself, in the order of a payment.
pub const STEPS: [&str; 6] = [
    "charge::before_call",
    "charge::after_call",
    "charge::after_outcome",
    "rail::before_send",
    "rail::after_send",
    "rail::after_outcome",
];

/// Pays a bounty for each of these behaviours and steps.
pub async fn die_at_provider(
    node: &Path,
    fake: &Path,
    behaviours: &[&str],
    steps: &[&str],
    (store, bus): (Store, Bus),
) -> Vec<Outcome> {
    let fake = FakeStripe::start(fake).await;
    let serve = |config: &mut _| fake.serve(config);
    let mut cluster = Cluster::start_with(node, &[Node::Standalone], store, bus, serve).await;
    // Doubled, and some before the answer to the call that they are about.
    fake.tell(&cluster.base, "doubled").await;
    let shop = Shop::open_at(&cluster.base).await;
    let books = Books::open(&cluster.config).await;
    let mut outcomes = Vec::new();
    let mut paid = 0;
    for behaviour in behaviours {
        for (place, step) in steps.iter().enumerate() {
            let shop = shop.at(&cluster.base);
            let case = Case::open(&fake, &shop, &books, behaviour, place).await;
            let before = fake.moved().await;
            cluster.restart(Node::Standalone, Some(&format!("{step}=1*return"))).await;
            cluster.ready().await;
            let path = format!("/api/submissions/{}/approve", case.issue);
            let shop = shop.at(&cluster.base);
            // The answer may be lost with the process; the approval is not.
            let _ = shop.admin.try_post_once(&path, &case.id, &json!({})).await;
            let died = tokio::select! {
                died = cluster.died(Node::Standalone, Duration::from_mins(1)) => died,
                never = case.help(&shop) => match never {},
            };
            assert!(died, "{step} was not reached, {behaviour}");
            books.at_rest().await;
            cluster.restart(Node::Standalone, None).await;
            cluster.ready().await;
            paid += 1;
            let shop = shop.at(&cluster.base);
            let what = format!("the payment, {behaviour}, {step}");
            let sql = "SELECT count(*) FROM payouts WHERE state = 'paid'";
            tokio::select! {
                () = eventually(&what, || async {
                    (number(&books.payouts, sql).await == paid).then_some(())
                }) => {}
                never = case.help(&shop) => match never {},
            }
            books.when_quiet().await;
            let moved = fake.moved().await;
            let fresh: Vec<_> =
                moved.iter().filter(|(group, _)| !before.contains_key(*group)).collect();
            let (charges, transfers) =
                fresh.iter().fold((0, 0), |sum, (_, one)| (sum.0 + one.0, sum.1 + one.1));
            outcomes.push(outcome(&format!("{behaviour}, {step}, {store:?}"), charges, transfers));
        }
    }
    cluster.close().await;
    outcomes
}

/// One payment, and what people do for it.
struct Case<'a> {
    fake: &'a FakeStripe,
    behaviour: &'a str,
    id: String,
    account: String,
    issue: String,
}

impl<'a> Case<'a> {
    async fn open(
        fake: &'a FakeStripe,
        shop: &Shop,
        books: &Books,
        behaviour: &'a str,
        place: usize,
    ) -> Self {
        let id = format!("{behaviour}_{place}");
        payer(shop, &format!("pm_{id}")).await;
        // It is the card that is declined.
        let to = if behaviour == "decline" { "ok_decline" } else { behaviour };
        let account = format!("acct_{to}_{place}");
        let (_, issue) = submitted(shop, &format!("{behaviour}{place}"), Some(&account)).await;
        let standing = if behaviour == "pending" { "incomplete" } else { "onboarded" };
        let sql = format!(
            "SELECT count(*) FROM provider_accounts WHERE account_id = '{account}' \
             AND standing = '{standing}'"
        );
        eventually("an account that was asked about", || async {
            (number(&books.payouts, &sql).await == 1).then_some(())
        })
        .await;
        books.when_quiet().await;
        Self { fake, behaviour, id, account, issue }
    }

    /// Does what only people can do, as soon as it is to be done.
    async fn help(&self, shop: &Shop) -> Infallible {
        loop {
            match self.behaviour {
                "action" => self.confirm().await,
                "pending" => self.onboard().await,
                "decline" => self.pay_otherwise(shop).await,
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn confirm(&self) {
        let card = format!("pm_{}", self.id);
        for intent in self.fake.made("payment_intent").await {
            if intent["payment_method"] == card.as_str() && intent["status"] != "succeeded" {
                self.fake.post(&format!("/_confirm/{}", id(&intent)), json!({})).await;
            }
        }
    }

    async fn onboard(&self) {
        for account in self.fake.made("account").await {
            if account["id"] == self.account.as_str() && account["payouts_enabled"] == false {
                self.fake.post(&format!("/_accounts/{}", self.account), json!({})).await;
            }
        }
    }

    /// Names another card once the first one was declined, and has the payment tried again. Nobody
    /// may be there to answer.
    async fn pay_otherwise(&self, shop: &Shop) {
        let path = format!("/api/submissions/{}/payment", self.issue);
        let Ok(seen) = answer(shop.admin.request(Method::GET, &path)).await else { return };
        let payout = seen.json()["payout"].clone();
        if payout["status"] != "failed" {
            return;
        }
        let path = format!("/api/products/{}/payer", shop.product);
        let body = json!({ "paymentMethodId": format!("pm_ok_{}", self.id) });
        if answer(shop.admin.request(Method::PUT, &path).json(&body)).await.is_ok() {
            let path = format!("/api/admin/payouts/{}/retry", id(&payout));
            let _ = answer(shop.admin.request(Method::POST, &path).json(&json!({}))).await;
        }
    }
}

/// One charge and one transfer is a payment; what is missing is lost, what is more is double.
fn outcome(fault: &str, charges: usize, transfers: usize) -> Outcome {
    let count =
        |missing: bool, more: usize| (i64::from(missing), i64::try_from(more).unwrap_or(i64::MAX));
    let (no_charge, more_charges) = count(charges == 0, charges.saturating_sub(1));
    let (no_transfer, more_transfers) = count(transfers == 0, transfers.saturating_sub(1));
    Outcome {
        fault: fault.to_owned(),
        injected: 1,
        asked: 1,
        paid: i64::from(charges == 1 && transfers == 1),
        lost: no_charge + no_transfer,
        double: more_charges + more_transfers,
    }
}
