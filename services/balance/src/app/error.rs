//! What can go wrong when a balance is read.

use quittance_chassis::problem::Problem;
use quittance_kernel::{MoneyError, PageError};
use sea_orm::DbErr;
use tonic::Code;

use crate::domain::OutOfRange;

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}: {1}")]
    Field(&'static str, &'static str),
    #[error("page size: {0}")]
    PageSize(PageError),
    #[error("page token: {0}")]
    PageToken(PageError),
    #[error("a sum is out of range")]
    OutOfRange,
    #[error("the statement would be too long; ask for a month, or for the export")]
    StatementTooLong,
    #[error("database failure")]
    Database(#[from] DbErr),
}

impl From<PageError> for Error {
    fn from(error: PageError) -> Self {
        match error {
            PageError::NegativeSize => Self::PageSize(error),
            PageError::BadToken => Self::PageToken(error),
        }
    }
}

impl From<OutOfRange> for Error {
    fn from(OutOfRange: OutOfRange) -> Self {
        Self::OutOfRange
    }
}

impl From<MoneyError> for Error {
    fn from(error: MoneyError) -> Self {
        match error {
            MoneyError::OutOfRange
            | MoneyError::NotPositive
            | MoneyError::CurrencyMismatch(..)
            | MoneyError::UnknownCurrency(_) => Self::OutOfRange,
        }
    }
}

impl Problem for Error {
    const DOMAIN: &'static str = "balance";

    fn code(&self) -> Code {
        match self {
            Self::Field(..) | Self::PageSize(_) | Self::PageToken(_) => Code::InvalidArgument,
            Self::OutOfRange | Self::StatementTooLong => Code::OutOfRange,
            Self::Database(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Field(..) | Self::PageSize(_) => "INVALID_FIELD",
            Self::PageToken(_) => "PAGE_TOKEN_INVALID",
            Self::OutOfRange => "AMOUNT_OUT_OF_RANGE",
            Self::StatementTooLong => "STATEMENT_TOO_LONG",
            Self::Database(_) => "INTERNAL",
        }
    }

    fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::Field(field, problem) => vec![((*field).to_owned(), (*problem).to_owned())],
            Self::PageSize(error) => vec![("page_size".to_owned(), error.to_string())],
            Self::PageToken(error) => vec![("page_token".to_owned(), error.to_string())],
            Self::OutOfRange | Self::StatementTooLong | Self::Database(_) => Vec::new(),
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        quittance_chassis::problem::status(&error)
    }
}
