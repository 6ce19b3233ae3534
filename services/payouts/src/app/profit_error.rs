//! What a caller may know of a refusal about quotes and profits.

use tonic::Code;

use crate::domain::profit::ProfitError;

impl ProfitError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Distributed { .. } => Code::AlreadyExists,
            Self::Field { .. } | Self::Profit => Code::InvalidArgument,
            Self::ProductNotFound(_) | Self::SubmissionNotFound(_) => Code::NotFound,
        }
    }

    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Distributed { .. } => "PERIOD_DISTRIBUTED",
            Self::Field { .. } => "INVALID_FIELD",
            Self::Profit => "INVALID_AMOUNT",
            Self::ProductNotFound(_) => "PRODUCT_NOT_FOUND",
            Self::SubmissionNotFound(_) => "SUBMISSION_NOT_FOUND",
        }
    }

    pub(super) fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::Field { field, detail } => vec![((*field).to_owned(), (*detail).to_owned())],
            Self::Profit => vec![("profit_minor".to_owned(), self.to_string())],
            Self::Distributed { .. } | Self::ProductNotFound(_) | Self::SubmissionNotFound(_) => {
                vec![]
            }
        }
    }
}
