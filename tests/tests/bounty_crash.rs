//! kill -9 at every step of Approve & Pay: one charge and one transfer come of it, by themselves.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use system_tests::bounty::submitted;
use system_tests::check::{Books, number};
use system_tests::cluster::{Cluster, Node};
use system_tests::story::Shop;
use system_tests::world::{BOTH, eventually};

/// Where a process dies by itself, in the order of a payment.
const POINTS: [&str; 8] = [
    "bounty::before_write",
    "bounty::after_write",
    "charge::before_call",
    "charge::after_call",
    "charge::after_outcome",
    "rail::before_send",
    "rail::after_send",
    "rail::after_outcome",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_every_step_of_approve_and_pay_charges_once_and_pays_once() {
    let binary = Path::new(env!("CARGO_BIN_EXE_node"));
    for (store, bus) in BOTH {
        let mut cluster = Cluster::start(binary, &[Node::Standalone], store, bus).await;
        let shop = Shop::open_at(&cluster.base).await;
        let books = Books::open(&cluster.config).await;
        for (place, point) in (1_i64..).zip(POINTS) {
            let shop = shop.at(&cluster.base);
            let name = point.replace("::", "-");
            let (_, issue) = submitted(&shop, &name, Some("acct_ok_1")).await;
            books.when_quiet().await;
            cluster.restart(Node::Standalone, Some(&format!("{point}=1*return"))).await;
            cluster.ready().await;
            let path = format!("/api/submissions/{issue}/approve");
            // The answer may be lost with the process; the approval is not.
            let admin = shop.admin.at(&cluster.base);
            let _ = admin.try_post_once(&path, point, &json!({})).await;
            let died = cluster.died(Node::Standalone, Duration::from_mins(1)).await;
            assert!(died, "{point} was not reached");
            books.at_rest().await;
            cluster.restart(Node::Standalone, None).await;
            cluster.ready().await;
            let paid = "SELECT count(*) FROM payouts WHERE state = 'paid'";
            eventually(&format!("the payment after {point}"), || async {
                (number(&books.payouts, paid).await == place).then_some(())
            })
            .await;
            for sql in [
                "SELECT count(*) FROM sandbox_charges WHERE state = 'succeeded'",
                "SELECT count(*) FROM sandbox_transfers WHERE moved",
                "SELECT count(*) FROM payout_items WHERE live",
                "SELECT count(*) FROM audit_log WHERE action = 'charge.succeeded'",
            ] {
                assert_eq!(number(&books.payouts, sql).await, place, "{point}: {sql}");
            }
            books.when_quiet().await;
        }
        cluster.close().await;
    }
}
