//! What the bus tests share: a bus of either kind, handlers that note what they are given, and
//! waits that are bounded.

use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lapin::options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use quittance_chassis::bus::{self, Bus, HandleError, Handler, Message, Retry, Subscription};
use quittance_chassis::config;
use quittance_chassis::db::{self, Db};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than anything takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Retries that a test need not wait for.
pub(crate) const IMPATIENT: Retry =
    Retry { first: Duration::from_millis(2), longest: Duration::from_millis(20), strikes: 5 };

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Tables)]
    }
}

struct Tables;

impl MigrationName for Tables {
    fn name(&self) -> &'static str {
        "m0001_chassis"
    }
}

#[async_trait]
impl MigrationTrait for Tables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        db::chassis_tables(manager).await
    }
}

/// Creates the tables that every service has.
pub(crate) async fn migrate(db: &Db) {
    db::migrate::<Migrator>(db).await.unwrap();
}

pub(crate) async fn memory() -> Db {
    let db = Db::memory("test").await.unwrap();
    migrate(&db).await;
    db
}

/// The broker's address, which the tests of RabbitMQ cannot do without.
pub(crate) fn amqp_url() -> String {
    from_environment("TEST_AMQP_URL")
}

/// The address of a PostgreSQL server that lets us create schemas.
pub(crate) fn database_url() -> String {
    from_environment("TEST_DATABASE_URL")
}

#[expect(clippy::disallowed_methods, reason = "tests are told of their servers by the environment")]
fn from_environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `cargo xtask test`, which starts the servers")
    })
}

/// Waits until a condition holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain until {what}");
}

/// Fails instead of waiting for ever.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let value = tokio::time::timeout(PATIENCE, future).await;
    value.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

type Script = dyn FnMut(&[Message]) -> Result<(), HandleError> + Send;

/// Notes each call, and answers what its script says.
pub(crate) struct Recorder {
    calls: watch::Sender<Vec<(Vec<Message>, bool)>>,
    script: Mutex<Box<Script>>,
}

impl Recorder {
    pub(crate) fn obliging() -> Arc<Self> {
        Self::scripted(|_| Ok(()))
    }

    pub(crate) fn scripted(
        script: impl FnMut(&[Message]) -> Result<(), HandleError> + Send + 'static,
    ) -> Arc<Self> {
        let calls = watch::Sender::new(Vec::new());
        Arc::new(Self { calls, script: Mutex::new(Box::new(script)) })
    }

    /// The ids of the messages whose handling succeeded, in that order.
    pub(crate) fn handled(&self) -> Vec<Uuid> {
        handled_in(&self.calls.borrow()).map(|message| message.id).collect()
    }

    /// The messages whose handling succeeded.
    pub(crate) fn messages(&self) -> Vec<Message> {
        handled_in(&self.calls.borrow()).cloned().collect()
    }

    /// The ids of each call, and whether it succeeded.
    pub(crate) fn calls(&self) -> Vec<(Vec<Uuid>, bool)> {
        let ids = |messages: &[Message]| messages.iter().map(|message| message.id).collect();
        self.calls.borrow().iter().map(|(messages, done)| (ids(messages), *done)).collect()
    }

    /// Waits until all of these have been handled.
    pub(crate) async fn has_handled(&self, ids: &[Uuid]) {
        let mut calls = self.calls.subscribe();
        let all = calls.wait_for(|calls| {
            let handled: HashSet<Uuid> = handled_in(calls).map(|message| message.id).collect();
            ids.iter().all(|id| handled.contains(id))
        });
        soon("messages to be handled", all).await.unwrap();
    }

    /// Waits until the handler has been called this often.
    pub(crate) async fn has_been_called(&self, times: usize) {
        let mut calls = self.calls.subscribe();
        soon("calls", calls.wait_for(|calls| times <= calls.len())).await.unwrap();
    }
}

fn handled_in(calls: &[(Vec<Message>, bool)]) -> impl Iterator<Item = &Message> {
    calls.iter().filter(|(_, succeeded)| *succeeded).flat_map(|(messages, _)| messages)
}

#[async_trait]
impl Handler for Recorder {
    async fn handle(&self, messages: &[Message]) -> Result<(), HandleError> {
        // A script that panics poisons its lock, and is asked again all the same.
        let answer = (self.script.lock().unwrap_or_else(PoisonError::into_inner))(messages);
        self.calls.send_modify(|calls| calls.push((messages.to_vec(), answer.is_ok())));
        answer
    }
}

/// A bus of either kind, with names that no other test uses.
pub(crate) struct Bench {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) db: Db,
    broker: Option<String>,
    run: String,
    queues: Mutex<Vec<&'static str>>,
    /// Each consumer can be stopped by itself, and all stop with the bench.
    shutdown: CancellationToken,
}

impl Bench {
    pub(crate) async fn local() -> Self {
        Self::new(None, None).await
    }

    pub(crate) async fn rabbit() -> Self {
        let url = amqp_url();
        Self::new(Some(url.clone()), Some(url)).await
    }

    /// A bus that reaches the broker by a detour; the bench itself goes straight.
    pub(crate) async fn rabbit_through(detour: String) -> Self {
        Self::new(Some(amqp_url()), Some(detour)).await
    }

    async fn new(broker: Option<String>, address: Option<String>) -> Self {
        let run = Uuid::now_v7().simple().to_string();
        let address =
            config::Bus { amqp_url: address.map(SecretString::from), namespace: run.clone() };
        Self {
            bus: bus::connect(&address),
            db: memory().await,
            broker,
            run,
            queues: Mutex::default(),
            shutdown: CancellationToken::new(),
        }
    }

    /// Makes a name that is this test's own. Names live as long as the process, as in production.
    pub(crate) fn name(&self, name: &str) -> &'static str {
        format!("{}.{name}", self.run).leak()
    }

    pub(crate) fn message(&self, kind: &str) -> Message {
        let id = Uuid::now_v7();
        Message {
            id,
            kind: self.name(kind).to_owned(),
            organization: Uuid::now_v7(),
            subject: Uuid::now_v7(),
            body: Bytes::from(format!(r#"{{"id":"{id}"}}"#)),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        }
    }

    /// Subscribes, and waits until what is published will arrive.
    pub(crate) async fn subscribe(
        &self,
        queue: &'static str,
        kinds: &[&str],
        handler: Arc<dyn Handler>,
    ) -> (CancellationToken, JoinHandle<()>) {
        let shutdown = self.shutdown_token();
        let kinds: Vec<&'static str> = kinds.iter().map(|kind| self.name(kind)).collect();
        let subscription = Subscription::new(queue, kinds.leak(), 16, self.db.clone());
        let subscription = subscription.with_retry(IMPATIENT);
        let task = self.bus.subscribe(subscription, handler, shutdown.clone());
        self.queues.lock().unwrap().push(queue);
        eventually("the queue has a consumer", || self.is_consumed(queue)).await;
        (shutdown, task)
    }

    pub(crate) fn shutdown_token(&self) -> CancellationToken {
        self.shutdown.child_token()
    }

    /// Publishes as the relay does: again and again, until all is confirmed.
    pub(crate) async fn publish(&self, messages: &[Message]) {
        let mut unconfirmed = messages.to_vec();
        let all = async {
            while !unconfirmed.is_empty() {
                let published = self.bus.publish(&unconfirmed).await;
                let mut confirmed = published.confirmed.into_iter();
                unconfirmed.retain(|_| !confirmed.next().unwrap());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        soon("confirmation", all).await;
    }

    /// The ids of the dead letters of a queue. RabbitMQ's are taken out by looking.
    pub(crate) async fn parked(&self, queue: &str) -> Vec<Uuid> {
        if self.broker.is_some() { self.rejected(queue).await } else { self.stored(queue).await }
    }

    async fn stored(&self, queue: &str) -> Vec<Uuid> {
        let sql = "SELECT id FROM dead_letters WHERE consumer = ?";
        let query = Statement::from_sql_and_values(self.db.backend(), sql, [queue.into()]);
        let rows = self.db.conn().query_all_raw(query).await.unwrap();
        rows.iter().map(|row| row.try_get("", "id").unwrap()).collect()
    }

    async fn rejected(&self, queue: &str) -> Vec<Uuid> {
        let connection = self.straight().await;
        let channel = connection.create_channel().await.unwrap();
        let parked = format!("{}.{queue}.dlq", self.run);
        let mut ids = Vec::new();
        let options = BasicGetOptions::default();
        while let Some(got) = channel.basic_get(parked.as_str().into(), options).await.unwrap() {
            got.delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
            ids.push(got.properties.message_id().as_ref().unwrap().as_str().parse().unwrap());
        }
        ids
    }

    /// How many messages and consumers a queue has.
    pub(crate) async fn queue(&self, queue: &str) -> Option<(u32, u32)> {
        let connection = self.straight().await;
        let channel = connection.create_channel().await.unwrap();
        let options = QueueDeclareOptions::durable().passive();
        let queue = format!("{}.{queue}", self.run);
        let queue = channel.queue_declare(queue.as_str().into(), options, FieldTable::default());
        let queue = queue.await.ok()?;
        Some((queue.message_count(), queue.consumer_count()))
    }

    async fn is_consumed(&self, queue: &str) -> bool {
        match self.broker {
            Some(_) => self.queue(queue).await.is_some_and(|(_, consumers)| 0 < consumers),
            None => true,
        }
    }

    async fn straight(&self) -> Connection {
        let url = self.broker.as_deref().unwrap();
        Connection::connect(url, ConnectionProperties::default()).await.unwrap()
    }

    /// Leaves nothing behind at the broker.
    pub(crate) async fn finish(self) {
        self.shutdown.cancel();
        if self.broker.is_none() {
            return;
        }
        let connection = self.straight().await;
        let channel = connection.create_channel().await.unwrap();
        let queues = self.queues.lock().unwrap().clone();
        for queue in queues {
            for name in [format!("{}.{queue}", self.run), format!("{}.{queue}.dlq", self.run)] {
                let options = QueueDeleteOptions::default();
                channel.queue_delete(name.as_str().into(), options).await.unwrap();
            }
        }
        let installation = config::Bus {
            amqp_url: self.broker.clone().map(SecretString::from),
            namespace: self.run.clone(),
        };
        bus::remove(&installation).await.unwrap();
    }
}
