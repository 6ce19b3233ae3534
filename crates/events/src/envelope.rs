//! The CloudEvents 1.0 envelope in its JSON format, written once and published byte for byte.

use quittance_kernel::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Payload;

pub const SPEC_VERSION: &str = "1.0";

/// A CloudEvent. Attribute names are those of the specification, extensions are lower case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope<T> {
    pub specversion: String,
    /// The outbox id; a consumer that has seen it has seen the event.
    pub id: Uuid,
    /// The service that speaks, such as `/quittance/issues`.
    pub source: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the entity that the payload describes.
    pub subject: Uuid,
    pub time: Timestamp,
    pub datacontenttype: String,
    pub dataschema: String,
    /// Extension: the tenant.
    pub organizationid: Uuid,
    /// Extension: W3C trace context of the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    pub data: T,
}

/// The bytes were not an event of the expected payload.
#[derive(Debug)]
pub struct DecodeError(serde_json::Error);

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not an event of the expected form")
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl<T: Payload> Envelope<T> {
    /// Wraps a payload. `service` is the name of the publisher, such as `issues`.
    #[must_use]
    pub fn new(
        id: Uuid,
        service: &str,
        kind: &str,
        organization: Uuid,
        time: Timestamp,
        traceparent: Option<String>,
        data: T,
    ) -> Self {
        Self {
            specversion: SPEC_VERSION.to_owned(),
            id,
            source: format!("/quittance/{service}"),
            kind: kind.to_owned(),
            subject: data.subject(),
            time,
            datacontenttype: "application/json".to_owned(),
            dataschema: format!("urn:quittance:schema:{}:v1", T::SCHEMA),
            organizationid: organization,
            traceparent,
            data,
        }
    }
}

/// Writes an event as JSON. Payloads are plain structs, which cannot fail to be written.
#[must_use]
pub fn encode<T: Payload>(envelope: &Envelope<T>) -> String {
    serde_json::to_string(envelope).unwrap_or_default()
}

/// Reads an event whose payload is expected to be a `T`.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<Envelope<T>, DecodeError> {
    serde_json::from_slice(body).map_err(DecodeError)
}
