//! Clients that go away: what was acknowledged is there, and no connection is left spoiled.

use std::time::Duration;

use quittance_chassis::db::Db;
use quittance_proto::payouts::v1::pay_issue_response::Outcome;
use sea_orm::{ConnectionTrait as _, Statement};
use tokio::task::JoinSet;

use crate::world::{World, single, worlds};

/// Requests at once on one connection.
const WAVE: usize = 8;

/// Waits until the condition holds.
async fn until_zero(world: &World, sql: &str) {
    let start = std::time::Instant::now();
    while world.number(sql).await != 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "{sql} stays above zero");
        tokio::task::yield_now().await;
    }
}

/// Makes a wave of payments whose client waits for so long; returns the payouts that it was told of.
async fn wave(world: &World, patience: Duration) -> Vec<String> {
    // A server closes a connection that cancels too much: each wave has its own.
    let client = world.another_client();
    let mut calls = JoinSet::new();
    for _ in 0..WAVE {
        let mut request = world.signed(&world.admin, single(world.issue(5), ""));
        request.set_timeout(patience);
        let mut client = client.clone();
        let call = async move { client.pay_issue(request).await };
        calls.spawn(tokio::time::timeout(patience, call));
    }
    let mut told = Vec::new();
    while let Some(done) = calls.join_next().await {
        // Neither in time nor refused by the server's own deadline.
        let Ok(Ok(response)) = done.unwrap() else { continue };
        match response.into_inner().outcome {
            Some(Outcome::Paid(paid)) => told.push(paid.payout_id),
            Some(Outcome::Refused(_)) | None => {}
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cancelled_requests_lose_nothing_that_was_acknowledged() {
    for world in worlds().await {
        let (mut acknowledged, mut cancelled) = (Vec::new(), 0);
        let mut patience = Duration::from_micros(500);
        // From hopeless to comfortable, so that requests end everywhere on their way.
        while cancelled < 100 || acknowledged.len() < 50 {
            let told = wave(&world, patience).await;
            cancelled += WAVE - told.len();
            patience = if told.len() == WAVE { patience / 8 } else { patience.mul_f64(1.2) };
            acknowledged.extend(told);
        }
        // A last one, on whatever connection is left: what it writes must be seen from outside.
        let canary = world.pay(&world.admin, single(world.issue(5), "canary")).await.unwrap();
        acknowledged.push(crate::world::paid_issue(canary).payout_id);

        let outside = Db::connect("outside", world.db.url(), 1).await.unwrap();
        for payout in &acknowledged {
            let payout = uuid::Uuid::parse_str(payout).unwrap();
            let sql = "SELECT id FROM payouts WHERE id = $1";
            let statement = Statement::from_sql_and_values(outside.backend(), sql, [payout.into()]);
            assert!(outside.conn().query_one_raw(statement).await.unwrap().is_some(), "{payout}");
        }
        if world.db.is_postgres() {
            let idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                        AND state LIKE 'idle in transaction%'";
            until_zero(&world, idle).await;
        }
        let payouts = "SELECT count(*) FROM payouts";
        let now = world.number(payouts).await;
        assert!(i64::try_from(acknowledged.len()).unwrap() <= now);
    }
}
