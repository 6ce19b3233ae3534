//! The whole service in one process: edge, consumer, relay, shutdown.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quittance_chassis::auth::Verifier;
use quittance_chassis::bus::{self, HandleError, Handler, Message, Subscription};
use quittance_chassis::config::Config;
use quittance_chassis::db::Db;
use quittance_chassis::grpc::client;
use quittance_chassis::run::Start;
use quittance_events::queue;
use quittance_kernel::{MemberId, OrganizationId, PayoutStatus, Role};
use quittance_payouts::{migrate, start};
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::payout_service_client::PayoutServiceClient;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Request;

use crate::consumer::{message, state};
use crate::facts::Facts;
use crate::world::somebody;

/// Hands on what reaches the balance.
struct Listener(mpsc::UnboundedSender<String>);

#[async_trait]
impl Handler for Listener {
    async fn handle(&self, messages: &[Message]) -> Result<(), HandleError> {
        for message in messages {
            self.0.send(message.kind.clone()).unwrap();
        }
        Ok(())
    }
}

#[tokio::test]
async fn an_approval_that_is_heard_stands_in_the_pay_queue_and_is_told() {
    let files = tempfile::TempDir::new().unwrap();
    let mut config = Config { data_dir: files.path().join("data"), ..Config::default() };
    config.payouts.listen = "127.0.0.1:0".parse().unwrap();
    migrate(&config).await.unwrap();
    let bus = bus::connect(&config.bus);
    let shutdown = CancellationToken::new();
    let dead_letters = Db::memory("balance").await.unwrap();
    let (told, mut heard) = mpsc::unbounded_channel();
    for other in queue::ALL.iter().filter(|queue| queue.name != queue::PAYOUTS.name) {
        let subscription = Subscription::new(other.name, other.kinds, 10, dead_letters.clone());
        bus.subscribe(subscription, Arc::new(Listener(told.clone())), shutdown.clone());
    }
    let started = Start { shutdown: shutdown.clone(), ..Start::default() };
    let running = start(&config, bus.clone(), started).await.unwrap();

    let issue = Facts::default().approved(MemberId::new(), 500, "KZT");
    let admin = somebody(OrganizationId::new(), &[Role::Admin]);
    let approved = state(issue, 2, PayoutStatus::Approved, Some(500));
    let published = bus.publish(&[message(admin.organization, approved)]).await;
    assert!(published.is_complete(), "{published:?}");

    let verifier = Verifier::from_config(&config.auth, config.mode).unwrap();
    let token = verifier.mint(&admin, Duration::from_mins(1)).unwrap();
    let mut request = Request::new(proto::ListPayQueueRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let mut client = PayoutServiceClient::new(client(&format!("http://{}", running.addr)).unwrap());
    let queue = client.list_pay_queue(request).await.unwrap().into_inner();
    assert_eq!(queue.entries[0].issue_ids, [issue.id.to_string()]);

    // Told by the relay; the issue's own event reaches the balance as well.
    let mut kinds = Vec::new();
    while !kinds.iter().any(|kind| kind == "earning.approved") {
        let next = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await;
        kinds.push(next.unwrap().unwrap());
    }
    shutdown.cancel();
    running.task.await.unwrap().unwrap();
}
