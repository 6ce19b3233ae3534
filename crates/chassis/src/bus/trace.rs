//! Ties the handling of messages to the traces in which they were made.

use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::Message;

/// Opens the span in which a batch is handled. A single message continues its own trace; several
/// can only be linked, because a span has one parent.
pub(super) fn span(queue: &'static str, messages: &[Message]) -> Span {
    let span = tracing::info_span!(
        "bus.handle",
        otel.kind = "consumer",
        messaging.destination.name = queue,
        messaging.batch.message_count = messages.len(),
        messaging.message.id = tracing::field::Empty,
    );
    if let [message] = messages {
        span.record("messaging.message.id", tracing::field::display(message.id));
        if let Some(parent) = context(message) {
            // Refused only when no exporter is installed, and then there is nothing to tie.
            drop(span.set_parent(parent));
        }
    } else {
        for context in messages.iter().filter_map(context) {
            span.add_link(context.span().span_context().clone());
        }
    }
    span
}

fn context(message: &Message) -> Option<Context> {
    let traceparent = message.traceparent.clone()?;
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent)]);
    Some(TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier))
}
