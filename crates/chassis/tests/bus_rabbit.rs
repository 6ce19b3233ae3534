//! What only RabbitMQ can do to us: lose connections, hand out again, choose one of two consumers.

#[path = "bus/bench.rs"]
#[expect(clippy::unwrap_used, reason = "a bench that cannot be set up fails its test")]
#[expect(dead_code, reason = "shared with the tests of the bus in process")]
mod bench;

use quittance_chassis::bus::{BusError, HandleError, Message};
use quittance_chassis::testing::Proxy;
use uuid::Uuid;

use self::bench::{Bench, Recorder, eventually};

fn ids(messages: &[Message]) -> Vec<Uuid> {
    messages.iter().map(|message| message.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_connection_is_cut_again_and_again() {
    let (proxy, url) = Proxy::to_broker().await;
    let bench = Bench::rabbit_through(url).await;
    let recorder = Recorder::obliging();
    bench.subscribe(bench.name("queue"), &["#"], recorder.clone()).await;
    let mut all = Vec::new();

    for _ in 0..5 {
        let window: Vec<Message> = (0..200).map(|_| bench.message("issue.filed")).collect();
        all.extend(ids(&window));
        tokio::join!(bench.publish(&window), proxy.cut());
    }

    recorder.has_handled(&all).await;
    eventually("the bus is well again", async || bench.bus.healthy()).await;
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_an_error_and_no_wait() {
    let (proxy, url) = Proxy::to_broker().await;
    let bench = Bench::rabbit_through(url).await;
    let recorder = Recorder::obliging();
    bench.subscribe(bench.name("queue"), &["#"], recorder.clone()).await;
    eventually("the bus is well", async || bench.bus.healthy()).await;

    proxy.close().await;
    eventually("the bus is unwell", async || !bench.bus.healthy()).await;
    let window = [bench.message("issue.filed")];
    let published = bench.bus.publish(&window).await;
    assert_eq!(published.confirmed, [false]);
    assert!(matches!(published.error, Some(BusError::Unreachable(_) | BusError::Broker(_))));

    proxy.reopen();
    bench.publish(&window).await;
    recorder.has_handled(&ids(&window)).await;
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_consumer_holds_goes_to_the_next_when_it_stops() {
    let bench = Bench::rabbit().await;
    let queue = bench.name("queue");
    let broken =
        Recorder::scripted(|_| Err(HandleError::Transient("the database is down".to_owned())));
    let (stop, task) = bench.subscribe(queue, &["#"], broken.clone()).await;
    let sound = Recorder::obliging();
    bench.subscribe(queue, &["#"], sound.clone()).await;
    let window = [bench.message("a"), bench.message("b")];
    bench.publish(&window).await;
    broken.has_been_called(2).await;
    // A single active consumer: the second one waits.
    assert!(sound.calls().is_empty());

    stop.cancel();
    task.await.unwrap();

    sound.has_handled(&ids(&window)).await;
    eventually("the queue is empty", async || {
        bench.queue(queue).await.is_some_and(|(messages, _)| messages == 0)
    })
    .await;
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_does_not_come_back() {
    let bench = Bench::rabbit().await;
    let queue = bench.name("queue");
    let held = bench.message("held");
    let id = held.id;
    let first = Recorder::scripted(move |messages| {
        if messages.iter().any(|message| message.id == id) {
            return Err(HandleError::Transient("not yet".to_owned()));
        }
        Ok(())
    });
    let (stop, task) = bench.subscribe(queue, &["#"], first.clone()).await;
    let window = [bench.message("a"), held, bench.message("c"), bench.message("d")];
    bench.publish(&window).await;
    first.has_handled(&[window[0].id, window[2].id, window[3].id]).await;
    stop.cancel();
    task.await.unwrap();

    let second = Recorder::obliging();
    bench.subscribe(queue, &["#"], second.clone()).await;

    second.has_handled(&[id]).await;
    eventually("the queue is empty", async || {
        bench.queue(queue).await.is_some_and(|(messages, _)| messages == 0)
    })
    .await;
    assert_eq!(second.handled(), [id]);
    bench.finish().await;
}
