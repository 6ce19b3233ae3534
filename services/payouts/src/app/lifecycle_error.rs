//! What a caller may know of a payout that stays as it is.

use std::collections::HashMap;

use tonic::Code;

use crate::domain::lifecycle::LifecycleError;

impl LifecycleError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Transition(_) | Self::PartlyVoid | Self::InPayout { .. } => {
                Code::FailedPrecondition
            }
            Self::SelfApproval => Code::PermissionDenied,
            Self::PayoutNotFound(_) | Self::NothingOwed { .. } => Code::NotFound,
            Self::NotAnItem { .. }
            | Self::Twice { .. }
            | Self::Reason(_)
            | Self::Count(_)
            | Self::Total(_) => Code::InvalidArgument,
        }
    }

    /// Stable, and part of the API.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Transition(_) => "INVALID_TRANSITION",
            Self::SelfApproval => "SELF_APPROVAL",
            Self::PayoutNotFound(_) => "PAYOUT_NOT_FOUND",
            Self::NotAnItem { .. } => "NOT_IN_PAYOUT",
            Self::Twice { .. } => "DUPLICATE_ISSUE",
            Self::Reason(_) => "INVALID_FIELD",
            Self::Count(_) => "COUNT_OUT_OF_RANGE",
            Self::PartlyVoid => "PAYOUT_PARTLY_VOID",
            Self::NothingOwed { .. } => "EARNING_NOT_FOUND",
            Self::InPayout { .. } => "EARNING_IN_PAYOUT",
            Self::Total(_) => "AMOUNT_OUT_OF_RANGE",
        }
    }

    pub(super) fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::NotAnItem { place, .. }
            | Self::Twice { place, .. }
            | Self::NothingOwed { place, .. }
            | Self::InPayout { place, .. } => {
                vec![(format!("issue_ids[{place}]"), self.to_string())]
            }
            Self::Reason(detail) => vec![("reason".to_owned(), (*detail).to_owned())],
            Self::Count(_) => vec![("issue_ids".to_owned(), self.to_string())],
            Self::Transition(_)
            | Self::SelfApproval
            | Self::PayoutNotFound(_)
            | Self::PartlyVoid
            | Self::Total(_) => vec![],
        }
    }

    pub(super) fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::Transition(refused) => HashMap::from([
                ("from".to_owned(), refused.from.to_owned()),
                ("to".to_owned(), refused.to.to_owned()),
                ("allowed".to_owned(), refused.allowed.join(",")),
            ]),
            Self::NotAnItem { issue, .. }
            | Self::Twice { issue, .. }
            | Self::NothingOwed { issue, .. }
            | Self::InPayout { issue, .. } => {
                HashMap::from([("issue_id".to_owned(), issue.to_string())])
            }
            Self::SelfApproval
            | Self::PayoutNotFound(_)
            | Self::Reason(_)
            | Self::Count(_)
            | Self::PartlyVoid
            | Self::Total(_) => HashMap::new(),
        }
    }
}
