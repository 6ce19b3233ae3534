//! Endpoints, and the queue of what they are to be told.

use bytes::Bytes;
use quittance_chassis::bus::Message;
use quittance_issues::app::{Answer, DeliveryState, NewEndpoint, Paging};
use quittance_issues::domain::webhook::{Endpoint, EndpointPatch};
use quittance_kernel::Ctx;
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use crate::fixture::{World, foreigner, reason, worlds};

async fn endpoint(world: &World, kinds: &[&str]) -> Endpoint {
    let new = NewEndpoint {
        url: "https://example.com/hook".to_owned(),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        ..NewEndpoint::default()
    };
    world.issues.create_endpoint(&world.admin, &new, Answer::forgotten()).await.unwrap().0
}

fn message(of: &Ctx, kind: &str) -> Message {
    Message {
        id: Uuid::now_v7(),
        kind: kind.to_owned(),
        organization: of.organization().0,
        subject: Uuid::now_v7(),
        body: Bytes::from_static(b"{}"),
        traceparent: None,
    }
}

async fn log(world: &World, endpoint: &Endpoint) -> Vec<(String, DeliveryState)> {
    let page = world.issues.list_deliveries(&world.admin, endpoint.id, &Paging::default()).await;
    page.unwrap().items.into_iter().map(|row| (row.kind, row.state)).collect()
}

#[tokio::test]
async fn an_event_is_queued_once_for_each_endpoint_that_wants_it() {
    for world in worlds().await {
        let (all, some) = (endpoint(&world, &[]).await, endpoint(&world, &["payout.*"]).await);
        let spy = foreigner(&world.issues).await;
        let heard = [
            message(&world.admin, "issue.approved"),
            message(&world.admin, "payout.paid"),
            message(&spy, "payout.paid"),
        ];
        // As often as the bus likes, at once and again.
        for _ in 0..3 {
            world.issues.queue_deliveries(&heard).await.unwrap();
        }
        assert_eq!(log(&world, &all).await.len(), 2);
        assert_eq!(log(&world, &some).await, [("payout.paid".to_owned(), DeliveryState::Pending)]);
        assert_eq!(world.count("SELECT count(*) FROM webhook_deliveries").await, 3);
        // Whoever is disabled or gone hears nothing more, and what waits is given up.
        let off = EndpointPatch { enabled: Some(false), ..EndpointPatch::default() };
        world
            .issues
            .update_endpoint(&world.admin, all.id, &off, Answer::forgotten())
            .await
            .unwrap();
        world.issues.delete_endpoint(&world.admin, some.id).await.unwrap();
        let more = [message(&world.admin, "payout.paid")];
        world.issues.queue_deliveries(&more).await.unwrap();
        let given_up = "SELECT count(*) FROM webhook_deliveries WHERE state = 'failed' \
                        AND last_error IN ('the endpoint was disabled', 'the endpoint was removed')";
        assert_eq!(world.count(given_up).await, 3);
        assert_eq!(world.count("SELECT count(*) FROM webhook_deliveries").await, 3);
        let row = world.issues.list_deliveries(&world.admin, all.id, &Paging::default()).await;
        let row = row.unwrap().items.remove(0).id;
        let refused = world.issues.replay_delivery(&world.admin, all.id, row).await;
        assert_eq!(reason(refused), "WEBHOOK_DISABLED");
    }
}

#[tokio::test]
async fn endpoints_belong_to_their_organization_and_their_secret_is_told_once() {
    for world in worlds().await {
        let new = NewEndpoint { url: "https://example.com/x".to_owned(), ..NewEndpoint::default() };
        let (made, secret) =
            world.issues.create_endpoint(&world.admin, &new, Answer::forgotten()).await.unwrap();
        assert!(secret.expose_secret().starts_with("whsec_"));
        let insecure = NewEndpoint { url: "http://example.com/x".to_owned(), ..new.clone() };
        let refused = world
            .issues
            .create_endpoint(&world.admin, &insecure, Answer::forgotten())
            .await
            .map(|_| ());
        assert_eq!(reason(refused), "INVALID_FIELD");
        let spy = foreigner(&world.issues).await;
        let patch = EndpointPatch { version: 9, ..EndpointPatch::default() };
        assert_eq!(reason(world.issues.get_endpoint(&spy, made.id).await), "WEBHOOK_NOT_FOUND");
        let update = world.issues.update_endpoint(&spy, made.id, &patch, Answer::forgotten()).await;
        assert_eq!(reason(update), "WEBHOOK_NOT_FOUND");
        assert_eq!(reason(world.issues.delete_endpoint(&spy, made.id).await), "WEBHOOK_NOT_FOUND");
        assert!(world.issues.list_endpoints(&spy).await.unwrap().is_empty());
        let stale =
            world.issues.update_endpoint(&world.admin, made.id, &patch, Answer::forgotten()).await;
        assert_eq!(reason(stale), "STALE_VERSION");
        let nothing = world.issues.replay_delivery(&world.admin, made.id, Uuid::now_v7()).await;
        assert_eq!(reason(nothing), "DELIVERY_NOT_FOUND");
        // The address may be secret, too: the audit log knows where it leads, and no more.
        let audited = "SELECT count(*) FROM audit_log WHERE action = 'webhook_endpoint.created' \
                       AND after LIKE '%example.com%' AND after NOT LIKE '%/x%'";
        assert_eq!(world.count(audited).await, 1);
        for place in 1..20 {
            let url = format!("https://example.com/{place}");
            let new = NewEndpoint { url, ..NewEndpoint::default() };
            world.issues.create_endpoint(&world.admin, &new, Answer::forgotten()).await.unwrap();
        }
        let full =
            world.issues.create_endpoint(&world.admin, &new, Answer::forgotten()).await.map(|_| ());
        assert_eq!(reason(full), "WEBHOOKS_FULL");
    }
}
