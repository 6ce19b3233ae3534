//! Logs, traces and metrics of a process.

mod probes;

use std::io::IsTerminal as _;
use std::time::Duration;

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{Config, LogFormat};
use crate::problem::chain;

pub use probes::{Readiness, observe, routes};

/// How long the last spans and figures may take to leave the process.
const FLUSH: Duration = Duration::from_secs(3);

/// Keeps telemetry going; when it is dropped, what is still held is sent.
pub struct Guard {
    registry: prometheus::Registry,
    meters: SdkMeterProvider,
    tracers: Option<SdkTracerProvider>,
}

impl Guard {
    /// Returns what `/metrics` shows.
    #[must_use]
    pub fn registry(&self) -> &prometheus::Registry {
        &self.registry
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.meters.shutdown_with_timeout(FLUSH);
        if let Some(tracers) = &self.tracers {
            let _ = tracers.shutdown_with_timeout(FLUSH);
        }
    }
}

/// Starts logs, traces and metrics. A part that cannot be started is reported and left out: money
/// moves without a collector too. Must be called within a runtime.
pub fn init(config: &Config, service: &'static str) -> Guard {
    let mut complaints = Vec::new();
    let filter = EnvFilter::try_new(&config.log.level).unwrap_or_else(|error| {
        complaints.push(format!("log.level: {error}"));
        EnvFilter::new("info")
    });
    let resource = Resource::builder().with_service_name(service).build();
    let tracers = config.telemetry.otlp_endpoint.as_deref().and_then(|endpoint| {
        tracers(endpoint, config.telemetry.trace_ratio, resource.clone())
            .map_err(|error| complaints.push(format!("traces: {}", chain(&error))))
            .ok()
    });
    let exported = tracers
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("quittance")));
    let started = tracing_subscriber::registry()
        .with(lines(config.log.format))
        .with(exported)
        .with(filter)
        .try_init();
    if let Err(error) = started {
        complaints.push(format!("logs: {error}"));
    }
    let registry = prometheus::Registry::new();
    let meters = meters(config, &registry, resource, &mut complaints);
    opentelemetry::global::set_meter_provider(meters.clone());
    log_panics();
    for complaint in complaints {
        tracing::warn!(complaint, "telemetry is incomplete");
    }
    Guard { registry, meters, tracers }
}

fn lines(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    // Standard output belongs to what a command prints.
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Pretty => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    }
}

fn tracers(
    endpoint: &str,
    ratio: f64,
    resource: Resource,
) -> Result<SdkTracerProvider, opentelemetry_otlp::ExporterBuildError> {
    let exporter =
        opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    // Whoever began a trace has decided whether it is kept.
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(sampler)
        .with_resource(resource)
        .build())
}

fn meters(
    config: &Config,
    registry: &prometheus::Registry,
    resource: Resource,
    complaints: &mut Vec<String>,
) -> SdkMeterProvider {
    let mut meters = SdkMeterProvider::builder().with_resource(resource);
    let scraped = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .build();
    match scraped {
        Ok(reader) => meters = meters.with_reader(reader),
        Err(error) => complaints.push(format!("metrics: {}", chain(&error))),
    }
    if let Some(endpoint) = &config.telemetry.otlp_endpoint {
        let pushed = opentelemetry_otlp::MetricExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build();
        match pushed {
            Ok(exporter) => meters = meters.with_periodic_exporter(exporter),
            Err(error) => complaints.push(format!("metrics: {}", chain(&error))),
        }
    }
    meters.build()
}

/// Sends panics where the other errors are.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("not a text");
        tracing::error!(message, place, "panic");
    }));
}

/// Returns the W3C `traceparent` of the current span, if it belongs to a trace.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    let mut carrier = Outgoing(None);
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.0
}

/// Makes a span the child of the span that a `traceparent` names. Call before entering the span.
/// What cannot be read is ignored: a trace is not worth an error.
pub fn set_parent(span: &Span, traceparent: &str) {
    let parent = TraceContextPropagator::new().extract(&Incoming(traceparent));
    let _ = span.set_parent(parent);
}

struct Outgoing(Option<String>);

impl Injector for Outgoing {
    fn set(&mut self, key: &str, value: String) {
        if key == "traceparent" {
            self.0 = Some(value);
        }
    }
}

struct Incoming<'a>(&'a str);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_goes_through() {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("call");
            set_parent(&span, PARENT);
            let traceparent = span.in_scope(current_traceparent).unwrap();
            assert_eq!(traceparent[..36], PARENT[..36], "same trace");
            assert_ne!(traceparent, PARENT, "own span");
        });
    }

    #[test]
    fn without_a_trace_there_is_nothing_to_hand_on() {
        let span = tracing::info_span!("call");
        set_parent(&span, "nonsense");
        assert_eq!(span.in_scope(current_traceparent), None);
    }
}
