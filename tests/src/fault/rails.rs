//! Every behaviour of a provider with a crash at every step of Approve & Pay: one charge and one
//! transfer come of it, counted at the provider.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::Outcome;
use crate::bounty::{payer, submitted};
use crate::check::{Books, number};
use crate::cluster::{Cluster, Node};
use crate::story::Shop;
use crate::stripe::FakeStripe;
use crate::world::{Bus, Store, eventually};

/// What a provider may do with a charge and with a transfer.
pub const BEHAVIOURS: [&str; 10] = [
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
            let id = format!("{behaviour}_{place}");
            payer(&shop, &format!("pm_{id}")).await;
            let (_, issue) =
                submitted(&shop, &format!("{behaviour}{place}"), Some(&format!("acct_{id}"))).await;
            onboarded(&books, &format!("acct_{id}")).await;
            books.when_quiet().await;
            let before = fake.moved().await;
            cluster.restart(Node::Standalone, Some(&format!("{step}=1*return"))).await;
            cluster.ready().await;
            let path = format!("/api/submissions/{issue}/approve");
            let admin = shop.admin.at(&cluster.base);
            // The answer may be lost with the process; the approval is not.
            let _ = admin.try_post_once(&path, &id, &json!({})).await;
            let died = cluster.died(Node::Standalone, Duration::from_mins(1)).await;
            assert!(died, "{step} was not reached, {behaviour}");
            books.at_rest().await;
            cluster.restart(Node::Standalone, None).await;
            cluster.ready().await;
            paid += 1;
            let sql = "SELECT count(*) FROM payouts WHERE state = 'paid'";
            eventually(&format!("the payment, {behaviour}, {step}"), || async {
                (number(&books.payouts, sql).await == paid).then_some(())
            })
            .await;
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

async fn onboarded(books: &Books, account: &str) {
    let sql = format!(
        "SELECT count(*) FROM provider_accounts WHERE account_id = '{account}' \
         AND standing = 'onboarded'"
    );
    eventually("the onboarding", || async {
        (number(&books.payouts, &sql).await == 1).then_some(())
    })
    .await;
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
