use quittance_chassis::clock;
use quittance_chassis::grpc::{REQUEST_ID, caller, detached};
use quittance_proto::issues::v1 as proto;
use quittance_proto::issues::v1::member_service_server::MemberService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::once::Once;
use super::{convert, parse};
use crate::app::{Identity, Issues, MemberPatch, Paging};

#[tonic::async_trait]
impl MemberService for Issues {
    /// The caller is one of our services and of no organization: this is how people get their first
    /// token in development.
    async fn ensure_member(
        &self,
        request: Request<proto::EnsureMemberRequest>,
    ) -> Result<Response<proto::EnsureMemberResponse>, Status> {
        let request_id = request
            .metadata()
            .get(REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|id| (1..=128).contains(&id.len()))
            .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
        let proto::EnsureMemberRequest { email, name, organization, roles } = request.into_inner();
        let identity = Identity { email, name, organization, roles };
        let issues = self.clone();
        let member =
            detached(
                async move { issues.ensure_member(&identity, clock::now(), &request_id).await },
            )
            .await?;
        Ok(Response::new(proto::EnsureMemberResponse { member: Some(convert::member(&member)) }))
    }

    async fn get_member(
        &self,
        request: Request<proto::GetMemberRequest>,
    ) -> Result<Response<proto::GetMemberResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let id = parse::id("member_id", &request.get_ref().member_id)?;
        let member = Issues::get_member(self, &ctx, id).await?;
        Ok(Response::new(proto::GetMemberResponse { member: Some(convert::member(&member)) }))
    }

    async fn list_members(
        &self,
        request: Request<proto::ListMembersRequest>,
    ) -> Result<Response<proto::ListMembersResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::ListMembersRequest { page_size, page_token } = request.into_inner();
        let paging = Paging { size: page_size, token: page_token };
        let page = Issues::list_members(self, &ctx, &paging).await?;
        Ok(Response::new(proto::ListMembersResponse {
            members: page.items.iter().map(convert::member).collect(),
            next_page_token: page.next,
        }))
    }

    async fn update_member(
        &self,
        request: Request<proto::UpdateMemberRequest>,
    ) -> Result<Response<proto::UpdateMemberResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let id = parse::id("member_id", &message.member_id)?;
        let patch = MemberPatch {
            version: message.version,
            name: message.name.clone(),
            roles: message.roles.clone().map(|list| list.roles),
        };
        let once = Once::new(self, &ctx, "UpdateMember", message)?;
        detached(once.run(
            |member| proto::UpdateMemberResponse { member: Some(convert::member(member)) },
            move |issues, ctx, answer| {
                let patch = patch.clone();
                async move { Issues::update_member(&issues, &ctx, id, patch, answer).await }
            },
        ))
        .await
    }

    async fn list_member_cycles(
        &self,
        request: Request<proto::ListMemberCyclesRequest>,
    ) -> Result<Response<proto::ListMemberCyclesResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let id = parse::id("member_id", &message.member_id)?;
        let paging = Paging { size: message.page_size, token: message.page_token };
        let page = self.member_cycles(&ctx, id, &paging).await?;
        Ok(Response::new(proto::ListMemberCyclesResponse {
            cycles: page.items.iter().map(|cycle| convert::member_cycle(cycle, id)).collect(),
            next_page_token: page.next,
        }))
    }

    async fn assign_member(
        &self,
        request: Request<proto::AssignMemberRequest>,
    ) -> Result<Response<proto::AssignMemberResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::AssignMemberRequest { cycle_id, member_id, lead } = request.into_inner();
        let (cycle, member) =
            (parse::id("cycle_id", &cycle_id)?, parse::id("member_id", &member_id)?);
        let issues = self.clone();
        let work =
            async move { Issues::assign_member(&issues, &ctx, cycle, member, Some(lead)).await };
        let cycle = convert::member_cycle(&detached(work).await?, member);
        Ok(Response::new(proto::AssignMemberResponse { cycle: Some(cycle) }))
    }

    async fn unassign_member(
        &self,
        request: Request<proto::UnassignMemberRequest>,
    ) -> Result<Response<proto::UnassignMemberResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::UnassignMemberRequest { cycle_id, member_id } = request.into_inner();
        let (cycle, member) =
            (parse::id("cycle_id", &cycle_id)?, parse::id("member_id", &member_id)?);
        let issues = self.clone();
        detached(async move { Issues::assign_member(&issues, &ctx, cycle, member, None).await })
            .await?;
        Ok(Response::new(proto::UnassignMemberResponse {}))
    }
}
