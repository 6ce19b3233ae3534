//! What the caller is told, as it happens: server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, StatusCode};
use quittance_chassis::auth::AuthError;
use quittance_chassis::clock::now;
use quittance_proto::issues::v1 as wire;
use tonic::Status;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::{Caller, bearer, refused};
use crate::problem::Problem;
use crate::rest::notifications::Notification;
use crate::state::Gateway;

/// Keeps proxies from closing a stream in which nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long the stream of somebody who views as the member lasts.
const VIEWING: Duration = Duration::from_secs(3);

/// How long the stream of a program with a key lasts.
const BY_KEY: Duration = Duration::from_secs(30);

/// How long a client waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);

/// The last event that a client has received before its stream broke off.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Streams what the caller is told: `id` is the notification's, `event` its kind, `data` the
/// notification as JSON. With `Last-Event-ID` it goes on after that one, otherwise it begins with the
/// next. It ends with the token; a client that comes back misses nothing.
#[utoipa::path(
    get,
    path = "/api/events/stream",
    operation_id = "streamEvents",
    tag = "me",
    params(("Last-Event-ID" = Option<String>, Header, description = "The last event received")),
    responses((status = 200, body = str, content_type = "text/event-stream"))
)]
async fn events(
    caller: Caller,
    State(gateway): State<Gateway>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Not a place among the requests that are worked on: a stream mostly waits, and many that wait
    // must not keep work out.
    let (mut notifications, place) = gateway.lanes.take().ok_or_else(|| {
        let detail = "too many streams at once, try again";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", detail)
    })?;
    let mut left = match caller.key {
        // A key may be revoked at any time.
        Some(_) => BY_KEY,
        None => remaining(&gateway, &headers).await?,
    };
    if caller.viewing.is_some() {
        // The client comes back by itself, and finds out whether the impersonation has ended.
        left = left.min(VIEWING);
    }
    let request = caller.request(wire::StreamNotificationsRequest {
        after_notification_id: last_event(&headers)?.map(|id| id.to_string()).unwrap_or_default(),
    });
    let told = notifications.stream_notifications(request).await?.into_inner();
    let shutdown = gateway.shutdown.clone().cancelled_owned();
    let over = async move {
        tokio::select! {
            () = shutdown => {}
            () = tokio::time::sleep(left) => {}
        }
    };
    let open = Event::default().comment("open").retry(RETRY);
    let written = stream::iter([open]).chain(written(told)).take_until(over);
    let written = written.map(move |event| {
        let _held = &place;
        Ok::<_, Infallible>(event)
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive");
    Ok(Sse::new(written).keep_alive(keep_alive).into_response())
}

/// How long the token is still good.
async fn remaining(gateway: &Gateway, headers: &HeaderMap) -> Result<Duration, Problem> {
    let token = bearer(headers).ok_or_else(|| refused(&AuthError::Missing))?;
    let expiry = gateway.verifier.expiry(&token).await.map_err(|error| refused(&error))?;
    Ok((expiry - now()).to_std().unwrap_or_default())
}

fn last_event(headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or_else(|| Problem::invalid("Last-Event-ID", "must be the id of an event"))
}

/// Writes notifications as they come. A stream that breaks off ends: the client comes back with the
/// last id that it has seen.
fn written<S>(told: S) -> impl Stream<Item = Event>
where
    S: Stream<Item = Result<wire::StreamNotificationsResponse, Status>>,
{
    told.take_while(|reply| {
        if let Err(status) = reply {
            tracing::debug!(%status, "a stream of notifications broke off");
        }
        std::future::ready(reply.is_ok())
    })
    .filter_map(async |reply| event(reply.ok()?.notification?))
}

fn event(notification: wire::Notification) -> Option<Event> {
    let notification = Notification::from(notification);
    let event = Event::default().id(notification.id()).event(&notification.kind);
    event.json_data(&notification).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_stream_goes_on_after_an_id_and_nothing_else() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(LAST_EVENT_ID, HeaderValue::from_static(value));
            last_event(&headers).ok()
        };
        assert_eq!(read(""), Some(None));
        assert!(read("0198c0de-0000-7000-8000-000000000001").flatten().is_some());
        assert_eq!(read("7"), None);
        assert_eq!(last_event(&HeaderMap::new()).unwrap(), None);
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_ends() {
        let told = |id: &str| {
            let notification = wire::Notification {
                notification_id: id.to_owned(),
                ..wire::Notification::default()
            };
            Ok(wire::StreamNotificationsResponse { notification: Some(notification) })
        };
        let replies = [told("a"), Err(Status::unavailable("gone")), told("b")];
        let written: Vec<_> = written(stream::iter(replies)).collect().await;
        assert_eq!(written.len(), 1);
    }
}
