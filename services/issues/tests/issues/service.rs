//! The whole service in one process: edge, consumer, relay, shutdown.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quittance_chassis::auth::Verifier;
use quittance_chassis::bus::{self, Bus, HandleError, Handler, Message, Subscription};
use quittance_chassis::config::Config;
use quittance_chassis::db::{Db, migrate, outbox};
use quittance_chassis::grpc::{Client, client};
use quittance_chassis::problem::read;
use quittance_chassis::run::Start;
use quittance_events::{EarningState, Envelope, encode, kind, queue};
use quittance_issues::app::{Answer, Identity};
use quittance_issues::{Issues, Migrator, connect, start};
use quittance_kernel::{Ctx, OrganizationId, PayoutStatus, Principal, Role, Roles, Severity};
use quittance_proto::issues::v1 as proto;
use quittance_proto::issues::v1::issue_service_client::IssueServiceClient;
use quittance_proto::issues::v1::member_service_client::MemberServiceClient;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request};
use uuid::Uuid;

use crate::fixture::{cycle, member, new_issue, noon, product};

struct Service {
    _files: TempDir,
    config: Config,
    bus: Arc<dyn Bus>,
    db: Db,
    shutdown: CancellationToken,
    running: quittance_chassis::run::Running,
    client: IssueServiceClient<Client>,
}

struct Listener;

#[tonic::async_trait]
impl Handler for Listener {
    async fn handle(&self, _messages: &[Message]) -> Result<(), HandleError> {
        Ok(())
    }
}

async fn service() -> Service {
    let files = TempDir::new().unwrap();
    let mut config = Config { data_dir: files.path().join("data"), ..Config::default() };
    config.issues.listen = "127.0.0.1:0".parse().unwrap();
    let bus = bus::connect(&config.bus);
    let shutdown = CancellationToken::new();
    let started = Start { shutdown: shutdown.clone(), ..Start::default() };
    let running = start(&config, bus.clone(), started).await.unwrap();
    let client = IssueServiceClient::new(client(&format!("http://{}", running.addr)).unwrap());
    let db = connect(&config).await.unwrap();
    // Stand in for the other services, without which the bus keeps what they want to hear.
    for other in [queue::PAYOUTS, queue::BALANCE] {
        let subscription = Subscription::new(other.name, other.kinds, 100, db.clone());
        bus.subscribe(subscription, Arc::new(Listener), shutdown.clone());
    }
    Service { _files: files, config, bus, db, shutdown, running, client }
}

impl Service {
    fn signed<T>(&self, principal: &Principal, message: T) -> Request<T> {
        let verifier = Verifier::from_config(&self.config.auth, self.config.mode).unwrap();
        let token = verifier.mint(principal, Duration::from_mins(1)).unwrap();
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    }
}

fn paid(who: &Ctx, issue: Uuid, cycle: Uuid) -> Message {
    let state = EarningState {
        earning_id: Uuid::now_v7(),
        version: 2,
        issue_id: issue,
        cycle_id: cycle,
        payee_id: who.member().0,
        amount_minor: 1,
        currency: "KZT".into(),
        status: PayoutStatus::Paid,
        payout_id: Some(Uuid::now_v7()),
        method: None,
        reference: None,
        paid_at: Some(noon()),
        reason: None,
        voided_at: None,
        receivable_minor: None,
    };
    let (id, organization) = (Uuid::now_v7(), who.organization().0);
    let kind = kind::PAYOUT_ISSUE_PAID;
    let envelope = Envelope::new(id, "payouts", kind, organization, noon(), None, state);
    let body = Bytes::from(encode(&envelope));
    Message { id, kind: kind.into(), organization, subject: issue, body, traceparent: None }
}

#[tokio::test]
async fn the_service_starts_serves_hears_speaks_and_stops() {
    let mut service = service().await;
    migrate::<Migrator>(&service.db).await.unwrap();
    let issues = Issues::new(service.db.clone(), true);
    let admin = member(&issues, "Demo", "boss", Role::Admin).await;
    let aibek = member(&issues, "Demo", "Aibek", Role::Member).await;
    let shop = product(&issues, &admin, "SHP").await;
    let sweep = cycle(&issues, &admin, shop, vec![]).await.cycle.id;
    let filing = new_issue(sweep, "Payment fails", Severity::High);
    let issue = issues.create_issue(&aibek, filing, Answer::forgotten()).await.unwrap().issue.id;

    let get = proto::GetIssueRequest { issue_id: issue.to_string(), cycle_id: String::new() };
    let anonymous = service.client.get_issue(get.clone()).await.unwrap_err();
    assert_eq!(anonymous.code(), Code::Unauthenticated);
    let approve = proto::ApproveIssueRequest {
        issue_id: issue.to_string(),
        ..proto::ApproveIssueRequest::default()
    };
    let request = service.signed(&aibek.principal, approve.clone());
    let refused = service.client.approve_issue(request).await.unwrap_err();
    assert_eq!(read(&refused).reason, "ROLE_REQUIRED");
    let mut viewing = admin.principal.clone();
    viewing.impersonator = Some(aibek.member());
    let request = service.signed(&viewing, approve.clone());
    let refused = service.client.approve_issue(request).await.unwrap_err();
    assert_eq!(read(&refused).reason, "IMPERSONATION_READ_ONLY");
    let request = service.signed(&admin.principal, approve);
    service.client.approve_issue(request).await.unwrap();

    // The in-process bus confirms when the consumer has committed.
    let published = service.bus.publish(&[paid(&aibek, issue.0, sweep.0)]).await;
    assert!(published.is_complete());
    let request = service.signed(&aibek.principal, get);
    let seen = service.client.get_issue(request).await.unwrap().into_inner().issue.unwrap();
    assert_eq!(seen.blocked_by, ["already_paid"]);

    // The relay empties the outbox, which has nobody to wait for.
    let emptied = async {
        let mut pause = tokio::time::interval(Duration::from_millis(20));
        while outbox::depth(&service.db).await.unwrap().0 > 0 {
            pause.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), emptied).await.unwrap();

    service.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(20), service.running.task).await;
    ended.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn only_our_services_sign_people_in() {
    let service = service().await;
    let channel = client(&format!("http://{}", service.running.addr)).unwrap();
    let mut members = MemberServiceClient::new(channel);
    let wanted = proto::EnsureMemberRequest {
        email: "a@example.com".into(),
        ..proto::EnsureMemberRequest::default()
    };
    let anonymous = members.ensure_member(wanted.clone()).await.unwrap_err();
    assert_eq!(anonymous.code(), Code::Unauthenticated);
    let ourselves = Principal::service(OrganizationId(Uuid::nil()));
    let admin = Principal { roles: Roles::new([Role::Admin]), ..ourselves.clone() };
    let request = service.signed(&admin, wanted.clone());
    let refused = members.ensure_member(request).await.unwrap_err();
    assert_eq!(read(&refused).reason, "ROLE_REQUIRED");
    let request = service.signed(&ourselves, wanted);
    let member = members.ensure_member(request).await.unwrap().into_inner().member.unwrap();
    assert_eq!((member.name.as_str(), member.version), ("a", 1));
    service.shutdown.cancel();
    service.running.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn production_does_not_migrate_by_itself() {
    let files = TempDir::new().unwrap();
    let mut config = Config { data_dir: files.path().to_owned(), ..Config::default() };
    config.mode = quittance_chassis::config::Mode::Production;
    config.issues.listen = "127.0.0.1:0".parse().unwrap();
    // Nor does it start with the development secret.
    assert!(start(&config, bus::connect(&config.bus), Start::default()).await.is_err());
    let db = connect(&config).await.unwrap();
    let identity = Identity { email: "a@example.com".into(), ..Identity::default() };
    let refused = Issues::new(db, true).ensure_member(&identity, noon(), "test").await;
    assert!(refused.is_err());
}
