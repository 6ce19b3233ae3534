//! A broker that is cut off while payments are made: nothing is lost, and nobody waits for it.

use std::path::Path;
use std::time::Duration;

use quittance_chassis::testing::Proxy;

use super::{Order, Outcome, PER_BATCH, outcome};
use crate::check::{Books, number};
use crate::cluster::{Cluster, SEPARATE};
use crate::story::Shop;
use crate::world::{Bus, Store, eventually};

/// Cuts the connections of four processes in the middle of each batch, and then takes the broker
/// away for as long as it takes to pay as many again, and `away` longer.
pub async fn cut_broker(binary: &Path, rounds: usize, away: Duration) -> Vec<Outcome> {
    let (proxy, url) = Proxy::to_broker().await;
    let mut cluster =
        Cluster::start_with(binary, &SEPARATE, Store::Postgres, Bus::RabbitMq, |config| {
            config.bus.amqp_url = Some(url.into());
        })
        .await;
    let shop = Shop::open_at(&cluster.base).await;
    let issues = shop.approved(2 * rounds * PER_BATCH).await;
    let books = Books::open(&cluster.config).await;
    let orders: Vec<Order> = issues.chunks(PER_BATCH).map(|some| Order::new(&shop, some)).collect();
    let (cut, apart) = orders.split_at(rounds);
    for order in cut {
        tokio::join!(order.insist(&shop, &cluster), proxy.cut());
    }
    let half = issues.len() / 2;
    let first = outcome("the broker is cut off in each batch", &cluster, rounds, half).await;

    proxy.close().await;
    for order in apart {
        order.insist(&shop, &cluster).await;
    }
    tokio::time::sleep(away).await;
    let waiting = number(&books.payouts, "SELECT count(*) FROM outbox").await;
    assert!(waiting > 0, "no event waited for the broker: nothing is proven");
    proxy.reopen();
    eventually("the end of the outbox", || async {
        (number(&books.payouts, "SELECT count(*) FROM outbox").await == 0).then_some(())
    })
    .await;
    cluster.ready().await;
    let all = issues.len();
    let second = outcome("the broker is away while others are paid", &cluster, 1, all).await;
    cluster.close().await;
    vec![first, second]
}
