//! What only the bus in process promises: a confirmation means that every consumer has committed.

#[path = "bus/bench.rs"]
#[expect(clippy::unwrap_used, reason = "a bench that cannot be set up fails its test")]
#[expect(dead_code, reason = "shared with the tests of RabbitMQ")]
mod bench;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use quittance_chassis::bus::{HandleError, Handler, Message};
use tokio::sync::Semaphore;

use self::bench::{Bench, Recorder, soon};

/// Says when it has been entered, and acts when it is let.
struct Gate {
    entered: Semaphore,
    open: Semaphore,
}

#[async_trait]
impl Handler for Gate {
    async fn handle(&self, _messages: &[Message]) -> Result<(), HandleError> {
        self.entered.add_permits(1);
        let opened = self.open.acquire().await;
        opened.map(drop).map_err(|error| HandleError::Poison(error.to_string()))
    }
}

#[tokio::test]
async fn a_message_is_confirmed_only_after_each_consumer_has_committed() {
    let bench = Bench::local().await;
    let gate = Arc::new(Gate { entered: Semaphore::new(0), open: Semaphore::new(0) });
    let quick = Recorder::obliging();
    bench.subscribe(bench.name("slow"), &["#"], gate.clone()).await;
    bench.subscribe(bench.name("quick"), &["#"], quick.clone()).await;
    let message = bench.message("issue.filed");

    let window = [message.clone()];
    let mut publishing = bench.bus.publish(&window);
    assert!(publishing.as_mut().now_or_never().is_none());
    soon("the slow consumer", gate.entered.acquire()).await.unwrap().forget();
    quick.has_handled(&[message.id]).await;
    assert!(publishing.as_mut().now_or_never().is_none());

    gate.open.add_permits(1);
    assert!(soon("the confirmation", publishing).await.is_complete());
}

#[tokio::test]
async fn a_message_that_one_consumer_fails_is_not_confirmed() {
    let bench = Bench::local().await;
    let broken = Recorder::scripted(|_| Err(HandleError::Transient("down".to_owned())));
    bench.subscribe(bench.name("broken"), &["bad"], broken).await;
    bench.subscribe(bench.name("sound"), &["#"], Recorder::obliging()).await;

    let window = [bench.message("bad"), bench.message("good")];
    let published = bench.bus.publish(&window).await;

    assert_eq!(published.confirmed, [false, true]);
    assert!(published.error.is_some());
}

#[tokio::test]
async fn a_consumer_that_has_stopped_confirms_nothing() {
    let bench = Bench::local().await;
    let recorder = Recorder::obliging();
    let (stop, task) = bench.subscribe(bench.name("queue"), &["#"], recorder.clone()).await;
    stop.cancel();
    task.await.unwrap();

    let published = bench.bus.publish(&[bench.message("issue.filed")]).await;

    assert_eq!(published.confirmed, [false]);
    assert!(recorder.handled().is_empty());
}

#[tokio::test]
async fn what_nobody_wants_is_confirmed() {
    let bench = Bench::local().await;
    bench.subscribe(bench.name("queue"), &["issue.*"], Recorder::obliging()).await;
    assert!(bench.bus.publish(&[bench.message("payout.paid")]).await.is_complete());
}
