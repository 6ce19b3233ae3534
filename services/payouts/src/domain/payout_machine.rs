//! The state machine of a payout (product.md, "State machines").
//!
//! ```text
//! pending_approval ─▶ approved ─▶ processing ─▶ paid ; pending_approval ─▶ rejected ; approved ─▶ cancelled
//! processing ─▶ failed ─▶ processing (retry) ; processing ─▶ unknown ─▶ paid | failed ; paid ─▶ returned | void
//! a manual rail goes approved ─▶ paid in one step
//! ```

use super::payout::PayoutState;

/// A step that a machine does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {entity} cannot go from {from} to {to}; allowed: {}", if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") })]
pub struct InvalidTransition {
    pub entity: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub allowed: Vec<&'static str>,
}

/// What can be asked of a payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Approve,
    Reject,
    /// Before any money was sent.
    Cancel,
    /// A person has moved the money.
    Record,
    /// A provider is called, for the first time.
    Submit,
    /// A provider is called again after it failed.
    Retry,
    /// The provider says that it paid.
    Settle,
    Fail,
    /// The provider did not answer.
    LoseSight,
    /// The money came back.
    Return,
    /// The payment should not have been made.
    Void,
}

impl Command {
    #[cfg(test)]
    const ALL: [Self; 11] = [
        Self::Approve,
        Self::Reject,
        Self::Cancel,
        Self::Record,
        Self::Submit,
        Self::Retry,
        Self::Settle,
        Self::Fail,
        Self::LoseSight,
        Self::Return,
        Self::Void,
    ];

    /// Where it leads.
    #[must_use]
    pub(crate) fn to(self) -> PayoutState {
        match self {
            Self::Approve => PayoutState::Approved,
            Self::Reject => PayoutState::Rejected,
            Self::Cancel => PayoutState::Cancelled,
            Self::Record | Self::Settle => PayoutState::Paid,
            Self::Submit | Self::Retry => PayoutState::Processing,
            Self::Fail => PayoutState::Failed,
            Self::LoseSight => PayoutState::Unknown,
            Self::Return => PayoutState::Returned,
            Self::Void => PayoutState::Void,
        }
    }
}

/// What may be asked of a payout in this state.
fn onward(from: PayoutState) -> &'static [Command] {
    match from {
        PayoutState::PendingApproval => &[Command::Approve, Command::Reject],
        PayoutState::Approved => &[Command::Record, Command::Submit, Command::Cancel],
        PayoutState::Processing => &[Command::Settle, Command::Fail, Command::LoseSight],
        PayoutState::Unknown => &[Command::Settle, Command::Fail],
        PayoutState::Failed => &[Command::Retry],
        PayoutState::Paid => &[Command::Return, Command::Void],
        PayoutState::Rejected
        | PayoutState::Cancelled
        | PayoutState::Returned
        | PayoutState::Void => &[],
    }
}

/// Takes one step, or tells which there are.
pub(crate) fn step(from: PayoutState, command: Command) -> Result<PayoutState, InvalidTransition> {
    let allowed = onward(from);
    if allowed.contains(&command) {
        return Ok(command.to());
    }
    Err(InvalidTransition {
        entity: "payout",
        from: from.as_str(),
        to: command.to().as_str(),
        allowed: allowed.iter().map(|command| command.to().as_str()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The drawing, arrow by arrow.
    const ARROWS: [(PayoutState, Command, PayoutState); 13] = [
        (PayoutState::PendingApproval, Command::Approve, PayoutState::Approved),
        (PayoutState::PendingApproval, Command::Reject, PayoutState::Rejected),
        (PayoutState::Approved, Command::Record, PayoutState::Paid),
        (PayoutState::Approved, Command::Submit, PayoutState::Processing),
        (PayoutState::Approved, Command::Cancel, PayoutState::Cancelled),
        (PayoutState::Processing, Command::Settle, PayoutState::Paid),
        (PayoutState::Processing, Command::Fail, PayoutState::Failed),
        (PayoutState::Processing, Command::LoseSight, PayoutState::Unknown),
        (PayoutState::Unknown, Command::Settle, PayoutState::Paid),
        (PayoutState::Unknown, Command::Fail, PayoutState::Failed),
        (PayoutState::Failed, Command::Retry, PayoutState::Processing),
        (PayoutState::Paid, Command::Return, PayoutState::Returned),
        (PayoutState::Paid, Command::Void, PayoutState::Void),
    ];

    #[test]
    fn every_command_in_every_state_goes_as_drawn_or_is_refused() {
        let mut taken = 0;
        for from in PayoutState::ALL.iter().copied() {
            for command in Command::ALL {
                let arrow = ARROWS.iter().find(|(state, by, _)| (*state, *by) == (from, command));
                match (arrow, step(from, command)) {
                    (Some((_, _, to)), Ok(reached)) => {
                        assert_eq!(*to, reached);
                        taken += 1;
                    }
                    (None, Err(refused)) => {
                        assert_eq!(
                            (refused.from, refused.to),
                            (from.as_str(), command.to().as_str())
                        );
                        let drawn = ARROWS.iter().filter(|(state, ..)| *state == from);
                        let drawn: Vec<_> = drawn.map(|(_, _, to)| to.as_str()).collect();
                        assert_eq!(refused.allowed.len(), drawn.len(), "{from:?}");
                        assert!(refused.allowed.iter().all(|word| drawn.contains(word)));
                    }
                    (arrow, answer) => panic!("{from:?} {command:?}: {arrow:?}, but {answer:?}"),
                }
            }
        }
        assert_eq!(taken, ARROWS.len());
    }

    #[test]
    fn a_refusal_names_from_to_and_what_is_allowed() {
        let refused = step(PayoutState::Paid, Command::Cancel).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the payout cannot go from paid to cancelled; allowed: returned, void"
        );
        let over = step(PayoutState::Void, Command::Void).unwrap_err();
        assert_eq!(over.to_string(), "the payout cannot go from void to void; allowed: nothing");
    }

    #[test]
    fn money_on_its_way_cannot_be_cancelled() {
        for state in [PayoutState::Processing, PayoutState::Unknown, PayoutState::Paid] {
            assert!(step(state, Command::Cancel).is_err());
        }
    }
}
