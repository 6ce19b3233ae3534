//! The services as they are called: parse, ask the use case, reply. Nothing is decided here.

mod access;
mod accounts;
mod approvals;
mod bounty_pay;
mod commissions;
mod convert;
mod holds;
mod jobs;
mod lifecycle;
mod partner_convert;
mod partners;
mod payouts;
mod plan_convert;
mod plans;
mod pre_funds;
mod rails;
mod schedules;

use quittance_chassis::{audit, limited};
use quittance_proto::payouts::v1::approval_service_server::ApprovalServiceServer;
use quittance_proto::payouts::v1::bounty_pay_service_server::BountyPayServiceServer;
use quittance_proto::payouts::v1::commission_service_server::CommissionServiceServer;
use quittance_proto::payouts::v1::escrow_service_server::EscrowServiceServer;
use quittance_proto::payouts::v1::job_service_server::JobServiceServer;
use quittance_proto::payouts::v1::lifecycle_service_server::LifecycleServiceServer;
use quittance_proto::payouts::v1::partner_payout_service_server::PartnerPayoutServiceServer;
use quittance_proto::payouts::v1::payer_service_server::PayerServiceServer;
use quittance_proto::payouts::v1::payout_account_service_server::PayoutAccountServiceServer;
use quittance_proto::payouts::v1::payout_service_server::PayoutServiceServer;
use quittance_proto::payouts::v1::plan_service_server::PlanServiceServer;
use quittance_proto::payouts::v1::pre_fund_service_server::PreFundServiceServer;
use quittance_proto::payouts::v1::profit_share_service_server::ProfitShareServiceServer;
use quittance_proto::payouts::v1::rail_service_server::RailServiceServer;
use quittance_proto::payouts::v1::schedule_service_server::ScheduleServiceServer;
use tonic::service::Routes;

use crate::app::Payouts;

pub use access::ACCESS;
pub(crate) use convert::time as timestamp;
pub(crate) use jobs::wire_run;

/// The services of this process.
pub(crate) fn routes(payouts: Payouts) -> Routes {
    Routes::new(limited!(PayoutServiceServer::new(payouts.clone())))
        .add_service(audit::service(payouts.db().clone()))
        .add_service(limited!(ApprovalServiceServer::new(payouts.clone())))
        .add_service(limited!(JobServiceServer::new(payouts.clone())))
        .add_service(limited!(LifecycleServiceServer::new(payouts.clone())))
        .add_service(limited!(PartnerPayoutServiceServer::new(payouts.clone())))
        .add_service(limited!(PayoutAccountServiceServer::new(payouts.clone())))
        .add_service(limited!(CommissionServiceServer::new(payouts.clone())))
        .add_service(limited!(BountyPayServiceServer::new(payouts.clone())))
        .add_service(limited!(PayerServiceServer::new(payouts.clone())))
        .add_service(limited!(PreFundServiceServer::new(payouts.clone())))
        .add_service(limited!(ProfitShareServiceServer::new(payouts.clone())))
        .add_service(limited!(RailServiceServer::new(payouts.clone())))
        .add_service(limited!(ScheduleServiceServer::new(payouts.clone())))
        .add_service(limited!(EscrowServiceServer::new(payouts.clone())))
        .add_service(limited!(PlanServiceServer::new(payouts)))
}
