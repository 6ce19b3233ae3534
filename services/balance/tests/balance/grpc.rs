//! The service as it is started, over the network and the bus.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quittance_chassis::auth::Verifier;
use quittance_chassis::bus::{self, HandleError, Handler, Message, Subscription};
use quittance_chassis::config::{Config, Mode};
use quittance_chassis::grpc::{self, Caller, Client};
use quittance_chassis::problem::read;
use quittance_chassis::run::{Running, Start};
use quittance_chassis::testing::{TestDb, databases};
use quittance_events::queue;
use quittance_kernel::{CycleId, MemberId, OrganizationId, PayoutStatus, Role, Roles, Severity};
use quittance_proto::balance::v1::balance_service_client::BalanceServiceClient;
use quittance_proto::balance::v1::explanation_service_client::ExplanationServiceClient;
use quittance_proto::balance::v1::ledger_service_client::LedgerServiceClient;
use quittance_proto::balance::v1::statistics_service_client::StatisticsServiceClient;
use quittance_proto::balance::v1::{
    ExportPaymentsRequest, GetBalanceRequest, GetOrganizationTotalsRequest, ListHistoryRequest,
};
use quittance_proto::common::v1 as common;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::events::{RATES, Work, cycle, member};
use crate::world::{ctx, noon};

pub(crate) struct Service {
    pub(crate) client: BalanceServiceClient<Client>,
    pub(crate) explanations: ExplanationServiceClient<Client>,
    pub(crate) ledger: LedgerServiceClient<Client>,
    pub(crate) statistics: StatisticsServiceClient<Client>,
    verifier: Arc<Verifier>,
    bus: Arc<dyn bus::Bus>,
    shutdown: CancellationToken,
    running: Running,
    _db: TestDb,
}

/// Services that are up and have nothing to say.
struct Others;

#[async_trait]
impl Handler for Others {
    async fn handle(&self, _messages: &[Message]) -> Result<(), HandleError> {
        Ok(())
    }
}

/// The service on SQLite and on PostgreSQL.
pub(crate) async fn services() -> Vec<Service> {
    let mut services = Vec::new();
    for db in databases("balance").await {
        services.push(service(db).await);
    }
    services
}

async fn service(db: TestDb) -> Service {
    let mut config = Config::default();
    config.balance.database_url = Some(db.url().into());
    config.balance.listen = "127.0.0.1:0".parse().unwrap();
    let bus = bus::connect(&config.bus);
    // The in-process bus holds back what the other services have not heard.
    for queue in queue::ALL.iter().filter(|queue| queue.name != queue::BALANCE.name) {
        let others = Subscription::new(queue.name, queue.kinds, 500, (*db).clone());
        drop(bus.subscribe(others, Arc::new(Others), CancellationToken::new()));
    }
    let start = Start::default();
    let shutdown = start.shutdown.clone();
    let running = quittance_balance::start(&config, bus.clone(), start).await.unwrap();
    let verifier = Verifier::from_config(&config.auth, Mode::Development).unwrap();
    let client = grpc::client(&format!("http://{}", running.addr)).unwrap();
    let explanations = ExplanationServiceClient::new(client.clone());
    let ledger = LedgerServiceClient::new(client.clone());
    let statistics = StatisticsServiceClient::new(client.clone());
    let client = BalanceServiceClient::new(client);
    Service { client, explanations, ledger, statistics, verifier, bus, shutdown, running, _db: db }
}

impl Service {
    pub(crate) fn caller(
        &self,
        organization: OrganizationId,
        member: MemberId,
        role: Role,
    ) -> Caller {
        let mut ctx = ctx(organization, member);
        ctx.principal.roles = Roles::new([role]);
        let token = self.verifier.mint(&ctx.principal, Duration::from_mins(1)).unwrap();
        Caller::new(ctx, &token.into(), None)
    }

    /// The in-process bus confirms what every consumer has committed.
    pub(crate) async fn given(&self, events: &[Message]) {
        assert!(self.bus.publish(events).await.is_complete());
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.running.task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_member_reads_their_balance_history_and_payments() {
    for service in services().await {
        reads_of_a_member(service).await;
    }
}

async fn reads_of_a_member(mut service: Service) {
    let (organization, dana, sweep) = (OrganizationId::new(), MemberId::new(), CycleId::new());
    let paid = Work::new(organization, dana, sweep, Severity::High);
    let mut open = Work::new(organization, dana, sweep, Severity::Low);
    open.filed_at += chrono::TimeDelta::seconds(1);
    let draft = Work::new(organization, dana, sweep, Severity::Low);
    service.given(&paid.paid(noon())).await;
    service.given(&[open.issue(1, PayoutStatus::Pending), draft.draft(1)]).await;
    service.given(&[cycle(organization, sweep, 1, "Sweep", RATES)]).await;
    let caller = service.caller(organization, dana, Role::Member);

    let balance = service.client.get_balance(caller.request(GetBalanceRequest::default())).await;
    let balance = balance.unwrap().into_inner();
    assert_eq!((balance.filed_count, balance.accepted_count, balance.awaiting_count), (2, 1, 1));
    assert_eq!(balance.totals[0].earned_minor, 800_000);
    assert_eq!(balance.totals[0].awaiting_minor, 100_000);
    assert!(balance.as_of.is_some());

    let request = ListHistoryRequest { page_size: 1, ..Default::default() };
    let first = service.client.list_history(caller.request(request.clone())).await;
    let first = first.unwrap().into_inner();
    assert_eq!(first.lines[0].issue_id, open.issue.to_string());
    assert_eq!(first.lines[0].payout_status(), common::PayoutStatus::Pending);
    let next = ListHistoryRequest { page_token: first.next_page_token.clone(), ..request.clone() };
    let second = service.client.list_history(caller.request(next.clone())).await;
    let second = second.unwrap().into_inner();
    assert_eq!(second.next_page_token, "");
    let line = &second.lines[0];
    assert_eq!((line.title.as_str(), line.cycle_name.as_str()), (paid.title.as_str(), "Sweep"));
    assert_eq!(line.payout_status(), common::PayoutStatus::Paid);
    assert_eq!(line.amount.as_ref().map(|amount| amount.minor_units), Some(800_000));
    assert_eq!((line.method(), line.reference.as_str()), (common::Method::Kaspi, "KASPI-1"));
    assert_eq!(line.rule, "default rate, high");
    let elsewhere = ListHistoryRequest { cycle_id: CycleId::new().to_string(), ..next };
    let refused = service.client.list_history(caller.request(elsewhere)).await.unwrap_err();
    assert_eq!(read(&refused).reason, "PAGE_TOKEN_INVALID");

    let of_cycle = ListHistoryRequest { cycle_id: sweep.to_string(), ..Default::default() };
    let all = service.client.list_history(caller.request(of_cycle)).await.unwrap().into_inner();
    assert_eq!((all.lines.len(), all.next_page_token.as_str()), (2, ""));

    let export = ExportPaymentsRequest { trailer: true, ..Default::default() };
    let mut chunks =
        service.client.export_payments(caller.request(export)).await.unwrap().into_inner();
    let mut file = Vec::new();
    while let Some(chunk) = chunks.message().await.unwrap() {
        file.extend(chunk.chunk);
    }
    let file = String::from_utf8(file).unwrap();
    assert!(
        file.contains("Sweep,Payment fails on mobile Safari,high,8000.00,KZT,kaspi,KASPI-1\r\n")
    );
    assert!(file.contains("\r\n# rows: 1\r\n# sum KZT: 8000.00\r\n# sha256: "));
    service.stop().await;
}

#[tokio::test]
async fn totals_are_for_those_who_run_the_organization() {
    for service in services().await {
        totals_of_an_organization(service).await;
    }
}

async fn totals_of_an_organization(mut service: Service) {
    let (organization, sweep) = (OrganizationId::new(), CycleId::new());
    let (aibek, nazira) = (MemberId::new(), MemberId::new());
    let of = |who, severity| Work::new(organization, who, sweep, severity);
    let voided = of(nazira, Severity::Medium);
    service.given(&[member(organization, aibek, 1, "Aibek")]).await;
    service.given(&of(aibek, Severity::Critical).paid(noon())).await;
    service.given(&of(nazira, Severity::High).paid(noon())).await;
    service.given(&voided.paid(noon())).await;
    let at = Some(noon());
    service.given(&[voided.earning(3, PayoutStatus::Void, at, noon())]).await;
    service.given(&[of(nazira, Severity::Low).issue(2, PayoutStatus::Approved)]).await;

    let admin = service.caller(organization, aibek, Role::Admin);
    let request = || GetOrganizationTotalsRequest {};
    let totals = service.client.get_organization_totals(admin.request(request())).await;
    let totals = totals.unwrap().into_inner();
    let first = |totals: &[common::Total]| {
        let money = totals[0].amount.clone().unwrap();
        (totals.len(), money.currency_code, money.minor_units, totals[0].count)
    };
    assert_eq!(first(&totals.paid_lifetime), (1, "KZT".into(), 2_300_000, 2));
    assert_eq!(first(&totals.approved_unpaid), (1, "KZT".into(), 100_000, 1));
    assert_eq!(first(&totals.voided), (1, "KZT".into(), 300_000, 1));
    let top = totals.top_earner.unwrap();
    assert_eq!((top.member_id, top.name), (aibek.to_string(), "Aibek".into()));
    assert_eq!(top.earned.unwrap().minor_units, 1_500_000);

    let outsider = service.caller(OrganizationId::new(), aibek, Role::Admin);
    let totals = service.client.get_organization_totals(outsider.request(request())).await;
    let totals = totals.unwrap().into_inner();
    assert_eq!((totals.paid_lifetime.len(), totals.top_earner), (0, None));

    for role in [Role::Member, Role::Lead, Role::PlatformAdmin, Role::Service] {
        let caller = service.caller(organization, aibek, role);
        let refused = service.client.get_organization_totals(caller.request(request())).await;
        assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    }
    service.stop().await;
}
