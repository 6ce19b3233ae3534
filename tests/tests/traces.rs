//! Traces leave the processes, and one payment is one trace through all of them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use reqwest::Method;
use system_tests::cluster::{Cluster, SEPARATE};
use system_tests::story::{Shop, batch};
use system_tests::world::{Bus, Store};
use tokio::net::TcpListener;
use tonic::codegen::tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// Which services took part in which trace.
type Traces = Arc<Mutex<HashMap<Vec<u8>, HashSet<String>>>>;

#[derive(Clone, Default)]
struct Collector(Traces);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut traces = self.0.lock().unwrap();
        for spans in request.into_inner().resource_spans {
            let attributes = spans.resource.unwrap_or_default().attributes;
            let name = attributes.into_iter().find(|kv| kv.key == "service.name").unwrap();
            let Some(Value::StringValue(service)) = name.value.unwrap().value else {
                panic!("a service without a name");
            };
            for span in spans.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                // What worked on events of several traces at once is linked to each of them.
                let linked = span.links.into_iter().map(|link| link.trace_id);
                for trace in linked.chain([span.trace_id]) {
                    traces.entry(trace).or_default().insert(service.clone());
                }
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_one_trace_from_the_gateway_over_the_broker_to_the_balance() {
    let collector = Collector::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(collector.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);

    let node = Path::new(env!("CARGO_BIN_EXE_node"));
    let cluster = Cluster::start_with(node, &SEPARATE, Store::Postgres, Bus::RabbitMq, |config| {
        config.telemetry.otlp_endpoint = Some(endpoint);
        config.telemetry.trace_ratio = 1.0;
    })
    .await;
    let shop = Shop::open_at(&cluster.base).await;
    let issues = shop.approved(1).await;
    // Whoever calls may have begun the trace.
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let paid = shop
        .admin
        .request(Method::POST, "/api/admin/payouts/batch-pay")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .json(&batch(&shop.tester, &issues))
        .send()
        .await
        .unwrap();
    assert_eq!(paid.status(), 200);

    let id: Vec<u8> = trace
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let all: HashSet<String> =
        ["gateway", "issues", "payouts", "balance"].map(|name| format!("quittance-{name}")).into();
    let seen = || collector.0.lock().unwrap().get(&id).cloned().unwrap_or_default();
    // Spans leave their process in batches, some seconds apart.
    for _ in 0..300 {
        if seen() == all {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(seen(), all);
    cluster.close().await;
}
