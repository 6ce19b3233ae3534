//! What every bus must do, whichever it is.

use std::collections::HashSet;

use quittance_chassis::bus::{HandleError, Message};
use uuid::Uuid;

use crate::bench::{Bench, Recorder, eventually, soon};

fn ids(messages: &[Message]) -> Vec<Uuid> {
    messages.iter().map(|message| message.id).collect()
}

fn transient() -> HandleError {
    HandleError::Transient("not yet".to_owned())
}

pub(crate) async fn delivers_by_pattern(bench: Bench) {
    let (some, every) = (Recorder::obliging(), Recorder::obliging());
    bench.subscribe(bench.name("some"), &["issue.*"], some.clone()).await;
    bench.subscribe(bench.name("every"), &["#"], every.clone()).await;
    let window = [
        bench.message("issue.approved"),
        bench.message("payout.paid"),
        bench.message("issue.rejected"),
    ];

    bench.publish(&window).await;

    every.has_handled(&ids(&window)).await;
    assert_eq!(every.messages(), window);
    some.has_handled(&[window[0].id, window[2].id]).await;
    assert_eq!(some.messages(), [window[0].clone(), window[2].clone()]);
    bench.finish().await;
}

pub(crate) async fn keeps_the_order_of_a_long_window(bench: Bench) {
    let recorder = Recorder::obliging();
    bench.subscribe(bench.name("queue"), &["#"], recorder.clone()).await;
    let window: Vec<Message> = (0..1000).map(|_| bench.message("issue.filed")).collect();

    bench.publish(&window).await;

    recorder.has_handled(&ids(&window)).await;
    assert_eq!(recorder.handled(), ids(&window));
    // The point of a prefetch: far fewer transactions than messages.
    assert!(recorder.calls().len() < window.len());
    bench.finish().await;
}

pub(crate) async fn tries_a_failing_batch_one_at_a_time(bench: Bench) {
    let window = [bench.message("a"), bench.message("bad"), bench.message("c")];
    let bad = window[1].id;
    let mut alone = 0;
    let recorder = Recorder::scripted(move |messages| {
        if messages.iter().all(|message| message.id != bad) {
            return Ok(());
        }
        if 1 < messages.len() {
            return Err(transient());
        }
        alone += 1;
        if alone < 3 { Err(transient()) } else { Ok(()) }
    });
    let queue = bench.name("queue");
    bench.subscribe(queue, &["#"], recorder.clone()).await;

    bench.publish(&window).await;

    recorder.has_handled(&ids(&window)).await;
    let mut handled = recorder.handled();
    handled.retain(|id| *id != bad);
    assert_eq!(handled, [window[0].id, window[2].id]);
    assert!(bench.parked(queue).await.is_empty());
    bench.finish().await;
}

pub(crate) async fn parks_a_poison_message(bench: Bench) {
    let window = [bench.message("a"), bench.message("poison"), bench.message("c")];
    let poison = window[1].id;
    let recorder = Recorder::scripted(move |messages| {
        if messages.iter().any(|message| message.id == poison) {
            return Err(HandleError::Poison("unreadable".to_owned()));
        }
        Ok(())
    });
    let queue = bench.name("queue");
    bench.subscribe(queue, &["#"], recorder.clone()).await;

    bench.publish(&window).await;

    recorder.has_handled(&[window[0].id, window[2].id]).await;
    eventually("the poison is parked", async || bench.parked(queue).await == [poison]).await;
    bench.finish().await;
}

pub(crate) async fn delivers_again_after_a_failure(bench: Bench) {
    let message = bench.message("issue.filed");
    let mut failures = 0;
    let recorder = Recorder::scripted(move |_| {
        failures += 1;
        // More often than it may fail while others succeed: alone, it is never given up.
        if failures <= 8 { Err(transient()) } else { Ok(()) }
    });
    let queue = bench.name("queue");
    bench.subscribe(queue, &["#"], recorder.clone()).await;

    bench.publish(std::slice::from_ref(&message)).await;

    recorder.has_handled(&[message.id]).await;
    assert_eq!(recorder.calls().len(), 9);
    assert!(bench.parked(queue).await.is_empty());
    bench.finish().await;
}

pub(crate) async fn survives_a_handler_that_panics(bench: Bench) {
    let message = bench.message("issue.filed");
    let mut first = true;
    let recorder = Recorder::scripted(move |_| {
        assert!(!std::mem::take(&mut first), "the handler is told to panic once");
        Ok(())
    });
    bench.subscribe(bench.name("queue"), &["#"], recorder.clone()).await;

    bench.publish(std::slice::from_ref(&message)).await;

    recorder.has_handled(&[message.id]).await;
    bench.finish().await;
}

pub(crate) async fn parks_what_fails_while_others_succeed(bench: Bench) {
    let flaky = bench.message("flaky");
    let id = flaky.id;
    let recorder = Recorder::scripted(move |messages| {
        if messages.iter().any(|message| message.id == id) { Err(transient()) } else { Ok(()) }
    });
    let queue = bench.name("queue");
    bench.subscribe(queue, &["#"], recorder.clone()).await;
    let mut others = HashSet::new();

    // Kept unconfirmed by the bus in process, so that it is published again like an outbox row.
    let mut parked = false;
    while !parked {
        let good = bench.message("good");
        others.insert(good.id);
        let confirmed = bench.bus.publish(&[flaky.clone(), good.clone()]).await.confirmed;
        assert!(confirmed[1]);
        recorder.has_handled(&[good.id]).await;
        parked = bench.parked(queue).await.contains(&id);
        assert!(recorder.calls().len() < 2000, "it is never parked");
    }

    let handled: HashSet<Uuid> = recorder.handled().into_iter().collect();
    assert_eq!(handled, others);
    bench.finish().await;
}

pub(crate) async fn leaves_what_a_stopped_consumer_did_not_handle(bench: Bench) {
    let queue = bench.name("queue");
    let broken = Recorder::scripted(|_| Err(transient()));
    let (stop, task) = bench.subscribe(queue, &["#"], broken.clone()).await;
    let message = bench.message("issue.filed");
    let publishing = bench.publish(std::slice::from_ref(&message));
    let swap = async {
        broken.has_been_called(1).await;
        stop.cancel();
        soon("the consumer's end", task).await.is_ok()
    };
    // The bus in process confirms only what is handled, the broker at once; after the stop the
    // first confirms nothing, and so the row would wait in the outbox.
    tokio::select! {
        () = async { publishing.await; std::future::pending().await } => {}
        ended = swap => assert!(ended, "the consumer failed"),
    }
    assert!(bench.parked(queue).await.is_empty());
    assert!(broken.handled().is_empty());
    bench.finish().await;
}
