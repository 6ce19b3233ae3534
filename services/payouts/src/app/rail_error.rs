//! What a caller may know of a rail that did nothing.

use tonic::Code;

use crate::domain::rail::RailError;

impl RailError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::BatchNotFound(_) => Code::NotFound,
            Self::Account(_) => Code::InvalidArgument,
            Self::NotOnboarded(_) | Self::NoLongerOwed => Code::FailedPrecondition,
        }
    }

    /// Stable, and part of the API.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::BatchNotFound(_) => "BATCH_NOT_FOUND",
            Self::Account(_) => "INVALID_FIELD",
            Self::NotOnboarded(_) => "PAYEE_NOT_ONBOARDED",
            Self::NoLongerOwed => "NO_LONGER_OWED",
        }
    }

    pub(super) fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::Account(detail) => vec![("account_id".to_owned(), (*detail).to_owned())],
            Self::BatchNotFound(_) | Self::NotOnboarded(_) | Self::NoLongerOwed => vec![],
        }
    }
}
