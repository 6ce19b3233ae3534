//! The service behind its own edge, with a database and a stand-in for issues.

use std::sync::Arc;
use std::time::Duration;

use quittance_chassis::auth::Verifier;
use quittance_chassis::config::{self, Config, Mode};
use quittance_chassis::db::Db;
use quittance_chassis::grpc::{Client, GrpcServer, client};
use quittance_chassis::problem::{ProblemView, read};
use quittance_chassis::testing::{TestDb, databases};
use quittance_kernel::{MemberId, OrganizationId, Principal, Role, Roles};
use quittance_payouts::{ACCESS, Keyring, Migrator, Payouts, Policy, Reviews, routes};
use quittance_proto::audit::v1::audit_service_client::AuditServiceClient;
use quittance_proto::common::v1::Method;
use quittance_proto::payouts::v1 as proto;
use quittance_proto::payouts::v1::payout_service_client::PayoutServiceClient;
use sea_orm::{ConnectionTrait as _, Statement};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Status};

use crate::facts::{Facts, Issue};

pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) facts: Facts,
    pub(crate) payouts: PayoutServiceClient<Client>,
    pub(crate) audit: AuditServiceClient<Client>,
    pub(crate) reviews: Reviews,
    pub(crate) service: Payouts,
    pub(crate) admin: Principal,
    pub(crate) aibek: MemberId,
    pub(crate) madina: MemberId,
    address: String,
    verifier: Arc<Verifier>,
    _running: DropGuard,
}

/// One world on SQLite and one on PostgreSQL.
pub(crate) async fn worlds() -> Vec<World> {
    worlds_with(Policy::default()).await
}

pub(crate) async fn worlds_with(policy: Policy) -> Vec<World> {
    let mut worlds = Vec::new();
    for db in databases("payouts").await {
        worlds.push(world(db, policy).await);
    }
    worlds
}

async fn world(db: TestDb, policy: Policy) -> World {
    quittance_chassis::db::migrate::<Migrator>(&db).await.unwrap();
    let facts = Facts::default();
    let issues = client(&format!("http://{}", facts.serve().await)).unwrap();
    let keys = Keyring::from_config(&Config::default()).unwrap();
    let service = Payouts::new(Db::clone(&db), issues, policy).sealing_with(keys);
    let verifier = Verifier::from_config(&config::Auth::default(), Mode::Development).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let here = client(&address).unwrap();
    let shutdown = CancellationToken::new();
    let server = GrpcServer::new("payouts", Arc::clone(&verifier), ACCESS);
    tokio::spawn(server.serve(listener, routes(service.clone()), shutdown.clone()));
    World {
        db,
        facts,
        payouts: PayoutServiceClient::new(here.clone()).max_decoding_message_size(1 << 24),
        audit: AuditServiceClient::new(here),
        reviews: Reviews::new(service.clone()),
        service,
        admin: somebody(OrganizationId::new(), &[Role::Admin]),
        aibek: MemberId::new(),
        madina: MemberId::new(),
        address,
        verifier,
        _running: shutdown.drop_guard(),
    }
}

pub(crate) fn somebody(organization: OrganizationId, roles: &[Role]) -> Principal {
    let roles = Roles::new(roles.iter().copied());
    Principal { organization, member: MemberId::new(), roles, email: None, impersonator: None }
}

impl World {
    /// A client on a connection of its own.
    pub(crate) fn another_client(&self) -> PayoutServiceClient<Client> {
        PayoutServiceClient::new(client(&self.address).unwrap())
    }

    /// A connection of its own, for other services.
    pub(crate) fn connection(&self) -> Client {
        client(&self.address).unwrap()
    }

    /// Signs a message in somebody's name.
    pub(crate) fn signed<T>(&self, who: &Principal, message: T) -> Request<T> {
        let token = self.verifier.mint(who, Duration::from_mins(10)).unwrap();
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    }

    pub(crate) async fn pay(
        &self,
        who: &Principal,
        message: proto::PayIssueRequest,
    ) -> Result<proto::PayIssueResponse, Status> {
        let request = self.signed(who, message);
        Ok(self.payouts.clone().pay_issue(request).await?.into_inner())
    }

    pub(crate) async fn batch(
        &self,
        message: proto::BatchPayRequest,
    ) -> Result<proto::BatchPayResponse, Status> {
        let request = self.signed(&self.admin, message);
        Ok(self.payouts.clone().batch_pay(request).await?.into_inner())
    }

    /// An approved issue of Aibek's.
    pub(crate) fn issue(&self, minor: i64) -> Issue {
        self.facts.approved(self.aibek, minor, "KZT")
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(self.db.backend(), sql);
        let row = self.db.conn().query_one_raw(statement).await;
        row.unwrap_or_else(|error| panic!("{sql}: {error}")).unwrap().try_get_by_index(0).unwrap()
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let statement = Statement::from_string(self.db.backend(), sql);
        self.db.conn().execute_raw(statement).await.unwrap();
    }

    /// What must hold at every instant: payments are whole, single, audited and told.
    pub(crate) async fn check(&self, payouts: i64, items: i64) {
        for (what, expected) in [
            ("SELECT count(*) FROM payouts", payouts),
            ("SELECT count(*) FROM payout_items WHERE live", items),
            ("SELECT count(*) FROM earnings WHERE status = 'paid'", items),
            ("SELECT count(*) FROM audit_log WHERE action = 'payout.issue_paid'", items),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout.issue_paid'", items),
            ("SELECT count(*) FROM audit_log WHERE action = 'payout.paid'", payouts),
            ("SELECT count(*) FROM outbox WHERE kind = 'payout.paid'", payouts),
            (
                "SELECT count(*) FROM payouts p WHERE p.amount_minor <> (SELECT \
                 CAST(SUM(i.amount_minor) AS BIGINT) FROM payout_items i WHERE i.payout_id = p.id) \
                 OR p.item_count <> (SELECT count(*) FROM payout_items i WHERE i.payout_id = p.id)",
                0,
            ),
            (
                "SELECT count(*) FROM payout_items i JOIN earnings e ON e.id = i.earning_id \
                 WHERE e.payout_id <> i.payout_id OR e.amount_minor <> i.amount_minor \
                 OR e.currency <> i.currency OR e.status <> 'paid'",
                0,
            ),
        ] {
            assert_eq!(self.number(what).await, expected, "{what}");
        }
    }
}

/// A group paid by Kaspi under one reference.
pub(crate) fn group(issues: &[Issue]) -> proto::PayGroup {
    proto::PayGroup {
        payee_id: String::new(),
        issue_ids: issues.iter().map(|issue| issue.id.to_string()).collect(),
        method: Method::Kaspi.into(),
        reference: "KASPI-1".to_owned(),
    }
}

pub(crate) fn batch(groups: Vec<proto::PayGroup>) -> proto::BatchPayRequest {
    let on_blocked = proto::OnBlocked::Fail.into();
    proto::BatchPayRequest { request_id: String::new(), groups, on_blocked, net_receivables: false }
}

pub(crate) fn single(issue: Issue, key: &str) -> proto::PayIssueRequest {
    proto::PayIssueRequest {
        request_id: key.to_owned(),
        issue_id: issue.id.to_string(),
        cycle_id: String::new(),
        method: Method::Bank.into(),
        reference: "BANK-1".to_owned(),
    }
}

pub(crate) fn paid(response: proto::BatchPayResponse) -> proto::BatchPaid {
    match response.outcome {
        Some(proto::batch_pay_response::Outcome::Paid(paid)) => paid,
        other => panic!("not paid: {other:?}"),
    }
}

/// The reasons of a refusal, issue by issue.
pub(crate) fn refused(response: proto::BatchPayResponse) -> Vec<Vec<String>> {
    match response.outcome {
        Some(proto::batch_pay_response::Outcome::Refused(refused)) => {
            refused.excluded.into_iter().map(|excluded| excluded.reasons).collect()
        }
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn paid_issue(response: proto::PayIssueResponse) -> proto::PaidIssue {
    match response.outcome {
        Some(proto::pay_issue_response::Outcome::Paid(paid)) => paid,
        other => panic!("not paid: {other:?}"),
    }
}

pub(crate) fn refused_issue(response: proto::PayIssueResponse) -> Vec<String> {
    match response.outcome {
        Some(proto::pay_issue_response::Outcome::Refused(refused)) => refused.reasons,
        other => panic!("not refused: {other:?}"),
    }
}

/// Why a call failed.
pub(crate) fn problem<T: std::fmt::Debug>(answer: Result<T, Status>) -> ProblemView {
    read(&answer.unwrap_err())
}
