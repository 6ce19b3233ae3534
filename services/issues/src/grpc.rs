//! The gRPC face: parse, call the use case, reply. Nothing is decided here.

mod api_keys;
mod attachments;
mod bounties;
mod bounty_convert;
mod convert;
mod cycles;
mod identity;
mod issues;
mod members;
mod notifications;
mod once;
mod parse;
mod products;
mod triage;
mod verify;
mod webhooks;

use quittance_chassis::{audit, limited, snapshots};
use quittance_proto::issues::v1::api_key_service_server::ApiKeyServiceServer;
use quittance_proto::issues::v1::attachment_service_server::AttachmentServiceServer;
use quittance_proto::issues::v1::bounty_service_server::BountyServiceServer;
use quittance_proto::issues::v1::cycle_service_server::CycleServiceServer;
use quittance_proto::issues::v1::identity_service_server::IdentityServiceServer;
use quittance_proto::issues::v1::impersonation_service_server::ImpersonationServiceServer;
use quittance_proto::issues::v1::issue_service_server::IssueServiceServer;
use quittance_proto::issues::v1::member_service_server::MemberServiceServer;
use quittance_proto::issues::v1::notification_service_server::NotificationServiceServer;
use quittance_proto::issues::v1::product_service_server::ProductServiceServer;
use quittance_proto::issues::v1::reward_pool_service_server::RewardPoolServiceServer;
use quittance_proto::issues::v1::webhook_service_server::WebhookServiceServer;
use tonic::service::Routes;

use crate::app::Issues;

/// All services of this crate.
#[must_use]
pub fn routes(issues: &Issues) -> Routes {
    Routes::new(limited!(MemberServiceServer::new(issues.clone())))
        .add_service(limited!(ProductServiceServer::new(issues.clone())))
        .add_service(limited!(CycleServiceServer::new(issues.clone())))
        .add_service(limited!(IssueServiceServer::new(issues.clone())))
        .add_service(limited!(NotificationServiceServer::new(issues.clone())))
        .add_service(limited!(IdentityServiceServer::new(issues.clone())))
        .add_service(limited!(ImpersonationServiceServer::new(issues.clone())))
        .add_service(limited!(ApiKeyServiceServer::new(issues.clone())))
        .add_service(limited!(AttachmentServiceServer::new(issues.clone())))
        .add_service(limited!(BountyServiceServer::new(issues.clone())))
        .add_service(limited!(RewardPoolServiceServer::new(issues.clone())))
        .add_service(limited!(WebhookServiceServer::new(issues.clone())))
        .add_service(audit::service(issues.db().clone()))
        .add_service(snapshots::service(issues.clone()))
}
