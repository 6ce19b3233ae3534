use quittance_chassis::grpc::{caller, detached};
use quittance_kernel::{Role, Roles};
use quittance_proto::issues::v1 as proto;
use quittance_proto::issues::v1::api_key_service_server::ApiKeyService;
use secrecy::ExposeSecret as _;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::convert;
use crate::app::{Issues, parse_roles};
use crate::domain::api_key::{ApiKey, NewApiKey};
use crate::domain::text::FieldError;
use crate::error::Error;

fn new(message: proto::CreateApiKeyRequest) -> Result<NewApiKey, Error> {
    Ok(NewApiKey {
        roles: parse_roles(&message.roles)?,
        name: message.name,
        read_only: message.read_only,
        days: message.lifetime_days,
    })
}

fn key(of: &ApiKey) -> proto::ApiKey {
    let roles = of.roles.iter().flat_map(Roles::iter);
    proto::ApiKey {
        api_key_id: of.id.to_string(),
        name: of.name.clone(),
        start: of.start.clone(),
        roles: roles.map(Role::as_str).map(str::to_owned).collect(),
        read_only: of.read_only,
        create_time: Some(convert::time(of.created_at)),
        expire_time: Some(convert::time(of.expires_at)),
        revoke_time: of.revoked_at.map(convert::time),
        last_use_time: of.last_used_at.map(convert::time),
        version: of.version,
    }
}

#[tonic::async_trait]
impl ApiKeyService for Issues {
    async fn create_api_key(
        &self,
        request: Request<proto::CreateApiKeyRequest>,
    ) -> Result<Response<proto::CreateApiKeyResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let new = new(request.into_inner())?;
        let issues = self.clone();
        let work = async move { Issues::create_api_key(&issues, &ctx, &new).await };
        let (made, secret) = detached(work).await?;
        Ok(Response::new(proto::CreateApiKeyResponse {
            api_key: Some(key(&made)),
            secret: secret.expose_secret().to_owned(),
        }))
    }

    async fn list_api_keys(
        &self,
        request: Request<proto::ListApiKeysRequest>,
    ) -> Result<Response<proto::ListApiKeysResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let keys = Issues::list_api_keys(self, &ctx).await?;
        let api_keys = keys.iter().map(key).collect();
        Ok(Response::new(proto::ListApiKeysResponse { api_keys }))
    }

    async fn revoke_api_key(
        &self,
        request: Request<proto::RevokeApiKeyRequest>,
    ) -> Result<Response<proto::RevokeApiKeyResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let refused = |_| Error::from(FieldError::new("api_key_id", "must be a UUID"));
        let id = Uuid::try_parse(&request.get_ref().api_key_id).map_err(refused)?;
        let issues = self.clone();
        let work = async move { Issues::revoke_api_key(&issues, &ctx, id).await };
        let api_key = Some(key(&detached(work).await?));
        Ok(Response::new(proto::RevokeApiKeyResponse { api_key }))
    }

    async fn resolve_api_key(
        &self,
        request: Request<proto::ResolveApiKeyRequest>,
    ) -> Result<Response<proto::ResolveApiKeyResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let digest = request.into_inner().digest;
        let issues = self.clone();
        let work = async move { Issues::resolve_api_key(&issues, &ctx, &digest).await };
        let (found, member) = detached(work).await?;
        Ok(Response::new(proto::ResolveApiKeyResponse {
            api_key: Some(key(&found)),
            member: Some(convert::member(&member)),
        }))
    }
}
