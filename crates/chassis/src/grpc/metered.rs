//! The end of a call: counted once, whether it was answered, refused or given up.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use tonic::body::Body;
use tonic::{Code, Status};

use super::edge::Flight;

/// Buckets in seconds; the ones of the SDK are made for milliseconds.
const BOUNDARIES: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
    10.0,
];

/// Builds the histogram of calls that this process serves.
pub(super) fn histogram() -> Histogram<f64> {
    opentelemetry::global::meter("quittance")
        .f64_histogram("rpc.server.call.duration")
        .with_unit("s")
        .with_description("Time from the head of a call to the end of its answer")
        .with_boundaries(BOUNDARIES.to_vec())
        .build()
}

/// A call under way. When it is dropped the call is over and is counted.
pub(super) struct Call {
    histogram: Histogram<f64>,
    service: &'static str,
    method: &'static str,
    started: Instant,
    /// Cancelled until something better is known.
    code: Code,
}

impl Call {
    pub(super) fn new(
        histogram: Histogram<f64>,
        service: &'static str,
        method: &'static str,
    ) -> Self {
        Self { histogram, service, method, started: Instant::now(), code: Code::Cancelled }
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn end(&mut self, code: Code) {
        self.code = code;
    }

    /// Takes the code from headers or trailers, if they carry one.
    pub(super) fn observe(&mut self, headers: &HeaderMap) -> Option<Code> {
        let status = Status::from_header_map(headers)?;
        self.code = status.code();
        Some(self.code)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.histogram.record(
            self.started.elapsed().as_secs_f64(),
            &[
                KeyValue::new("rpc.system.name", "grpc"),
                KeyValue::new("service", self.service),
                KeyValue::new("rpc.method", self.method),
                KeyValue::new("rpc.status_code", i64::from(i32::from(self.code))),
            ],
        );
    }
}

/// The body of an answer, which keeps its call in flight until it was sent.
pub(super) struct Metered {
    body: Body,
    call: Call,
    _flight: Arc<Flight>,
}

impl Metered {
    pub(super) fn wrap(body: Body, call: Call, flight: Arc<Flight>) -> Body {
        Body::new(Self { body, call, _flight: flight })
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.call.observe(trailers);
                }
            }
            Poll::Ready(Some(Err(status))) => self.call.end(status.code()),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
