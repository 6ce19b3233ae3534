//! The services as they are called: parse, ask the use case, reply. Nothing is decided here.

mod access;
mod audit;
mod convert;
mod lifecycle;
mod payouts;
mod plan_convert;
mod plans;

use quittance_chassis::limited;
use quittance_proto::payouts::v1::audit_service_server::AuditServiceServer;
use quittance_proto::payouts::v1::lifecycle_service_server::LifecycleServiceServer;
use quittance_proto::payouts::v1::payout_service_server::PayoutServiceServer;
use quittance_proto::payouts::v1::plan_service_server::PlanServiceServer;
use tonic::service::Routes;

use crate::app::Payouts;

pub use access::ACCESS;

/// The services of this process.
pub(crate) fn routes(payouts: Payouts) -> Routes {
    Routes::new(limited!(PayoutServiceServer::new(payouts.clone())))
        .add_service(limited!(AuditServiceServer::new(payouts.clone())))
        .add_service(limited!(LifecycleServiceServer::new(payouts.clone())))
        .add_service(limited!(PlanServiceServer::new(payouts)))
}
