//! Shapes that several resources share.

use chrono::{DateTime, Utc};
use quittance_proto::common::v1 as common;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// Identifies a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = "uuid")]
pub(crate) struct Id(String);

impl Id {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// Reads an id that may be missing.
    pub(crate) fn optional(text: String) -> Option<Self> {
        some(text).map(Self)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Takes the empty text, with which protobuf says "none", for none.
pub(crate) fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub(crate) fn ids(texts: Vec<String>) -> Vec<Id> {
    texts.into_iter().map(Id).collect()
}

/// Reads an instant. One that no calendar knows is none.
pub(crate) fn time(stamp: Option<prost_types::Timestamp>) -> Option<DateTime<Utc>> {
    let stamp = stamp?;
    DateTime::from_timestamp(stamp.seconds, u32::try_from(stamp.nanos).ok()?)
}

pub(crate) fn stamp(time: DateTime<Utc>) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

/// An amount in minor units of one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Amount {
    pub(crate) amount_minor: i64,
    /// ISO 4217.
    #[schema(example = "KZT")]
    pub(crate) currency: String,
}

impl From<common::Money> for Amount {
    fn from(money: common::Money) -> Self {
        Self { amount_minor: money.minor_units, currency: money.currency_code }
    }
}

/// A sum over several amounts of one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Total {
    #[schema(example = "KZT")]
    pub(crate) currency: String,
    pub(crate) amount_minor: i64,
    pub(crate) count: i64,
}

impl From<common::Total> for Total {
    fn from(total: common::Total) -> Self {
        let money = total.amount.unwrap_or_default();
        Self { currency: money.currency_code, amount_minor: money.minor_units, count: total.count }
    }
}

pub(crate) fn totals(totals: Vec<common::Total>) -> Vec<Total> {
    totals.into_iter().map(Total::from).collect()
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Give it as `pageToken` to read on; null at the end.
    pub(crate) next_page_token: Option<String>,
}

impl<T> Page<T> {
    pub(crate) fn of<W: Into<T>>(items: Vec<W>, next_page_token: String) -> Self {
        Self {
            items: items.into_iter().map(Into::into).collect(),
            next_page_token: some(next_page_token),
        }
    }
}

/// A field of a change: not there, there and null, or there with a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Patch<T> {
    #[default]
    Absent,
    Null,
    Value(T),
}

/// Needs `#[serde(default)]` at the field, which is what tells "not there" from null.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Self::Null, Self::Value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Change {
        #[serde(default)]
        gate: Patch<bool>,
    }

    #[test]
    fn absent_null_and_false_are_three_things() {
        let read = |text| serde_json::from_str::<Change>(text).unwrap().gate;
        assert_eq!(read("{}"), Patch::Absent);
        assert_eq!(read(r#"{"gate":null}"#), Patch::Null);
        assert_eq!(read(r#"{"gate":false}"#), Patch::Value(false));
        assert!(serde_json::from_str::<Change>(r#"{"gate":"no"}"#).is_err());
    }

    #[test]
    fn times_read_back() {
        let noon = "2026-05-08T10:00:00.000123Z".parse().unwrap();
        assert_eq!(time(Some(stamp(noon))), Some(noon));
        assert_eq!(serde_json::to_value(noon).unwrap(), "2026-05-08T10:00:00.000123Z");
        assert_eq!(time(None), None);
    }
}
