use quittance_chassis::grpc::{caller, detached};
use quittance_proto::issues::v1 as proto;
use quittance_proto::issues::v1::webhook_service_server::WebhookService;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::convert;
use super::once::Once;
use crate::app::{Issues, NewEndpoint, Paging};
use crate::domain::text::FieldError;
use crate::domain::webhook::{Endpoint, EndpointPatch};
use crate::error::Error;
use crate::store::delivery::{Delivery, State};

fn id(field: &str, text: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(text).map_err(|_| FieldError::new(field, "must be a UUID").into())
}

fn endpoint(of: &Endpoint) -> proto::Endpoint {
    proto::Endpoint {
        endpoint_id: of.id.to_string(),
        url: of.url.clone(),
        description: of.description.clone(),
        kinds: of.kinds.clone(),
        enabled: of.enabled,
        disabled_reason: of.disabled_reason.clone(),
        failing_since: of.failing_since.map(convert::time),
        create_time: Some(convert::time(of.created_at)),
        update_time: Some(convert::time(of.updated_at)),
        version: of.version,
    }
}

fn delivery(of: &Delivery) -> proto::Delivery {
    let state = match of.state {
        State::Pending => proto::DeliveryState::Pending,
        State::Delivered => proto::DeliveryState::Delivered,
        State::Failed => proto::DeliveryState::Failed,
    };
    proto::Delivery {
        delivery_id: of.id.to_string(),
        event_id: of.event.to_string(),
        kind: of.kind.clone(),
        state: state.into(),
        tries: i32::try_from(of.tries).unwrap_or(i32::MAX),
        next_time: (of.state == State::Pending).then(|| convert::time(of.next_at)),
        create_time: Some(convert::time(of.created_at)),
        deliver_time: of.delivered_at.map(convert::time),
        last_status: i32::try_from(of.last_status).unwrap_or_default(),
        last_error: of.last_error.clone(),
    }
}

#[tonic::async_trait]
impl WebhookService for Issues {
    async fn create_endpoint(
        &self,
        request: Request<proto::CreateEndpointRequest>,
    ) -> Result<Response<proto::CreateEndpointResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let new = NewEndpoint {
            url: message.url.clone(),
            description: message.description.clone(),
            kinds: message.kinds.clone(),
        };
        let once = Once::new(self, &ctx, "CreateEndpoint", message)?;
        detached(once.run(
            |(made, secret): &(Endpoint, SecretString)| proto::CreateEndpointResponse {
                endpoint: Some(endpoint(made)),
                // It stands in the database anyway, to sign with.
                secret: secret.expose_secret().to_owned(),
            },
            move |issues, ctx, answer| {
                let new = new.clone();
                async move { Issues::create_endpoint(&issues, &ctx, &new, answer).await }
            },
        ))
        .await
    }

    async fn list_endpoints(
        &self,
        request: Request<proto::ListEndpointsRequest>,
    ) -> Result<Response<proto::ListEndpointsResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let endpoints = Issues::list_endpoints(self, &ctx).await?;
        let endpoints = endpoints.iter().map(endpoint).collect();
        Ok(Response::new(proto::ListEndpointsResponse { endpoints }))
    }

    async fn get_endpoint(
        &self,
        request: Request<proto::GetEndpointRequest>,
    ) -> Result<Response<proto::GetEndpointResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let id = id("endpoint_id", &request.get_ref().endpoint_id)?;
        let found = Issues::get_endpoint(self, &ctx, id).await?;
        Ok(Response::new(proto::GetEndpointResponse { endpoint: Some(endpoint(&found)) }))
    }

    async fn update_endpoint(
        &self,
        request: Request<proto::UpdateEndpointRequest>,
    ) -> Result<Response<proto::UpdateEndpointResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let id = id("endpoint_id", &message.endpoint_id)?;
        let patch = EndpointPatch {
            version: message.version,
            url: message.url.clone(),
            description: message.description.clone(),
            kinds: message.kinds.clone().map(|list| list.kinds),
            enabled: message.enabled,
        };
        let once = Once::new(self, &ctx, "UpdateEndpoint", message)?;
        detached(once.run(
            |changed| proto::UpdateEndpointResponse { endpoint: Some(endpoint(changed)) },
            move |issues, ctx, answer| {
                let patch = patch.clone();
                async move { Issues::update_endpoint(&issues, &ctx, id, &patch, answer).await }
            },
        ))
        .await
    }

    async fn delete_endpoint(
        &self,
        request: Request<proto::DeleteEndpointRequest>,
    ) -> Result<Response<proto::DeleteEndpointResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let id = id("endpoint_id", &request.get_ref().endpoint_id)?;
        let issues = self.clone();
        detached(async move { Issues::delete_endpoint(&issues, &ctx, id).await }).await?;
        Ok(Response::new(proto::DeleteEndpointResponse {}))
    }

    async fn list_deliveries(
        &self,
        request: Request<proto::ListDeliveriesRequest>,
    ) -> Result<Response<proto::ListDeliveriesResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let message = request.into_inner();
        let id = id("endpoint_id", &message.endpoint_id)?;
        let paging = Paging { size: message.page_size, token: message.page_token };
        let page = Issues::list_deliveries(self, &ctx, id, &paging).await?;
        Ok(Response::new(proto::ListDeliveriesResponse {
            deliveries: page.items.iter().map(delivery).collect(),
            next_page_token: page.next,
        }))
    }

    async fn replay_delivery(
        &self,
        request: Request<proto::ReplayDeliveryRequest>,
    ) -> Result<Response<proto::ReplayDeliveryResponse>, Status> {
        let ctx = caller(&request)?.ctx;
        let proto::ReplayDeliveryRequest { endpoint_id, delivery_id } = request.into_inner();
        let endpoint = id("endpoint_id", &endpoint_id)?;
        let wanted = id("delivery_id", &delivery_id)?;
        let issues = self.clone();
        let work = async move { Issues::replay_delivery(&issues, &ctx, endpoint, wanted).await };
        let delivery = Some(delivery(&detached(work).await?));
        Ok(Response::new(proto::ReplayDeliveryResponse { delivery }))
    }
}
