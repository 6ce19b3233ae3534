use std::sync::atomic::Ordering;
use std::time::Duration;

use tonic::Code;

use super::harness::{GET, Harness, PUT, call};
use crate::grpc::{ClientError, channel, client};

#[tokio::test]
async fn a_read_is_repeated_and_a_write_is_not() {
    let server = Harness::start().await;
    server.world.failing.store(2, Ordering::SeqCst);
    assert!(call(server.client(), GET, server.request("hello")).await.is_ok());
    assert_eq!(server.calls(), 3);

    server.world.failing.store(1, Ordering::SeqCst);
    let refused = call(server.client(), PUT, server.request("hello")).await.unwrap_err();
    assert_eq!((refused.code(), server.calls()), (Code::Unavailable, 4));
    server.stop().await;
}

#[tokio::test]
async fn a_write_that_says_so_is_repeated() {
    let server = Harness::start().await;
    server.world.failing.store(1, Ordering::SeqCst);
    let mut request = server.request("hello");
    request.metadata_mut().insert("x-idempotent", "1".parse().unwrap());
    assert!(call(server.client(), PUT, request).await.is_ok());
    assert_eq!(server.calls(), 2);
    server.stop().await;
}

#[tokio::test]
async fn other_errors_are_not_repeated() {
    let server = Harness::start().await;
    let refused = call(server.client(), GET, server.request("panic")).await.unwrap_err();
    assert_eq!((refused.code(), server.calls()), (Code::Internal, 1));
    server.stop().await;
}

#[tokio::test]
async fn retries_stop_when_the_budget_is_spent() {
    let server = Harness::start().await;
    server.world.failing.store(usize::MAX, Ordering::SeqCst);
    let client = server.client();
    for _ in 0..30 {
        let refused = call(client.clone(), GET, server.request("hello")).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
    }
    // Ten retries were saved up, and thirty calls earn three more.
    let retries = server.calls() - 30;
    assert!((10..=13).contains(&retries), "{retries} retries");
    server.stop().await;
}

#[tokio::test]
async fn retries_end_with_the_deadline() {
    let server = Harness::start().await;
    server.world.failing.store(usize::MAX, Ordering::SeqCst);
    let mut request = server.request("hello");
    request.set_timeout(Duration::from_secs(5));
    let started = std::time::Instant::now();
    let refused = call(server.client(), GET, request).await.unwrap_err();
    assert_eq!((refused.code(), server.calls()), (Code::Unavailable, 3));
    assert!(started.elapsed() < Duration::from_secs(5));
    server.stop().await;
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let server = Harness::start().await;
    let nobody = client(&format!("http://{address}")).unwrap();
    let refused = call(nobody, GET, server.request("hello")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    server.stop().await;
}

#[tokio::test]
async fn an_address_that_cannot_work_is_refused_at_once() {
    assert!(matches!(channel("https://issues:50051"), Err(ClientError::Tls(_))));
    assert!(matches!(channel("not an address"), Err(ClientError::Address(..))));
}
