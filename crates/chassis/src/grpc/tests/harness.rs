//! A server whose methods do what the tests need.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quittance_kernel::{MemberId, OrganizationId, Principal, Role, Roles};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::auth::Verifier;
use crate::config::{self, Mode};
use crate::grpc::{Access, Client, GrpcServer, caller, client, detached};

pub(super) const GET: &str = "/quittance.test.v1.TestService/GetThing";
pub(super) const PUT: &str = "/quittance.test.v1.TestService/PutThing";
pub(super) const HIDDEN: &str = "/quittance.test.v1.TestService/GetHidden";

const ACCESS: Access = &[(GET, &[Role::Member, Role::Admin]), (PUT, &[Role::Admin])];

/// What the handlers of one server share with their test.
#[derive(Default)]
pub(super) struct World {
    /// Calls that reached a handler.
    pub(super) calls: AtomicUsize,
    /// Calls that are still to be answered with UNAVAILABLE.
    pub(super) failing: AtomicUsize,
    /// Told by a handler that waits.
    pub(super) waiting: Notify,
    /// Lets a handler that waits go on.
    pub(super) go: Notify,
    /// Told when detached work was done.
    pub(super) done: Notify,
}

impl World {
    /// Does what the message asks for.
    async fn act(self: Arc<Self>, request: Request<String>) -> Result<Response<String>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let less = |left: usize| left.checked_sub(1);
        if self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(Status::unavailable("not now"));
        }
        let caller = caller(&request)?;
        match request.get_ref().as_str() {
            "panic" => panic!("a handler that panics"),
            "wait" => {
                self.waiting.notify_one();
                self.go.notified().await;
            }
            "detach" => {
                let world = Arc::clone(&self);
                detached(async move {
                    world.waiting.notify_one();
                    world.go.notified().await;
                    world.done.notify_one();
                    Ok::<(), Status>(())
                })
                .await?;
            }
            "detached panic" => {
                detached(async { panic_with::<Result<(), Status>>("detached work") }).await?;
            }
            _ => {}
        }
        let headers = caller.request(()).into_parts().0;
        let has = |name: &str| headers.contains_key(name);
        assert!(has("authorization") && has("grpc-timeout") && has("x-request-id"));
        Ok(Response::new(caller.ctx.request_id))
    }
}

fn panic_with<T>(message: &str) -> T {
    panic!("{message}")
}

/// A server that runs.
pub(super) struct Harness {
    pub(super) world: Arc<World>,
    pub(super) verifier: Arc<Verifier>,
    pub(super) address: SocketAddr,
    pub(super) shutdown: CancellationToken,
    pub(super) task: JoinHandle<anyhow::Result<()>>,
}

impl Harness {
    pub(super) async fn start() -> Self {
        Self::with_limits(config::Grpc::default()).await
    }

    pub(super) async fn with_limits(limits: config::Grpc) -> Self {
        Self::with(limits, config::Tls::default()).await
    }

    pub(super) async fn with(limits: config::Grpc, tls: config::Tls) -> Self {
        let world = Arc::<World>::default();
        let verifier = Verifier::from_config(&config::Auth::default(), Mode::Development).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = GrpcServer::new("test", Arc::clone(&verifier), ACCESS)
            .limits(&limits)
            .tls(&tls)
            .reflection(tonic_health::pb::FILE_DESCRIPTOR_SET);
        let task = tokio::spawn(server.serve(listener, routes(&world), shutdown.clone()));
        Self { world, verifier, address, shutdown, task }
    }

    pub(super) fn client(&self) -> Client {
        client(&format!("http://{}", self.address)).unwrap()
    }

    /// A token of somebody with these roles.
    pub(super) fn token(&self, roles: &[Role], impersonator: Option<MemberId>) -> String {
        let principal = Principal {
            organization: OrganizationId::new(),
            member: MemberId::new(),
            roles: Roles::new(roles.iter().copied()),
            email: None,
            impersonator,
        };
        self.verifier.mint(&principal, Duration::from_mins(10)).unwrap()
    }

    /// A request of an admin.
    pub(super) fn request(&self, message: &str) -> Request<String> {
        authorized(message, &self.token(&[Role::Admin], None))
    }

    pub(super) fn calls(&self) -> usize {
        self.world.calls.load(Ordering::SeqCst)
    }

    /// Stops the server and waits for its end.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// A request with this token.
pub(super) fn authorized(message: &str, token: &str) -> Request<String> {
    let mut request = Request::new(message.to_owned());
    let header = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", header);
    request
}

/// Calls a method.
pub(super) async fn call(
    client: Client,
    path: &'static str,
    request: Request<String>,
) -> Result<String, Status> {
    let mut grpc = tonic::client::Grpc::new(client);
    grpc.ready().await?;
    let codec = ProstCodec::<String, String>::default();
    let answer = grpc.unary(request, PathAndQuery::from_static(path), codec).await?;
    Ok(answer.into_inner())
}

fn routes(world: &Arc<World>) -> Routes {
    let world = Arc::clone(world);
    let handler = move |request: axum::extract::Request| {
        let world = Arc::clone(&world);
        async move { serve(world, request).await }
    };
    let router = [GET, PUT, HIDDEN].into_iter().fold(axum::Router::new(), |router, path| {
        router.route(path, axum::routing::post(handler.clone()))
    });
    Routes::from(router)
}

async fn serve(world: Arc<World>, request: axum::extract::Request) -> http::Response<Body> {
    let act = tower::service_fn(move |request| Arc::clone(&world).act(request));
    let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, String>::default());
    grpc.unary(act, request.map(Body::new)).await
}
