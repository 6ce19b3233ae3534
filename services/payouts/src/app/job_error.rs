//! What a caller may know of a job that did not run.

use tonic::Code;

use crate::domain::job::JobError;

impl JobError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Running(_) => Code::FailedPrecondition,
            Self::SlotAhead(_) | Self::Limit | Self::Workers | Self::Unknown => {
                Code::InvalidArgument
            }
            Self::RunNotFound(_) => Code::NotFound,
        }
    }

    /// Stable, and part of the API.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Running(_) => "JOB_RUNNING",
            Self::SlotAhead(_) | Self::Limit | Self::Workers | Self::Unknown => "INVALID_FIELD",
            Self::RunNotFound(_) => "JOB_RUN_NOT_FOUND",
        }
    }

    pub(super) fn fields(&self) -> Vec<(String, String)> {
        let field = |name: &str| vec![(name.to_owned(), self.to_string())];
        match self {
            Self::SlotAhead(_) => field("slot"),
            Self::Limit => field("limit"),
            Self::Workers => field("workers"),
            Self::Unknown => field("job"),
            Self::Running(_) | Self::RunNotFound(_) => vec![],
        }
    }
}
