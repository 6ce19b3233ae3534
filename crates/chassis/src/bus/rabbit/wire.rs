//! A message as it looks on the wire: a structured `CloudEvents` document, with the facts that
//! routing and bookkeeping need in the properties, so that a consumer need not parse the body.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, LongString};
use uuid::Uuid;

use super::topology::short;
use crate::bus::{BusError, Message};

const CONTENT_TYPE: &str = "application/cloudevents+json";
/// Survives a restart of the broker.
const PERSISTENT: u8 = 2;
const ORGANIZATION: &str = "organization";
const SUBJECT: &str = "subject";
const TRACEPARENT: &str = "traceparent";

/// Describes a message to the broker.
pub(super) fn properties(message: &Message) -> Result<BasicProperties, BusError> {
    let mut headers = FieldTable::default();
    headers.insert(ORGANIZATION.into(), text(message.organization.to_string()));
    headers.insert(SUBJECT.into(), text(message.subject.to_string()));
    if let Some(traceparent) = &message.traceparent {
        headers.insert(TRACEPARENT.into(), text(traceparent.clone()));
    }
    Ok(BasicProperties::default()
        .with_content_type(short(CONTENT_TYPE)?)
        .with_delivery_mode(PERSISTENT)
        .with_message_id(short(&message.id.to_string())?)
        .with_type(short(&message.kind)?)
        .with_headers(headers))
}

/// Reads a message; `None` if it was not written by [`properties`].
pub(super) fn message(delivery: &Delivery) -> Option<Message> {
    let properties = &delivery.properties;
    let headers = properties.headers().as_ref()?;
    Some(Message {
        id: Uuid::try_parse(properties.message_id().as_ref()?.as_str()).ok()?,
        // A replayed dead letter comes with its queue as the routing key, and keeps its type.
        kind: properties.kind().as_ref()?.as_str().to_owned(),
        organization: Uuid::try_parse(header(headers, ORGANIZATION)?).ok()?,
        subject: Uuid::try_parse(header(headers, SUBJECT)?).ok()?,
        body: Bytes::copy_from_slice(&delivery.data),
        traceparent: header(headers, TRACEPARENT).map(str::to_owned),
    })
}

fn text(text: String) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

fn header<'a>(headers: &'a FieldTable, name: &str) -> Option<&'a str> {
    let value = headers.inner().get(name)?.as_long_string()?;
    std::str::from_utf8(value.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> Message {
        Message {
            id: Uuid::now_v7(),
            kind: "quittance.issues.issue.approved.v1".to_owned(),
            organization: Uuid::now_v7(),
            subject: Uuid::now_v7(),
            body: Bytes::from_static(b"{}"),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        }
    }

    fn delivery(properties: BasicProperties, body: &[u8]) -> Delivery {
        let (exchange, key) = ("quittance.events".into(), "replayed.queue".into());
        let mut delivery = Delivery::mock(1, exchange, key, false, body.to_vec());
        delivery.properties = properties;
        delivery
    }

    #[test]
    fn what_is_sent_is_what_is_received() {
        let sent = sent();
        let delivery = delivery(properties(&sent).unwrap(), &sent.body);
        assert_eq!(message(&delivery), Some(sent));
    }

    #[test]
    fn a_foreign_message_is_not_read() {
        let sent = sent();
        let properties = properties(&sent).unwrap();
        assert_eq!(message(&delivery(BasicProperties::default(), b"{}")), None);
        let unnamed = properties.clone().with_message_id("42".into());
        assert_eq!(message(&delivery(unnamed, b"{}")), None);
        let homeless = properties.with_headers(FieldTable::default());
        assert_eq!(message(&delivery(homeless, b"{}")), None);
    }

    #[test]
    fn a_type_that_does_not_fit_is_an_error_and_no_panic() {
        let sent = Message { kind: "x".repeat(256), ..sent() };
        assert!(matches!(properties(&sent), Err(BusError::Unroutable(_))));
    }
}
