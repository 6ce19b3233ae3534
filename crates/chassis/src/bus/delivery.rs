//! What happens when handling fails: the one policy that both buses follow.
//!
//! A batch that fails is tried again one message at a time, so that one bad message does not hold
//! up its neighbours. A poison message is parked. A transient failure is held and tried again
//! after a pause that grows; it is parked only once it has failed several times *while others
//! succeeded*, because a database that is down must never fill the dead letters.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use super::instruments::INSTRUMENTS;
use super::{HandleError, Handler, Message, Retry, trace};

/// What became of one message of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Acted upon and committed.
    Done,
    /// Held until [`Deliverer::due`].
    Later,
    /// Will never succeed, and why: to be parked.
    Dead(String),
}

/// Hands messages to the handler of one queue and remembers those that failed.
pub(super) struct Deliverer {
    queue: &'static str,
    handler: Arc<dyn Handler>,
    retry: Retry,
    strained: HashMap<Uuid, Strain>,
    /// How many messages have been handled: how a failure knows that others succeed.
    successes: u64,
    /// The same before the attempt at hand.
    successes_before: u64,
}

/// A message that has failed.
struct Strain {
    attempts: u32,
    strikes: u32,
    due: Instant,
    successes: u64,
}

impl Deliverer {
    pub(super) fn new(queue: &'static str, handler: Arc<dyn Handler>, retry: Retry) -> Self {
        Self { queue, handler, retry, strained: HashMap::new(), successes: 0, successes_before: 0 }
    }

    /// Tells when a message may be tried again; `None` if it has not failed.
    pub(super) fn due(&self, id: Uuid) -> Option<Instant> {
        self.strained.get(&id).map(|strain| strain.due)
    }

    /// Forgets the failures of messages that this consumer no longer holds.
    pub(super) fn forget(&mut self) {
        self.strained.clear();
    }

    /// Tries messages once: together, and if that fails one at a time. Answers in their order.
    pub(super) async fn attempt(&mut self, messages: &[Message]) -> Vec<Outcome> {
        let mut seen = HashSet::with_capacity(messages.len());
        // A message that was published twice can come twice in one batch, where the inbox, which
        // looks before the transaction acts, would call both of them new.
        let batch: Vec<Message> =
            messages.iter().filter(|message| seen.insert(message.id)).cloned().collect();

        let results = self.results(&batch).await;
        let done = results.values().filter(|result| result.is_ok()).count();
        self.successes_before = self.successes;
        self.successes += done as u64;
        INSTRUMENTS.consumed(self.queue, done);

        let outcomes: HashMap<Uuid, Outcome> =
            results.into_iter().map(|(id, result)| (id, self.judge(id, result))).collect();
        messages
            .iter()
            .map(|message| outcomes.get(&message.id).cloned().unwrap_or(Outcome::Later))
            .collect()
    }

    async fn results(&self, batch: &[Message]) -> HashMap<Uuid, Result<(), HandleError>> {
        let together = self.call(batch).await;
        if together.is_ok() || batch.len() == 1 {
            return batch.iter().map(|message| (message.id, together.clone())).collect();
        }
        if let Err(error) = together {
            tracing::warn!(
                queue = self.queue,
                batch.messages = batch.len(),
                %error,
                "a batch failed and is tried one message at a time"
            );
        }
        let mut results = HashMap::with_capacity(batch.len());
        for message in batch {
            results.insert(message.id, self.call(std::slice::from_ref(message)).await);
        }
        results
    }

    async fn call(&self, messages: &[Message]) -> Result<(), HandleError> {
        if messages.is_empty() {
            return Ok(());
        }
        let handled = AssertUnwindSafe(self.handler.handle(messages))
            .catch_unwind()
            .instrument(trace::span(self.queue, messages))
            .await;
        // A panic must not end the consumer. It says nothing about whether it will come again.
        handled.unwrap_or_else(|_| Err(HandleError::Transient("the handler panicked".to_owned())))
    }

    fn judge(&mut self, id: Uuid, result: Result<(), HandleError>) -> Outcome {
        match result {
            Ok(()) => {
                self.strained.remove(&id);
                Outcome::Done
            }
            Err(HandleError::Poison(reason)) => {
                self.strained.remove(&id);
                Outcome::Dead(reason)
            }
            Err(HandleError::Transient(reason)) => self.strain(id, &reason),
        }
    }

    fn strain(&mut self, id: Uuid, reason: &str) -> Outcome {
        let successes = self.successes;
        let strain = self.strained.entry(id).or_insert(Strain {
            attempts: 0,
            strikes: 0,
            due: Instant::now(),
            successes: self.successes_before,
        });
        strain.attempts = strain.attempts.saturating_add(1);
        if strain.successes < successes {
            strain.strikes += 1;
        }
        strain.successes = successes;
        if self.retry.strikes <= strain.strikes {
            self.strained.remove(&id);
            return Outcome::Dead(format!("failed while others succeeded: {reason}"));
        }
        let pause = pause(self.retry, strain.attempts);
        strain.due = Instant::now() + pause;
        tracing::warn!(
            queue = self.queue,
            event.id = %id,
            attempts = strain.attempts,
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            reason,
            "a message failed and is tried again later"
        );
        Outcome::Later
    }
}

/// Four times as long after each failure, never longer than the longest, with jitter.
fn pause(retry: Retry, attempts: u32) -> Duration {
    let factor = 4u32.saturating_pow(attempts.saturating_sub(1));
    jittered(retry.first.saturating_mul(factor).min(retry.longest))
}

/// Between half and all of a pause, so that waiters do not move in step.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use bytes::Bytes;

    use super::*;

    /// Fails for the kinds that it is told to, and notes each call.
    #[derive(Default)]
    struct Script {
        calls: Mutex<Vec<Vec<Uuid>>>,
        down: Mutex<bool>,
    }

    #[async_trait]
    impl Handler for Script {
        async fn handle(&self, messages: &[Message]) -> Result<(), HandleError> {
            self.calls.lock().unwrap().push(messages.iter().map(|message| message.id).collect());
            if *self.down.lock().unwrap() {
                return Err(HandleError::Transient("down".to_owned()));
            }
            messages.iter().try_for_each(|message| match message.kind.as_str() {
                "poison" => Err(HandleError::Poison("unreadable".to_owned())),
                "flaky" => Err(HandleError::Transient("not yet".to_owned())),
                "panic" => panic!("the handler is told to panic"),
                _ => Ok(()),
            })
        }
    }

    fn message(kind: &str) -> Message {
        Message {
            id: Uuid::now_v7(),
            kind: kind.to_owned(),
            organization: Uuid::nil(),
            subject: Uuid::nil(),
            body: Bytes::new(),
            traceparent: None,
        }
    }

    fn deliverer() -> (Arc<Script>, Deliverer) {
        let script = Arc::new(Script::default());
        (script.clone(), Deliverer::new("test.queue", script, Retry::default()))
    }

    #[tokio::test]
    async fn a_batch_is_handled_in_one_call() {
        let (script, mut deliverer) = deliverer();
        let batch = [message("good"), message("good")];

        assert_eq!(deliverer.attempt(&batch).await, [Outcome::Done, Outcome::Done]);
        assert_eq!(*script.calls.lock().unwrap(), [vec![batch[0].id, batch[1].id]]);
    }

    #[tokio::test]
    async fn a_message_that_comes_twice_is_handled_once() {
        let (script, mut deliverer) = deliverer();
        let twice = message("good");

        let outcomes = deliverer.attempt(&[twice.clone(), twice.clone()]).await;

        assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
        assert_eq!(*script.calls.lock().unwrap(), [vec![twice.id]]);
    }

    #[tokio::test]
    async fn a_poison_message_does_not_harm_its_neighbours() {
        let (script, mut deliverer) = deliverer();

        let outcomes =
            deliverer.attempt(&[message("good"), message("poison"), message("good")]).await;

        let dead = Outcome::Dead("unreadable".to_owned());
        assert_eq!(outcomes, [Outcome::Done, dead, Outcome::Done]);
        assert_eq!(script.calls.lock().unwrap().len(), 4);
    }

    #[tokio::test]
    async fn a_message_that_fails_while_others_succeed_is_parked_at_the_fifth_strike() {
        let (_script, mut deliverer) = deliverer();
        let flaky = message("flaky");

        for _ in 0..4 {
            let outcomes = deliverer.attempt(&[flaky.clone(), message("good")]).await;
            assert_eq!(outcomes, [Outcome::Later, Outcome::Done]);
            assert!(deliverer.due(flaky.id).is_some());
        }
        let outcomes = deliverer.attempt(&[flaky.clone(), message("good")]).await;

        assert!(matches!(outcomes[0], Outcome::Dead(_)));
        assert_eq!(deliverer.due(flaky.id), None);
    }

    #[tokio::test]
    async fn an_outage_parks_nothing() {
        let (script, mut deliverer) = deliverer();
        let batch = [message("good"), message("good")];
        // Successes from before the outage do not count as strikes during it.
        assert_eq!(deliverer.attempt(&[message("good")]).await, [Outcome::Done]);
        *script.down.lock().unwrap() = true;

        for _ in 0..50 {
            assert_eq!(deliverer.attempt(&batch).await, [Outcome::Later, Outcome::Later]);
        }
        *script.down.lock().unwrap() = false;

        assert_eq!(deliverer.attempt(&batch).await, [Outcome::Done, Outcome::Done]);
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_of_that_message_alone() {
        let (_script, mut deliverer) = deliverer();

        let outcomes = deliverer.attempt(&[message("panic"), message("good")]).await;

        assert_eq!(outcomes, [Outcome::Later, Outcome::Done]);
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let retry = Retry::default();
        assert!(pause(retry, 1) <= Duration::from_millis(500));
        assert!(Duration::from_millis(250) <= pause(retry, 1));
        assert!(Duration::from_secs(1) <= pause(retry, 2));
        for attempts in 4..100 {
            assert!(pause(retry, attempts) <= Duration::from_secs(30));
        }
    }
}
