//! The audit service.

use quittance_chassis::grpc::caller;
use quittance_proto::payouts::v1::audit_service_server::AuditService;
use quittance_proto::payouts::v1::{ListAuditEntriesRequest, ListAuditEntriesResponse};
use tonic::{Request, Response, Status};

use super::convert;
use crate::app::Payouts;

#[tonic::async_trait]
impl AuditService for Payouts {
    async fn list_audit_entries(
        &self,
        request: Request<ListAuditEntriesRequest>,
    ) -> Result<Response<ListAuditEntriesResponse>, Status> {
        let caller = caller(&request)?;
        let list = request.into_inner();
        let entity = convert::optional_uuid("entity_id", &list.entity_id)?;
        let (entries, next_page_token) =
            self.audit(&caller.ctx, entity, list.page_size, &list.page_token).await?;
        let entries = entries.into_iter().map(convert::audit_entry).collect();
        Ok(Response::new(ListAuditEntriesResponse { entries, next_page_token }))
    }
}
