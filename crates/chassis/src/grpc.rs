//! The edge of a service: what stands between the network and the handlers, on both sides.

mod access;
pub mod caller;
pub mod client;
mod deadline;
mod edge;
mod metered;
pub mod server;
mod tls;

pub use access::{Access, is_read_only};
pub use caller::{Caller, caller, detached};
pub use client::{Client, ClientError, channel, client, secured, secured_channel};
pub use edge::Standing;
pub use server::GrpcServer;

/// The longest message that a server reads.
pub const MAX_DECODE: usize = 4 * 1024 * 1024;

/// The longest message that a server writes and a client reads.
pub const MAX_ENCODE: usize = 16 * 1024 * 1024;

/// Metadata that ties log lines, audit rows and answers of one request together.
pub const REQUEST_ID: &str = "x-request-id";

/// Metadata by which a caller says that a write may be repeated: it carries a request id that the
/// service deduplicates.
pub const IDEMPOTENT: &str = "x-idempotent";

/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// Sets the limits of this crate on a generated server, and lets it read gzip.
#[macro_export]
macro_rules! limited {
    ($server:expr) => {
        $server
            .max_decoding_message_size($crate::grpc::MAX_DECODE)
            .max_encoding_message_size($crate::grpc::MAX_ENCODE)
            .accept_compressed(::tonic::codec::CompressionEncoding::Gzip)
    };
}

#[cfg(test)]
mod tests;
