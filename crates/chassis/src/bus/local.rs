//! The bus of the standalone binary: consumers in the same process, durability in the outbox.
//!
//! A message is confirmed only when every consumer that wants it has committed, so until then its
//! outbox row stays and the relay publishes it again. Nothing is queued here across calls.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::delivery::{Deliverer, Outcome};
use super::instruments::INSTRUMENTS;
use super::{Bus, BusError, Handler, Message, Published, Subscription, dead_letters, topic};

/// How many windows can wait for one consumer; there is one relay per service.
const WAITING_WINDOWS: usize = 16;

/// Joins the services of one process.
#[derive(Default)]
pub(super) struct LocalBus {
    consumers: RwLock<Vec<Consumer>>,
}

/// A subscription, as the publishing side sees it.
#[derive(Clone)]
struct Consumer {
    subscription: Subscription,
    jobs: mpsc::Sender<Job>,
}

/// The part of a window that one consumer wants.
struct Job {
    messages: Vec<Message>,
    /// Answers one flag per message: whether the consumer is finished with it.
    reply: oneshot::Sender<Vec<bool>>,
}

#[async_trait]
impl Bus for LocalBus {
    async fn publish(&self, window: &[Message]) -> Published {
        // A consumer that has shut down stays in the list and confirms nothing: its messages must
        // wait in the outbox for the next start.
        let consumers = self.consumers.read().unwrap_or_else(PoisonError::into_inner).clone();
        let offers = consumers.iter().map(|consumer| offer(consumer, window));
        let mut outcomes: Vec<Result<(), BusError>> =
            window.iter().map(|message| awaited(message, &consumers)).collect();
        for (consumer, unfinished) in consumers.iter().zip(join_all(offers).await) {
            for index in unfinished {
                outcomes[index] = Err(BusError::Held(consumer.subscription.queue));
            }
        }
        Published::gather(outcomes)
    }

    fn subscribe(
        &self,
        subscription: Subscription,
        handler: Arc<dyn Handler>,
        shutdown: CancellationToken,
    ) -> JoinHandle<()> {
        let (jobs, inbox) = mpsc::channel(WAITING_WINDOWS);
        let consumer = Consumer { subscription: subscription.clone(), jobs };
        self.consumers.write().unwrap_or_else(PoisonError::into_inner).push(consumer);
        tokio::spawn(run(subscription, handler, inbox, shutdown))
    }

    fn healthy(&self) -> bool {
        true
    }
}

/// Holds a message back while a consumer that is known to want it has not come up yet: services of
/// one process start one after the other, and what was left over is published at once.
fn awaited(message: &Message, consumers: &[Consumer]) -> Result<(), BusError> {
    let absent = quittance_events::queue::ALL.iter().find(|queue| {
        queue.kinds.iter().any(|kind| topic::matches(kind, &message.kind))
            && !consumers.iter().any(|consumer| consumer.subscription.queue == queue.name)
    });
    absent.map_or(Ok(()), |queue| Err(BusError::Held(queue.name)))
}

/// Offers a consumer what it wants of a window; answers the places of what it has not finished.
async fn offer(consumer: &Consumer, window: &[Message]) -> Vec<usize> {
    let places: Vec<usize> = window
        .iter()
        .enumerate()
        .filter(|(_, message)| consumer.subscription.wants(&message.kind))
        .map(|(index, _)| index)
        .collect();
    if places.is_empty() {
        return places;
    }
    let (reply, answer) = oneshot::channel();
    let messages = places.iter().map(|index| window[*index].clone()).collect();
    if consumer.jobs.send(Job { messages, reply }).await.is_err() {
        return places;
    }
    // The answer is missing when the consumer shut down before it came to this job.
    let finished = answer.await.unwrap_or_default();
    let finished = finished.into_iter().chain(std::iter::repeat(false));
    places.into_iter().zip(finished).filter(|(_, done)| !done).map(|(index, _)| index).collect()
}

/// Serves one subscription. Handlers run in this task, which nobody cancels, and not in the
/// publisher's, whose future may be dropped in the middle of a transaction.
async fn run(
    subscription: Subscription,
    handler: Arc<dyn Handler>,
    mut inbox: mpsc::Receiver<Job>,
    shutdown: CancellationToken,
) {
    let mut deliverer = Deliverer::new(subscription.queue, handler, subscription.retry);
    loop {
        let job = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            job = inbox.recv() => job,
        };
        let Some(job) = job else { break };
        let mut finished = Vec::with_capacity(job.messages.len());
        for batch in job.messages.chunks(usize::from(subscription.prefetch.max(1))) {
            finished.extend(serve(&subscription, &mut deliverer, batch).await);
        }
        // The publisher may have gone; the inbox makes its next attempt harmless.
        drop(job.reply.send(finished));
    }
}

/// Tries those messages of a batch that are due, and parks those that are hopeless.
async fn serve(
    subscription: &Subscription,
    deliverer: &mut Deliverer,
    batch: &[Message],
) -> Vec<bool> {
    let now = Instant::now();
    let due = |message: &Message| deliverer.due(message.id).is_none_or(|due| due <= now);
    let places: Vec<usize> =
        batch.iter().enumerate().filter(|(_, message)| due(message)).map(|(at, _)| at).collect();
    let attempted: Vec<Message> = places.iter().map(|at| batch[*at].clone()).collect();

    let mut finished = vec![false; batch.len()];
    let outcomes = deliverer.attempt(&attempted).await;
    for ((at, message), outcome) in places.into_iter().zip(&attempted).zip(outcomes) {
        finished[at] = match outcome {
            Outcome::Done => true,
            Outcome::Later => false,
            Outcome::Dead(reason) => park(subscription, message, &reason).await,
        };
    }
    finished
}

/// Parks a message; `false` if even that failed, so that it comes again.
async fn park(subscription: &Subscription, message: &Message, reason: &str) -> bool {
    let queue = subscription.queue;
    match dead_letters::park(&subscription.dead_letters, queue, message, reason).await {
        Ok(()) => {
            INSTRUMENTS.dead_letter(queue);
            tracing::error!(
                queue,
                event.id = %message.id,
                event.kind = message.kind,
                reason,
                "a message was parked in the dead letters"
            );
            true
        }
        Err(error) => {
            tracing::error!(queue, event.id = %message.id, %error, "a message could not be parked");
            false
        }
    }
}
