use std::sync::Arc;
use std::time::Duration;

use quittance_kernel::{MemberId, Role};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::harness::{GET, HIDDEN, Harness, PUT, authorized, call};
use crate::config;
use crate::grpc::server::DRAIN;
use crate::problem::read;

#[tokio::test]
async fn a_caller_with_the_role_gets_through_with_its_request_id() {
    let server = Harness::start().await;
    let mut request = server.request("hello");
    request.metadata_mut().insert("x-request-id", "req-7".parse().unwrap());
    assert_eq!(call(server.client(), PUT, request).await.unwrap(), "req-7");

    let mut request = server.request("hello");
    request.metadata_mut().insert("x-request-id", "two words".parse().unwrap());
    let made = call(server.client(), GET, request).await.unwrap();
    assert!(uuid::Uuid::parse_str(&made).is_ok(), "{made}");
    server.stop().await;
}

#[tokio::test]
async fn whoever_may_not_call_is_refused_before_the_handler() {
    let server = Harness::start().await;
    let member = server.token(&[Role::Member], None);
    let nobody = server.token(&[], None);
    let viewing = server.token(&[Role::Admin], Some(MemberId::new()));
    for (path, request, code, reason) in [
        (GET, Request::new(String::new()), Code::Unauthenticated, "TOKEN_MISSING"),
        (GET, authorized("", "nonsense"), Code::Unauthenticated, "TOKEN_INVALID"),
        (PUT, authorized("", &member), Code::PermissionDenied, "ROLE_REQUIRED"),
        (GET, authorized("", &nobody), Code::PermissionDenied, "ROLE_REQUIRED"),
        (PUT, authorized("", &viewing), Code::PermissionDenied, "IMPERSONATION_READ_ONLY"),
        (HIDDEN, server.request(""), Code::Unimplemented, "METHOD_UNKNOWN"),
        ("/a.B/GetNothing", server.request(""), Code::Unimplemented, "METHOD_UNKNOWN"),
    ] {
        let refused = call(server.client(), path, request).await.unwrap_err();
        assert_eq!((refused.code(), read(&refused).reason.as_str()), (code, reason), "{path}");
    }
    assert_eq!(server.calls(), 0);
    assert!(call(server.client(), GET, authorized("", &member)).await.is_ok());
    assert!(call(server.client(), GET, authorized("", &viewing)).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn probes_need_no_token() {
    let server = Harness::start().await;
    let mut health = HealthClient::new(server.client());
    for service in ["", "quittance.test.v1.TestService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(
            answer.status(),
            tonic_health::pb::health_check_response::ServingStatus::Serving
        );
    }
    drop(health);
    server.stop().await;
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_server_lives() {
    let server = Harness::start().await;
    for message in ["panic", "detached panic"] {
        let refused = call(server.client(), PUT, server.request(message)).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::Internal, "internal error"));
        assert_eq!(read(&refused).reason, "INTERNAL");
    }
    assert!(call(server.client(), PUT, server.request("hello")).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn a_call_ends_with_its_deadline() {
    let server = Harness::start().await;
    let mut request = server.request("wait");
    request.set_timeout(Duration::from_millis(50));
    let late = call(server.client(), PUT, request).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    server.stop().await;
}

#[tokio::test]
async fn a_call_without_a_deadline_gets_one() {
    let limits = config::Grpc { default_deadline_seconds: 0, ..config::Grpc::default() };
    let server = Harness::with_limits(limits).await;
    let late = call(server.client(), PUT, server.request("wait")).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert_eq!(read(&late).reason, "DEADLINE_EXCEEDED", "said by the server");
    server.stop().await;
}

#[tokio::test]
async fn a_full_server_refuses_and_recovers() {
    let limits = config::Grpc { max_in_flight: 1, ..config::Grpc::default() };
    let server = Harness::with_limits(limits).await;
    let first = tokio::spawn(call(server.client(), PUT, server.request("wait")));
    server.world.waiting.notified().await;

    let refused = call(server.client(), PUT, server.request("hello")).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(read(&refused).reason, "OVERLOADED");

    server.world.go.notify_one();
    first.await.unwrap().unwrap();
    eventually(|| call(server.client(), PUT, server.request("hello"))).await;
    server.stop().await;
}

#[tokio::test]
async fn detached_work_ends_even_if_its_client_goes_away_and_counts_until_then() {
    let limits = config::Grpc { max_in_flight: 1, ..config::Grpc::default() };
    let server = Harness::with_limits(limits).await;
    let first = tokio::spawn(call(server.client(), PUT, server.request("detach")));
    server.world.waiting.notified().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());

    let refused = call(server.client(), PUT, server.request("hello")).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "still under way");
    server.shutdown.cancel();
    server.world.go.notify_one();
    server.world.done.notified().await;
    server.stop().await;
}

#[tokio::test]
async fn a_drain_finishes_what_is_under_way() {
    let server = Harness::start().await;
    let first = tokio::spawn(call(server.client(), PUT, server.request("wait")));
    server.world.waiting.notified().await;
    server.shutdown.cancel();
    // The listener is closed when the drain has begun.
    while tokio::net::TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.task.is_finished());
    server.world.go.notify_one();
    assert!(first.await.unwrap().is_ok());
    server.stop().await;
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut_off() {
    let server = Harness::start().await;
    let world = Arc::clone(&server.world);
    let mut request = server.request("detach");
    request.set_timeout(Duration::from_mins(10));
    let first = tokio::spawn(call(server.client(), PUT, request));
    world.waiting.notified().await;
    first.abort();
    // From here on time passes as fast as nothing else happens.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    server.stop().await;
    let took = begun.elapsed();
    assert!((DRAIN..DRAIN * 2).contains(&took), "{took:?}");
    // What nobody waited for has not been cut short by that.
    world.go.notify_one();
    world.done.notified().await;
}

#[test]
fn generated_servers_take_the_limits() {
    let (_, server) = tonic_health::server::health_reporter();
    let _limited = crate::limited!(server);
}

/// Tries until it works, for a bounded number of times.
async fn eventually<F, T>(mut attempt: impl FnMut() -> F)
where
    F: Future<Output = Result<T, tonic::Status>>,
{
    for _ in 0..200 {
        if attempt().await.is_ok() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never worked");
}
