use quittance_chassis::grpc::{caller, detached};
use quittance_proto::issues::v1 as proto;
use quittance_proto::issues::v1::identity_service_server::IdentityService;
use quittance_proto::issues::v1::impersonation_service_server::ImpersonationService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{convert, parse};
use crate::app::{Issues, Logged, Looked, Paging};
use crate::domain::identity::ExternalIdentity;
use crate::domain::impersonation::Impersonation;
use crate::domain::text::{FieldError, email, line};
use crate::error::Error;

/// Issuers and subjects (`OpenID` Connect Core, 2: a subject has at most 255 characters).
const MAX_CLAIM: usize = 255;

fn external(message: &proto::SignInRequest) -> Result<ExternalIdentity, Error> {
    let address = message.email.as_str();
    Ok(ExternalIdentity {
        organization: parse::id("organization_id", &message.organization_id)?,
        issuer: line("issuer", &message.issuer, MAX_CLAIM)?,
        subject: line("subject", &message.subject, MAX_CLAIM)?,
        email: if address.is_empty() { String::new() } else { email("email", address)? },
        email_verified: message.email_verified,
    })
}

fn id(text: &str) -> Result<Uuid, Error> {
    let refused = |_| FieldError::new("impersonation_id", "must be a UUID");
    Ok(Uuid::try_parse(text).map_err(refused)?)
}

fn impersonation(of: &Impersonation) -> proto::Impersonation {
    proto::Impersonation {
        impersonation_id: of.id.to_string(),
        admin_id: of.admin.to_string(),
        member_id: of.member.to_string(),
        reason: of.reason.clone(),
        start_time: Some(convert::time(of.started_at)),
        expire_time: Some(convert::time(of.expires_at)),
        end_time: of.ended_at.map(convert::time),
        ..proto::Impersonation::default()
    }
}

fn logged(of: &Logged) -> proto::Impersonation {
    proto::Impersonation {
        admin_name: of.admin_name.clone(),
        member_name: of.member_name.clone(),
        reads: of.reads,
        refusals: of.refusals,
        ..impersonation(&of.impersonation)
    }
}

#[tonic::async_trait]
impl IdentityService for Issues {
    async fn sign_in(
        &self,
        request: Request<proto::SignInRequest>,
    ) -> Result<Response<proto::SignInResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let identity = external(request.get_ref())?;
        let issues = self.clone();
        let work = async move { Issues::sign_in(&issues, &ctx, &identity).await };
        let (member, linked) = detached(work).await?;
        let member = Some(convert::member(&member));
        Ok(Response::new(proto::SignInResponse { member, linked }))
    }
}

#[tonic::async_trait]
impl ImpersonationService for Issues {
    async fn start_impersonation(
        &self,
        request: Request<proto::StartImpersonationRequest>,
    ) -> Result<Response<proto::StartImpersonationResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::StartImpersonationRequest { member_id, reason } = request.into_inner();
        let member = parse::id("member_id", &member_id)?;
        let issues = self.clone();
        let work = async move { Issues::start_impersonation(&issues, &ctx, member, &reason).await };
        let (begun, member) = detached(work).await?;
        Ok(Response::new(proto::StartImpersonationResponse {
            impersonation: Some(impersonation(&begun)),
            member: Some(convert::member(&member)),
        }))
    }

    async fn end_impersonation(
        &self,
        request: Request<proto::EndImpersonationRequest>,
    ) -> Result<Response<proto::EndImpersonationResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let text = request.into_inner().impersonation_id;
        let only = if text.is_empty() { None } else { Some(id(&text)?) };
        let issues = self.clone();
        let work = async move { Issues::end_impersonation(&issues, &ctx, only).await };
        let ended = i32::try_from(detached(work).await?).unwrap_or(i32::MAX);
        Ok(Response::new(proto::EndImpersonationResponse { ended }))
    }

    async fn note_impersonation(
        &self,
        request: Request<proto::NoteImpersonationRequest>,
    ) -> Result<Response<proto::NoteImpersonationResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let id = id(&message.impersonation_id)?;
        let proto::NoteImpersonationRequest { method, path, refused, .. } = message;
        let looked = Looked { method, path, refused };
        let issues = self.clone();
        let work = async move { Issues::note_impersonation(&issues, &ctx, id, &looked).await };
        let impersonation = Some(logged(&detached(work).await?));
        Ok(Response::new(proto::NoteImpersonationResponse { impersonation }))
    }

    async fn list_impersonations(
        &self,
        request: Request<proto::ListImpersonationsRequest>,
    ) -> Result<Response<proto::ListImpersonationsResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::ListImpersonationsRequest { page_size, page_token } = request.into_inner();
        let paging = Paging { size: page_size, token: page_token };
        let page = Issues::list_impersonations(self, &ctx, &paging).await?;
        Ok(Response::new(proto::ListImpersonationsResponse {
            impersonations: page.items.iter().map(logged).collect(),
            next_page_token: page.next,
        }))
    }
}
