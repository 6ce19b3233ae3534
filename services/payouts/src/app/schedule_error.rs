//! What a caller may know of a refusal about schedules and holds.

use std::collections::HashMap;

use tonic::Code;

use crate::domain::hold::HoldError;
use crate::domain::payout_machine::InvalidTransition;
use crate::domain::schedule::ScheduleError;

fn steps(refused: &InvalidTransition) -> HashMap<String, String> {
    HashMap::from([
        ("from".to_owned(), refused.from.to_owned()),
        ("to".to_owned(), refused.to.to_owned()),
        ("allowed".to_owned(), refused.allowed.join(",")),
    ])
}

impl ScheduleError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::NotFound(_) => Code::NotFound,
            Self::Field { .. } => Code::InvalidArgument,
            Self::OwnPayout => Code::PermissionDenied,
            Self::Stale(_) => Code::Aborted,
            Self::Transition(_)
            | Self::NotEditable(_)
            | Self::Held
            | Self::NotDue(_)
            | Self::InPayout => Code::FailedPrecondition,
        }
    }

    /// Stable, and part of the API.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "SCHEDULE_NOT_FOUND",
            Self::Field { .. } => "INVALID_FIELD",
            Self::OwnPayout => "SELF_APPROVAL",
            Self::Stale(_) => "STALE_VERSION",
            Self::Transition(_) => "INVALID_TRANSITION",
            Self::NotEditable(_) => "NOT_EDITABLE",
            Self::Held => "HOLD_ACTIVE",
            Self::NotDue(_) => "SCHEDULE_NOT_DUE",
            Self::InPayout => "SCHEDULE_IN_PAYOUT",
        }
    }

    pub(super) fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::Field { field, detail } => vec![((*field).to_owned(), (*detail).to_owned())],
            Self::NotFound(_)
            | Self::OwnPayout
            | Self::Stale(_)
            | Self::Transition(_)
            | Self::NotEditable(_)
            | Self::Held
            | Self::NotDue(_)
            | Self::InPayout => vec![],
        }
    }

    pub(super) fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::Transition(refused) => steps(refused),
            Self::NotFound(_)
            | Self::Field { .. }
            | Self::OwnPayout
            | Self::Stale(_)
            | Self::NotEditable(_)
            | Self::Held
            | Self::NotDue(_)
            | Self::InPayout => HashMap::new(),
        }
    }
}

impl HoldError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::NotFound(_) => Code::NotFound,
            Self::Field { .. } | Self::NoSchedule(_) | Self::TooMuch(_) => Code::InvalidArgument,
            Self::OwnPayout => Code::PermissionDenied,
            Self::Stale(_) => Code::Aborted,
            Self::Transition(_) | Self::NotEditable(_) => Code::FailedPrecondition,
        }
    }

    /// Stable, and part of the API.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "HOLD_NOT_FOUND",
            Self::Field { .. } | Self::NoSchedule(_) => "INVALID_FIELD",
            Self::TooMuch(_) => "INVALID_AMOUNT",
            Self::OwnPayout => "SELF_APPROVAL",
            Self::Stale(_) => "STALE_VERSION",
            Self::Transition(_) => "INVALID_TRANSITION",
            Self::NotEditable(_) => "NOT_EDITABLE",
        }
    }

    pub(super) fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::Field { field, detail } => vec![((*field).to_owned(), (*detail).to_owned())],
            Self::NoSchedule(_) => vec![("schedule_id".to_owned(), self.to_string())],
            Self::TooMuch(_) => vec![("amount_minor".to_owned(), self.to_string())],
            Self::NotFound(_)
            | Self::OwnPayout
            | Self::Stale(_)
            | Self::Transition(_)
            | Self::NotEditable(_) => vec![],
        }
    }

    pub(super) fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::Transition(refused) => steps(refused),
            Self::NotFound(_)
            | Self::Field { .. }
            | Self::NoSchedule(_)
            | Self::TooMuch(_)
            | Self::OwnPayout
            | Self::Stale(_)
            | Self::NotEditable(_) => HashMap::new(),
        }
    }
}
