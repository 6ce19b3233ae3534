//! What a caller may know of a rail that did nothing.

use tonic::Code;

use crate::domain::onboarding::ProviderError;
use crate::domain::rail::{RailError, SignatureError};

impl RailError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::BatchNotFound(_) | Self::LinkExpired | Self::ChargeNotFound(_) => Code::NotFound,
            Self::NoEvent => Code::InvalidArgument,
            Self::NotOnboarded(_)
            | Self::CoolingDown(_)
            | Self::NoPayer(_)
            | Self::NothingToConfirm
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
            Self::ChargeNotFound(_) => "CHARGE_NOT_FOUND",
            Self::NothingToConfirm => "NOTHING_TO_CONFIRM",
            Self::LinkExpired => "ONBOARDING_LINK_EXPIRED",
            Self::NoEvent => "WEBHOOK_UNREADABLE",
        }
    }
}

impl ProviderError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Refused(_) => Code::FailedPrecondition,
            Self::Unavailable => Code::Unavailable,
        }
    }

    /// Stable, and part of the API.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Refused(_) => "PROVIDER_REFUSED",
            Self::Unavailable => "PROVIDER_UNAVAILABLE",
        }
    }
}

impl SignatureError {
    pub(super) fn code(self) -> Code {
        match self {
            Self::NotSetUp => Code::NotFound,
            Self::Forged | Self::Stale => Code::InvalidArgument,
        }
    }

    /// Stable, and part of the API.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NotSetUp => "WEBHOOKS_NOT_SET_UP",
            Self::Forged => "WEBHOOK_SIGNATURE_INVALID",
            Self::Stale => "WEBHOOK_TOO_OLD",
        }
    }
}
