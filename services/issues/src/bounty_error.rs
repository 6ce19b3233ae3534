//! What a caller may know of the refusals of bounties.

use quittance_chassis::problem::INVALID_FIELD;
use tonic::Code;

use crate::domain::bounty::BountyError;

impl BountyError {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Value(_)
            | Self::Points(_)
            | Self::BelowMinimum(_)
            | Self::Tip(_)
            | Self::Terms { .. } => Code::InvalidArgument,
            Self::Transition(_)
            | Self::NotOpen(_)
            | Self::Claimed(_)
            | Self::Full(_)
            | Self::AlreadyClaimed(_)
            | Self::Submission(_) => Code::FailedPrecondition,
            Self::NoSubmission(_) => Code::NotFound,
        }
    }

    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Value(_) | Self::Tip(_) => "INVALID_VALUE",
            Self::Points(_) => "INVALID_POINTS",
            Self::BelowMinimum(_) => "BELOW_MINIMUM",
            Self::Terms { .. } => INVALID_FIELD,
            Self::Transition(_) => "INVALID_TRANSITION",
            Self::NotOpen(_) => "BOUNTY_NOT_OPEN",
            Self::Claimed(_) => "BOUNTY_CLAIMED",
            Self::Full(_) => "CLAIMS_EXHAUSTED",
            Self::AlreadyClaimed(_) => "ALREADY_CLAIMED",
            Self::Submission(_) => "BOUNTY_SUBMISSION",
            Self::NoSubmission(_) => "SUBMISSION_NOT_FOUND",
        }
    }

    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let field = |name: &str, detail: &str| vec![(name.to_owned(), detail.to_owned())];
        match self {
            Self::Value(detail) => field("value_minor", detail),
            Self::BelowMinimum(_) => field("value_minor", &self.to_string()),
            Self::Points(detail) => field("points", detail),
            Self::Tip(detail) => field("tip_minor", detail),
            Self::Terms { field: name, detail } => field(name, detail),
            Self::Transition(_)
            | Self::NotOpen(_)
            | Self::Claimed(_)
            | Self::Full(_)
            | Self::AlreadyClaimed(_)
            | Self::Submission(_)
            | Self::NoSubmission(_) => Vec::new(),
        }
    }

    pub(crate) fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Transition(refused) => vec![
                ("from", refused.from.to_owned()),
                ("to", refused.to.to_owned()),
                ("allowed", refused.allowed.join(",")),
            ],
            Self::Value(_)
            | Self::Points(_)
            | Self::BelowMinimum(_)
            | Self::Tip(_)
            | Self::Terms { .. }
            | Self::NotOpen(_)
            | Self::Claimed(_)
            | Self::Full(_)
            | Self::AlreadyClaimed(_)
            | Self::Submission(_)
            | Self::NoSubmission(_) => Vec::new(),
        }
    }
}
