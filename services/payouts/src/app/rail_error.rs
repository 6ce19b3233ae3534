//! What a caller may know of a rail that did nothing.

use tonic::Code;

use crate::domain::rail::RailError;

impl RailError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::BatchNotFound(_) => Code::NotFound,
            Self::NotOnboarded(_)
            | Self::CoolingDown(_)
            | Self::NoPayer(_)
            | Self::NothingToRefund(_)
            | Self::NoLongerOwed => Code::FailedPrecondition,
        }
    }

    /// Stable, and part of the API.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::BatchNotFound(_) => "BATCH_NOT_FOUND",
            Self::NotOnboarded(_) => "PAYEE_NOT_ONBOARDED",
            Self::CoolingDown(_) => "ACCOUNT_COOLING_DOWN",
            Self::NoPayer(_) => "PAYER_MISSING",
            Self::NothingToRefund(_) => "NOTHING_TO_REFUND",
            Self::NoLongerOwed => "NO_LONGER_OWED",
        }
    }
}
