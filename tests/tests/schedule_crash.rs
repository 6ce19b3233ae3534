//! kill -9 in the middle of a schedule: it is processed once, whatever was written before.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use system_tests::check::{Books, number};
use system_tests::cluster::{Cluster, Node};
use system_tests::story::{Shop, id};
use system_tests::world::{BOTH, eventually};
use uuid::Uuid;

/// Where a process dies by itself, in the order of a trigger.
const POINTS: [&str; 3] = ["schedules::triggered", "due::before_commit", "due::after_commit"];

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_every_step_of_a_schedule_processes_it_once() {
    let binary = Path::new(env!("CARGO_BIN_EXE_node"));
    for (store, bus) in BOTH {
        let mut cluster = Cluster::start(binary, &[Node::Standalone], store, bus).await;
        let shop = Shop::open_at(&cluster.base).await;
        let keeper = shop.person("keeper@shop.example", &["platform_admin"]).await;
        let books = Books::open(&cluster.config).await;
        for (place, point) in (1_i64..).zip(POINTS) {
            let body = json!({
                "placementId": Uuid::now_v7(), "payeeId": shop.tester.member_id,
                "amountMinor": 100, "currency": "USD", "method": "bank",
                "scheduledDate": "2030-01-01T00:00:00Z",
            });
            let made = keeper.at(&cluster.base).post("/api/v2/payout-schedules", body).await;
            let path = format!("/api/v2/payout-schedules/{}/trigger", id(&made.expect(201)));
            cluster.restart(Node::Standalone, Some(&format!("{point}=1*return"))).await;
            cluster.ready().await;
            let _ = keeper.at(&cluster.base).try_post_once(&path, point, &json!({})).await;
            let died = cluster.died(Node::Standalone, Duration::from_mins(1)).await;
            assert!(died, "{point} was not reached");
            cluster.restart(Node::Standalone, None).await;
            cluster.ready().await;
            let keeper = keeper.at(&cluster.base);
            let done = keeper.post_once(&path, point, &json!({})).await.expect(200);
            assert_eq!(done["status"], "processed", "{point}");
            let again = keeper.post_once(&path, point, &json!({})).await.expect(200);
            assert_eq!(again, done, "{point}");
            for sql in [
                "SELECT count(*) FROM payout_schedules WHERE status = 'processed'",
                "SELECT count(*) FROM payouts WHERE state = 'approved'",
                "SELECT count(*) FROM payout_items WHERE live",
                "SELECT count(*) FROM audit_log WHERE action = 'payout_schedule.triggered'",
                "SELECT count(*) FROM audit_log WHERE action = 'payout_schedule.processed'",
                "SELECT count(*) FROM audit_log WHERE action = 'payout.approved'",
            ] {
                assert_eq!(number(&books.payouts, sql).await, place, "{point}: {sql}");
            }
        }
        // Nothing that was committed is untold.
        let untold = "SELECT count(*) FROM outbox";
        eventually("the end of the outbox", || async {
            (number(&books.payouts, untold).await == 0).then_some(())
        })
        .await;
        cluster.close().await;
    }
}
