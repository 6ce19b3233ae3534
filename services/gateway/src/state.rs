//! What all requests share: connections to the services, the verifier, limits.

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use opentelemetry::metrics::Histogram;
use quittance_chassis::auth::Verifier;
use quittance_chassis::config::{Config, Mode};
use quittance_chassis::grpc::{Client, MAX_ENCODE, secured, secured_channel};
use quittance_chassis::run::Start;
use quittance_chassis::telemetry;
use quittance_proto::audit::v1::audit_service_client::AuditServiceClient;
use quittance_proto::balance::v1::balance_service_client::BalanceServiceClient;
use quittance_proto::balance::v1::explanation_service_client::ExplanationServiceClient;
use quittance_proto::balance::v1::ledger_service_client::LedgerServiceClient;
use quittance_proto::balance::v1::reconciliation_service_client::ReconciliationServiceClient;
use quittance_proto::balance::v1::statistics_service_client::StatisticsServiceClient;
use quittance_proto::issues::v1::api_key_service_client::ApiKeyServiceClient;
use quittance_proto::issues::v1::attachment_service_client::AttachmentServiceClient;
use quittance_proto::issues::v1::bounty_service_client::BountyServiceClient;
use quittance_proto::issues::v1::cycle_service_client::CycleServiceClient;
use quittance_proto::issues::v1::identity_service_client::IdentityServiceClient;
use quittance_proto::issues::v1::impersonation_service_client::ImpersonationServiceClient;
use quittance_proto::issues::v1::issue_service_client::IssueServiceClient;
use quittance_proto::issues::v1::member_service_client::MemberServiceClient;
use quittance_proto::issues::v1::notification_service_client::NotificationServiceClient;
use quittance_proto::issues::v1::product_service_client::ProductServiceClient;
use quittance_proto::issues::v1::reward_pool_service_client::RewardPoolServiceClient;
use quittance_proto::issues::v1::webhook_service_client::WebhookServiceClient;
use quittance_proto::payouts::v1::approval_service_client::ApprovalServiceClient;
use quittance_proto::payouts::v1::bounty_pay_service_client::BountyPayServiceClient;
use quittance_proto::payouts::v1::commission_service_client::CommissionServiceClient;
use quittance_proto::payouts::v1::escrow_service_client::EscrowServiceClient;
use quittance_proto::payouts::v1::job_service_client::JobServiceClient;
use quittance_proto::payouts::v1::lifecycle_service_client::LifecycleServiceClient;
use quittance_proto::payouts::v1::partner_payout_service_client::PartnerPayoutServiceClient;
use quittance_proto::payouts::v1::payer_service_client::PayerServiceClient;
use quittance_proto::payouts::v1::payment_file_service_client::PaymentFileServiceClient;
use quittance_proto::payouts::v1::payout_account_service_client::PayoutAccountServiceClient;
use quittance_proto::payouts::v1::payout_service_client::PayoutServiceClient;
use quittance_proto::payouts::v1::plan_service_client::PlanServiceClient;
use quittance_proto::payouts::v1::pre_fund_service_client::PreFundServiceClient;
use quittance_proto::payouts::v1::profit_share_service_client::ProfitShareServiceClient;
use quittance_proto::payouts::v1::rail_service_client::RailServiceClient;
use quittance_proto::payouts::v1::schedule_service_client::ScheduleServiceClient;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;

use crate::edge::{MAX_IN_FLIGHT, histogram};
use crate::keys::KeyRing;
use crate::lanes::Lanes;
use crate::limits::Limits;
use crate::oidc::Oidc;

/// Uploads that are under way at once: each may take minutes, and some memory of the service.
const MAX_UPLOADS: usize = 64;

/// The shared state; clones are cheap.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) mode: Mode,
    pub(crate) verifier: Arc<Verifier>,
    /// Where people sign in, if anywhere.
    pub(crate) oidc: Option<Oidc>,
    pub(crate) places: Arc<Semaphore>,
    pub(crate) limits: Limits,
    /// Keys that were looked up a moment ago.
    pub(crate) keys: KeyRing,
    pub(crate) histogram: Histogram<f64>,
    /// Each service with its health.
    pub(crate) health: [(&'static str, HealthClient<Channel>); 3],
    /// Answers `/metrics`.
    pub(crate) metrics: Router,
    /// Cancelled when the gateway is to stop.
    pub(crate) shutdown: CancellationToken,
    /// Connections for streams that stay open, so that they do not take the places of calls.
    pub(crate) lanes: Lanes,
    /// Places for uploads; see [`MAX_UPLOADS`].
    pub(crate) uploads: Arc<Semaphore>,
    issues: Client,
    /// A connection of their own for files, whose bytes would stand before the calls.
    files: Client,
    payouts: Client,
    balance: Client,
}

impl Deref for Gateway {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Gateway {
    /// Prepares everything; connections are made when they are first used.
    pub(crate) fn new(config: &Config, started: &Start) -> anyhow::Result<Self> {
        let tls = &config.tls;
        let health = |name, url: &str| {
            secured_channel(url, tls).map(|channel| (name, HealthClient::new(channel)))
        };
        Ok(Self(Arc::new(Shared {
            mode: config.mode,
            verifier: Verifier::from_config(&config.auth, config.mode)?,
            oidc: Oidc::new(&config.auth.oidc)?,
            places: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            limits: Limits::new(&config.gateway),
            keys: KeyRing::default(),
            histogram: histogram(),
            health: [
                health("issues", &config.issues.url)?,
                health("payouts", &config.payouts.url)?,
                health("balance", &config.balance.url)?,
            ],
            metrics: telemetry::routes(&started.metrics, Vec::new()),
            shutdown: started.shutdown.clone(),
            lanes: Lanes::new(&config.issues.url, tls, config.gateway.max_streams)?,
            uploads: Arc::new(Semaphore::new(MAX_UPLOADS)),
            issues: secured(&config.issues.url, tls)?,
            files: secured(&config.issues.url, tls)?,
            payouts: secured(&config.payouts.url, tls)?,
            balance: secured(&config.balance.url, tls)?,
        })))
    }
}

macro_rules! clients {
    ($($name:ident: $client:ident over $connection:ident),+ $(,)?) => {
        impl Shared {
            $(pub(crate) fn $name(&self) -> $client<Client> {
                $client::new(self.$connection.clone()).max_decoding_message_size(MAX_ENCODE)
            })+
        }
    };
}

clients! {
    members: MemberServiceClient over issues,
    identities: IdentityServiceClient over issues,
    impersonations: ImpersonationServiceClient over issues,
    api_keys: ApiKeyServiceClient over issues,
    webhooks: WebhookServiceClient over issues,
    products: ProductServiceClient over issues,
    cycles: CycleServiceClient over issues,
    issues: IssueServiceClient over issues,
    bounties: BountyServiceClient over issues,
    reward_pools: RewardPoolServiceClient over issues,
    notifications: NotificationServiceClient over issues,
    attachments: AttachmentServiceClient over files,
    payouts: PayoutServiceClient over payouts,
    plans: PlanServiceClient over payouts,
    accounts: PayoutAccountServiceClient over payouts,
    approvals: ApprovalServiceClient over payouts,
    jobs: JobServiceClient over payouts,
    lifecycle: LifecycleServiceClient over payouts,
    bounty_pay: BountyPayServiceClient over payouts,
    payers: PayerServiceClient over payouts,
    pre_funds: PreFundServiceClient over payouts,
    profit_shares: ProfitShareServiceClient over payouts,
    payment_files: PaymentFileServiceClient over payouts,
    rails: RailServiceClient over payouts,
    schedules: ScheduleServiceClient over payouts,
    escrow: EscrowServiceClient over payouts,
    partner_payouts: PartnerPayoutServiceClient over payouts,
    commissions: CommissionServiceClient over payouts,
    issues_audit: AuditServiceClient over issues,
    payouts_audit: AuditServiceClient over payouts,
    balance_audit: AuditServiceClient over balance,
    balance: BalanceServiceClient over balance,
    explanations: ExplanationServiceClient over balance,
    ledger: LedgerServiceClient over balance,
    reconciliations: ReconciliationServiceClient over balance,
    statistics: StatisticsServiceClient over balance,
}
