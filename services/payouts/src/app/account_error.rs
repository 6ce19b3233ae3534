//! What a caller may know of a refusal about accounts and minimums.

use tonic::Code;

use crate::domain::account::AccountError;

impl AccountError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Field { .. } | Self::NoAccount(_) | Self::Minimum => Code::InvalidArgument,
            Self::MemberNotFound(_) => Code::NotFound,
        }
    }

    /// Stable, and part of the API.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Field { .. } => "INVALID_FIELD",
            Self::NoAccount(_) => "METHOD_NOT_ALLOWED",
            Self::Minimum => "INVALID_AMOUNT",
            Self::MemberNotFound(_) => "MEMBER_NOT_FOUND",
        }
    }

    pub(super) fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::Field { field, detail } => vec![((*field).to_owned(), (*detail).to_owned())],
            Self::NoAccount(_) => vec![("method".to_owned(), self.to_string())],
            Self::Minimum => {
                vec![("minimum.amount.minor_units".to_owned(), "must not be below zero".to_owned())]
            }
            Self::MemberNotFound(_) => vec![],
        }
    }
}
