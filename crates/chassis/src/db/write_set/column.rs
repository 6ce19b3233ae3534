//! The values of one column, and how each database takes them.

use quittance_kernel::Timestamp;
use sea_orm::Value;
use uuid::Uuid;

/// The values of one column.
#[derive(Clone, Debug)]
pub enum Column {
    Uuid(Vec<Uuid>),
    /// The nil UUID stands for NULL.
    OptUuid(Vec<Option<Uuid>>),
    Text(Vec<String>),
    /// The empty text stands for NULL.
    OptText(Vec<Option<String>>),
    I64(Vec<i64>),
    Time(Vec<Timestamp>),
    /// The epoch stands for NULL.
    OptTime(Vec<Option<Timestamp>>),
    /// One value for all rows; the second part is its PostgreSQL type.
    Same(Value, &'static str),
}

impl Column {
    #[must_use]
    pub fn same_uuid(value: Option<Uuid>) -> Self {
        Self::Same(value.into(), "uuid")
    }

    #[must_use]
    pub fn same_text(value: Option<&str>) -> Self {
        Self::Same(value.map(str::to_owned).into(), "text")
    }

    #[must_use]
    pub fn same_time(value: Option<Timestamp>) -> Self {
        Self::Same(value.into(), "timestamptz")
    }

    #[must_use]
    pub fn same_i64(value: Option<i64>) -> Self {
        Self::Same(value.into(), "bigint")
    }

    pub(super) fn postgres_type(&self) -> &'static str {
        match self {
            Self::Uuid(_) | Self::OptUuid(_) => "uuid",
            Self::Text(_) | Self::OptText(_) => "text",
            Self::I64(_) => "bigint",
            Self::Time(_) | Self::OptTime(_) => "timestamptz",
            Self::Same(_, name) => name,
        }
    }

    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Uuid(v) => Some(v.len()),
            Self::OptUuid(v) => Some(v.len()),
            Self::Text(v) => Some(v.len()),
            Self::OptText(v) => Some(v.len()),
            Self::I64(v) => Some(v.len()),
            Self::Time(v) => Some(v.len()),
            Self::OptTime(v) => Some(v.len()),
            Self::Same(..) => None,
        }
    }

    /// All values as one PostgreSQL array. The driver knows no NULL in arrays, hence the stand-ins.
    pub(super) fn into_array(self) -> Value {
        match self {
            Self::Uuid(v) => v.into(),
            Self::OptUuid(v) => {
                v.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().into()
            }
            Self::Text(v) => v.into(),
            Self::OptText(v) => {
                v.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().into()
            }
            Self::I64(v) => v.into(),
            Self::Time(v) => v.into(),
            Self::OptTime(v) => {
                v.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().into()
            }
            Self::Same(value, _) => value,
        }
    }

    /// How a row's value reads when `u.name` is its array element.
    pub(super) fn postgres_expression(&self, name: &str, index: usize) -> String {
        match self {
            Self::OptUuid(_) => {
                format!("NULLIF(u.{name}, '00000000-0000-0000-0000-000000000000'::uuid)")
            }
            Self::OptText(_) => format!("NULLIF(u.{name}, '')"),
            Self::OptTime(_) => format!("NULLIF(u.{name}, 'epoch'::timestamptz)"),
            Self::Same(_, kind) => format!("${index}::{kind}"),
            Self::Uuid(_) | Self::Text(_) | Self::I64(_) | Self::Time(_) => format!("u.{name}"),
        }
    }

    pub(super) fn value_at(&self, row: usize) -> Value {
        match self {
            Self::Uuid(v) => v[row].into(),
            Self::OptUuid(v) => v[row].into(),
            Self::Text(v) => v[row].clone().into(),
            Self::OptText(v) => v[row].clone().into(),
            Self::I64(v) => v[row].into(),
            Self::Time(v) => v[row].into(),
            Self::OptTime(v) => v[row].into(),
            Self::Same(value, _) => value.clone(),
        }
    }
}
