//! One issue as the balance sees it: its filing, told by `issue.*`, and its earning, told by
//! payouts. Each part keeps the newest version that it has heard of, so that neither the order of
//! events nor their repetition matters.

use quittance_kernel::{
    Currency, CycleId, IssueStatus, MemberId, Method, Money, PayoutStatus, Severity, Timestamp,
};

use super::sums::{Counts, Sums};

/// The issue itself and its review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filing {
    pub(crate) version: i64,
    pub(crate) reporter: MemberId,
    pub(crate) cycle: CycleId,
    pub(crate) title: String,
    pub(crate) severity: Severity,
    pub(crate) status: IssueStatus,
    /// The review alone, without what became of the money.
    pub(crate) review: PayoutStatus,
    pub(crate) price: Option<Money>,
    pub(crate) rule: Option<String>,
    pub(crate) filed_at: Timestamp,
}

/// Money that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) at: Timestamp,
    pub(crate) method: Option<Method>,
    pub(crate) reference: Option<String>,
}

/// Where an earning stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EarningState {
    Pending,
    Approved,
    Rejected,
    Paid(Payment),
    /// With the payment that was voided, if it had been paid.
    Void {
        at: Timestamp,
        payment: Option<Payment>,
        /// What the payee still owes of it (rule 14).
        receivable: i64,
    },
}

/// The money owed for the issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Earning {
    pub(crate) version: i64,
    pub(crate) payee: MemberId,
    pub(crate) cycle: CycleId,
    pub(crate) amount: Money,
    pub(crate) state: EarningState,
}

impl Earning {
    /// The payment, voided or not.
    pub(crate) fn payment(&self) -> Option<&Payment> {
        match &self.state {
            EarningState::Paid(payment) => Some(payment),
            EarningState::Void { payment, .. } => payment.as_ref(),
            EarningState::Pending | EarningState::Approved | EarningState::Rejected => None,
        }
    }

    /// When it was declared void.
    pub(crate) fn void_at(&self) -> Option<Timestamp> {
        match &self.state {
            EarningState::Void { at, .. } => Some(*at),
            EarningState::Pending
            | EarningState::Approved
            | EarningState::Rejected
            | EarningState::Paid(_) => None,
        }
    }

    /// By which method it was paid, if the payment names one.
    pub(super) fn method(&self) -> Option<Method> {
        self.payment().and_then(|payment| payment.method)
    }

    /// What the payee still owes of it; nothing unless it is void.
    pub(crate) fn receivable(&self) -> i64 {
        match &self.state {
            EarningState::Void { receivable, .. } => *receivable,
            EarningState::Pending
            | EarningState::Approved
            | EarningState::Rejected
            | EarningState::Paid(_) => 0,
        }
    }

    pub(crate) fn status(&self) -> PayoutStatus {
        match &self.state {
            EarningState::Pending => PayoutStatus::Pending,
            EarningState::Approved => PayoutStatus::Approved,
            EarningState::Rejected => PayoutStatus::Rejected,
            EarningState::Paid(_) => PayoutStatus::Paid,
            EarningState::Void { .. } => PayoutStatus::Void,
        }
    }

    /// Whether the money moved, so that the earning says more than the review.
    fn is_settled(&self) -> bool {
        match &self.state {
            EarningState::Paid(_) | EarningState::Void { .. } => true,
            EarningState::Pending | EarningState::Approved | EarningState::Rejected => false,
        }
    }
}

/// What is known of one issue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) filing: Option<Filing>,
    pub(crate) earning: Option<Earning>,
}

/// What a line adds to the sums of its member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contribution {
    pub(crate) counts: Option<(MemberId, CycleId, Counts)>,
    pub(crate) money: Option<(MemberId, CycleId, Currency, Sums)>,
}

impl Line {
    /// Takes what an event says of the issue, unless something newer is known.
    pub(crate) fn apply_issue(&mut self, filing: Filing) {
        if self.filing.as_ref().is_none_or(|known| known.version < filing.version) {
            self.filing = Some(filing);
        }
    }

    /// Takes what an event says of the earning, unless something newer is known.
    pub(crate) fn apply_earning(&mut self, earning: Earning) {
        if self.earning.as_ref().is_none_or(|known| known.version < earning.version) {
            self.earning = Some(earning);
        }
    }

    /// Where the money stands: what payouts say once it moved, before that the review.
    pub(crate) fn payout_status(&self) -> PayoutStatus {
        match (&self.filing, &self.earning) {
            (_, Some(earning)) if earning.is_settled() => earning.status(),
            (Some(filing), _) => filing.review,
            (None, Some(earning)) => earning.status(),
            (None, None) => PayoutStatus::Pending,
        }
    }

    /// The amount that the status is about; none while undecided or rejected.
    pub(crate) fn amount(&self) -> Option<Money> {
        self.owed().map(|(_, _, amount)| amount)
    }

    /// To whom, for which cycle and how much.
    pub(super) fn owed(&self) -> Option<(MemberId, CycleId, Money)> {
        let by_earning =
            || self.earning.as_ref().map(|earning| (earning.payee, earning.cycle, earning.amount));
        match self.payout_status() {
            PayoutStatus::Paid | PayoutStatus::Void => by_earning(),
            PayoutStatus::Approved => match &self.filing {
                Some(filing) => filing.price.map(|price| (filing.reporter, filing.cycle, price)),
                None => by_earning(),
            },
            PayoutStatus::Pending | PayoutStatus::Rejected => None,
        }
    }

    /// What this line adds to the sums of its member. A line whose issue has not been heard of
    /// adds its money and no counts.
    pub(crate) fn contribution(&self) -> Contribution {
        let counts = self
            .filing
            .as_ref()
            .filter(|filing| filing.status != IssueStatus::Draft)
            .map(|filing| (filing.reporter, filing.cycle, self.counts(filing.severity)));
        let money = self
            .owed()
            .map(|(member, cycle, money)| (member, cycle, money.currency(), self.sums(money)));
        Contribution { counts, money }
    }

    fn counts(&self, severity: Severity) -> Counts {
        let filed = Counts { issues: 1, ..Counts::default() };
        match self.payout_status() {
            PayoutStatus::Pending => Counts { issues: 1, ..Counts::one_awaiting(severity) },
            PayoutStatus::Approved => Counts { approved: 1, decided: 1, ..filed },
            PayoutStatus::Paid => Counts { approved: 1, paid: 1, decided: 1, ..filed },
            PayoutStatus::Rejected | PayoutStatus::Void => Counts { decided: 1, ..filed },
        }
    }

    fn sums(&self, money: Money) -> Sums {
        let (none, minor) = (Sums::default(), money.minor());
        match self.payout_status() {
            PayoutStatus::Approved => Sums { pending: minor, pending_count: 1, ..none },
            PayoutStatus::Paid => Sums { earned: minor, earned_count: 1, ..none },
            PayoutStatus::Void => {
                let receivable = self.earning.as_ref().map_or(0, Earning::receivable);
                Sums { voided: minor, voided_count: 1, receivable, ..none }
            }
            PayoutStatus::Pending | PayoutStatus::Rejected => none,
        }
    }
}

#[cfg(test)]
mod tests;
