//! What was told of one issue, event by event: from it the line of any past instant, and what moved
//! it, whatever the order in which the events arrived.

use quittance_kernel::Timestamp;
use uuid::Uuid;

use super::line::{Earning, Filing, Line};

/// One event of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) event: Uuid,
    /// The type of the event.
    pub(crate) kind: String,
    /// When it happened.
    pub(crate) at: Timestamp,
    pub(crate) part: Part,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Issue(Filing),
    Earning(Earning),
}

impl Part {
    pub(crate) fn version(&self) -> i64 {
        match self {
            Self::Issue(filing) => filing.version,
            Self::Earning(earning) => earning.version,
        }
    }
}

impl Line {
    pub(crate) fn apply(&mut self, part: &Part) {
        match part {
            Part::Issue(filing) => self.apply_issue(filing.clone()),
            Part::Earning(earning) => self.apply_earning(earning.clone()),
        }
    }

    /// The line as it was just before an instant.
    pub(crate) fn before<'a>(told: impl IntoIterator<Item = &'a Told>, instant: Timestamp) -> Self {
        let mut line = Self::default();
        for told in told.into_iter().filter(|told| told.at < instant) {
            line.apply(&told.part);
        }
        line
    }
}
