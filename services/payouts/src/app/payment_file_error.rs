//! What a caller may know of a payment file that was not written.

use std::collections::HashMap;

use tonic::Code;

use crate::domain::payment_file::PaymentFileError;

impl PaymentFileError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Field { .. } | Self::Method(_) => Code::InvalidArgument,
            Self::State(_) | Self::Empty | Self::NoAccount(_) => Code::FailedPrecondition,
            Self::TooLarge | Self::OutOfRange => Code::OutOfRange,
        }
    }

    /// Stable, and part of the API.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Field { .. } => "INVALID_FIELD",
            Self::Method(_) => "METHOD_NOT_ALLOWED",
            Self::State(_) => "PLAN_NOT_OPEN",
            Self::Empty => "PAYMENT_FILE_EMPTY",
            Self::NoAccount(_) => "PAYEE_WITHOUT_ACCOUNT",
            Self::TooLarge => "PAYMENT_FILE_TOO_LARGE",
            Self::OutOfRange => "AMOUNT_OUT_OF_RANGE",
        }
    }

    pub(super) fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::Field { field, detail } => vec![((*field).to_owned(), (*detail).to_owned())],
            Self::Method(_)
            | Self::State(_)
            | Self::Empty
            | Self::NoAccount(_)
            | Self::TooLarge
            | Self::OutOfRange => vec![],
        }
    }

    pub(super) fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::NoAccount(_) => HashMap::from([("member_ids".to_owned(), self.named())]),
            Self::State(state) => HashMap::from([("state".to_owned(), (*state).to_owned())]),
            Self::Field { .. }
            | Self::Method(_)
            | Self::Empty
            | Self::TooLarge
            | Self::OutOfRange => HashMap::new(),
        }
    }
}
