//! What a caller may know of a refused run or plan.

use std::collections::HashMap;

use tonic::Code;

use crate::domain::plan::PlanError;

impl PlanError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Period | Self::TooMany | Self::Policy { .. } => Code::InvalidArgument,
            Self::NotFound(_) | Self::ProposalNotFound(_) => Code::NotFound,
            Self::NotOpen(_)
            | Self::Expired
            | Self::DigestMismatch { .. }
            | Self::ApprovalsMissing { .. }
            | Self::ApprovalsRequired { .. }
            | Self::PolicyChanged => Code::FailedPrecondition,
            Self::SelfPayment | Self::OwnPlan | Self::OwnProposal => Code::PermissionDenied,
        }
    }

    /// Stable, and part of the API.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Period | Self::Policy { .. } => "INVALID_FIELD",
            Self::TooMany => "PLAN_TOO_LARGE",
            Self::NotFound(_) => "PLAN_NOT_FOUND",
            Self::NotOpen(_) => "PLAN_NOT_OPEN",
            Self::Expired => "PLAN_EXPIRED",
            Self::SelfPayment | Self::OwnPlan | Self::OwnProposal => "SELF_APPROVAL",
            Self::ProposalNotFound(_) => "PROPOSAL_NOT_FOUND",
            Self::PolicyChanged => "POLICY_CHANGED",
            Self::DigestMismatch { .. } => "PLAN_DIGEST_MISMATCH",
            Self::ApprovalsMissing { .. } => "APPROVALS_MISSING",
            Self::ApprovalsRequired { .. } => "APPROVALS_REQUIRED",
        }
    }

    pub(super) fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::Period => {
                vec![("period_end".to_owned(), "must be after periodStart".to_owned())]
            }
            Self::Policy { field, detail } => vec![((*field).to_owned(), (*detail).to_owned())],
            Self::TooMany
            | Self::NotFound(_)
            | Self::NotOpen(_)
            | Self::Expired
            | Self::SelfPayment
            | Self::OwnPlan
            | Self::ProposalNotFound(_)
            | Self::OwnProposal
            | Self::PolicyChanged
            | Self::DigestMismatch { .. }
            | Self::ApprovalsMissing { .. }
            | Self::ApprovalsRequired { .. } => vec![],
        }
    }

    pub(super) fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::NotOpen(state) => {
                HashMap::from([("state".to_owned(), state.as_str().to_owned())])
            }
            Self::DigestMismatch { digest } => {
                HashMap::from([("digest".to_owned(), digest.clone())])
            }
            Self::ApprovalsMissing { needed, given } => HashMap::from([
                ("needed".to_owned(), needed.to_string()),
                ("given".to_owned(), given.to_string()),
            ]),
            Self::ApprovalsRequired { needed } => {
                HashMap::from([("needed".to_owned(), needed.to_string())])
            }
            Self::Period
            | Self::Policy { .. }
            | Self::TooMany
            | Self::NotFound(_)
            | Self::Expired
            | Self::SelfPayment
            | Self::OwnPlan
            | Self::ProposalNotFound(_)
            | Self::OwnProposal
            | Self::PolicyChanged => HashMap::new(),
        }
    }
}
