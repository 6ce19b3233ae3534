//! What a caller may know of a refused run or plan.

use std::collections::HashMap;

use tonic::Code;

use crate::domain::plan::PlanError;

impl PlanError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Period | Self::TooMany | Self::TooLarge(_) => Code::InvalidArgument,
            Self::NotFound(_) => Code::NotFound,
            Self::NotOpen(_) | Self::Expired => Code::FailedPrecondition,
            Self::SelfPayment => Code::PermissionDenied,
        }
    }

    /// Stable, and part of the API.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Period => "INVALID_FIELD",
            Self::TooMany | Self::TooLarge(_) => "PLAN_TOO_LARGE",
            Self::NotFound(_) => "PLAN_NOT_FOUND",
            Self::NotOpen(_) => "PLAN_NOT_OPEN",
            Self::Expired => "PLAN_EXPIRED",
            Self::SelfPayment => "SELF_APPROVAL",
        }
    }

    pub(super) fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::Period => {
                vec![("period_end".to_owned(), "must be after periodStart".to_owned())]
            }
            Self::TooMany
            | Self::TooLarge(_)
            | Self::NotFound(_)
            | Self::NotOpen(_)
            | Self::Expired
            | Self::SelfPayment => vec![],
        }
    }

    pub(super) fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::NotOpen(state) => {
                HashMap::from([("state".to_owned(), state.as_str().to_owned())])
            }
            Self::Period
            | Self::TooMany
            | Self::TooLarge(_)
            | Self::NotFound(_)
            | Self::Expired
            | Self::SelfPayment => HashMap::new(),
        }
    }
}
