//! What can go wrong when money is compared with what others say.

use quittance_chassis::db::WriteError;
use quittance_chassis::problem::Problem;
use quittance_kernel::PageError;
use sea_orm::DbErr;
use tonic::Code;
use uuid::Uuid;

use super::Error;
use super::owners::OwnersError;
use super::reconcile::ReconcileError;
use crate::domain::BankError;

/// Why a comparison was not made, or a statement not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReconciliationError {
    #[error(transparent)]
    Bank(#[from] BankError),
    #[error("more than 100000 payouts lie in the days of this statement; import a shorter one")]
    TooManyPayouts,
    #[error("statement {0} not found")]
    NoStatement(Uuid),
    #[error(transparent)]
    Page(#[from] PageError),
    #[error("issues or payouts cannot be asked now")]
    Owners(#[from] OwnersError),
    #[error("nothing was compared")]
    Compare(#[source] ReconcileError),
    #[error("the statement was not kept")]
    Write(#[from] WriteError),
    #[error("database failure")]
    Database(#[from] DbErr),
    #[error(transparent)]
    Read(#[from] Error),
}

impl From<ReconcileError> for ReconciliationError {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::Owners(error) => Self::Owners(error),
            error @ (ReconcileError::Poison(_)
            | ReconcileError::Ledger(_)
            | ReconcileError::Read(_)
            | ReconcileError::Database(_)
            | ReconcileError::Write(_)) => Self::Compare(error),
        }
    }
}

impl Problem for ReconciliationError {
    const DOMAIN: &'static str = "balance";

    fn code(&self) -> Code {
        match self {
            Self::Bank(BankError::TooLarge | BankError::TooManyLines) | Self::TooManyPayouts => {
                Code::OutOfRange
            }
            Self::Bank(_) | Self::Page(_) => Code::InvalidArgument,
            Self::NoStatement(_) => Code::NotFound,
            Self::Owners(_) => Code::Unavailable,
            Self::Write(WriteError::Stale) => Code::Aborted,
            Self::Compare(_)
            | Self::Write(WriteError::Duplicate(_) | WriteError::Database(_))
            | Self::Database(_) => Code::Internal,
            Self::Read(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Bank(BankError::TooLarge | BankError::TooManyLines) | Self::TooManyPayouts => {
                "BANK_STATEMENT_TOO_LARGE"
            }
            Self::Bank(BankError::Mapping { .. }) | Self::Page(PageError::NegativeSize) => {
                "INVALID_FIELD"
            }
            Self::Bank(_) => "BANK_STATEMENT_INVALID",
            Self::Page(PageError::BadToken) => "PAGE_TOKEN_INVALID",
            Self::NoStatement(_) => "BANK_STATEMENT_NOT_FOUND",
            Self::Owners(_) => "OWNER_UNAVAILABLE",
            Self::Write(WriteError::Stale) => "BANK_STATEMENT_CONTENDED",
            Self::Compare(_)
            | Self::Write(WriteError::Duplicate(_) | WriteError::Database(_))
            | Self::Database(_) => "INTERNAL",
            Self::Read(error) => error.reason(),
        }
    }

    fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::Bank(BankError::Mapping { field, problem }) => {
                vec![((*field).to_owned(), (*problem).to_owned())]
            }
            Self::Bank(error) => vec![("content".to_owned(), error.to_string())],
            Self::Page(error) => vec![("page".to_owned(), error.to_string())],
            Self::Read(error) => error.fields(),
            Self::TooManyPayouts
            | Self::NoStatement(_)
            | Self::Owners(_)
            | Self::Compare(_)
            | Self::Write(_)
            | Self::Database(_) => Vec::new(),
        }
    }
}

impl From<ReconciliationError> for tonic::Status {
    fn from(error: ReconciliationError) -> Self {
        quittance_chassis::problem::status(&error)
    }
}
