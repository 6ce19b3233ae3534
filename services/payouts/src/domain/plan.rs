//! Runs and plans: what is due, as it was shown, and whether it still is the same.
//!
//! A plan is a stored dry run. Committing it draws it anew: only if the digest is the same is it
//! paid (product.md, rule 6).

mod difference;
mod lines;

use chrono::TimeDelta;
use quittance_kernel::{
    BatchId, Currency, CycleId, EarningId, IssueId, MemberId, Method, Money, MoneyError, PlanId,
    ProductId, Timestamp,
};
use uuid::Uuid;

use self::difference::digest;
pub(crate) use self::difference::{Difference, Digester, Netted, difference, netted_otherwise};
pub(crate) use self::lines::{Lines, Sums, lines, payout_of};
use super::approval::Approval;
use super::decision::{Excluded, Known, Verdict, decide};
use super::earning::Earning;
use super::eligibility::Reason;
use super::order::{Group, Order, OrderError};
use super::receivable::Receivable;
use super::settlement::Settlement;

/// The most earnings that one run looks at.
pub(crate) const MAX_CANDIDATES: usize = 1_000_000;

/// A run that finds more than this is drawn in pieces, and told by its sums only.
pub(crate) const INLINE: usize = 10_000;

/// How long a plan can be committed.
const LIFETIME: TimeDelta = TimeDelta::hours(24);

/// Where a plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanState {
    Open,
    Committed,
    Expired,
    Stale,
    Cancelled,
}

impl PlanState {
    pub(crate) const ALL: [Self; 5] =
        [Self::Open, Self::Committed, Self::Expired, Self::Stale, Self::Cancelled];

    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Committed => "committed",
            Self::Expired => "expired",
            Self::Stale => "stale",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a run or a plan is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("the period must end after it starts")]
    Period,
    #[error(
        "the run finds more than {MAX_CANDIDATES} earnings; narrow it by cycle, payee or period"
    )]
    TooMany,
    #[error("plan {0} not found")]
    NotFound(PlanId),
    #[error("the plan is {} and no longer open", .0.as_str())]
    NotOpen(PlanState),
    #[error("the plan has expired; make a new one")]
    Expired,
    #[error("the plan holds your own earnings: nobody pays their own work")]
    SelfPayment,
    #[error("nobody approves their own plan")]
    OwnPlan,
    #[error("the plan is not what you have seen; its digest is {digest}")]
    DigestMismatch { digest: String },
    #[error("the plan needs {needed} approvals and has {given}")]
    ApprovalsMissing { needed: i64, given: i64 },
    #[error("this much is paid by a plan that {needed} others have approved; make a dry run")]
    ApprovalsRequired { needed: i64 },
    #[error("proposal {0} not found, or no longer open")]
    ProposalNotFound(Uuid),
    #[error("nobody confirms what they have proposed themselves")]
    OwnProposal,
    #[error("the policy has changed since this was proposed; propose it again")]
    PolicyChanged,
    #[error("{field} {detail}")]
    Policy { field: &'static str, detail: &'static str },
}

/// What a run is narrowed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters {
    pub(crate) product: Option<ProductId>,
    pub(crate) cycle: Option<CycleId>,
    pub(crate) payee: Option<MemberId>,
    /// The first instant of the approvals that count.
    pub(crate) start: Option<Timestamp>,
    /// The first instant that no longer counts.
    pub(crate) end: Option<Timestamp>,
    pub(crate) currency: Option<Currency>,
}

/// A checked request to pay whatever is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) filters: Filters,
    pub(crate) method: Method,
    pub(crate) reference: String,
    /// What its plan will be called.
    pub(crate) plan: PlanId,
    /// Without issues: they are found later.
    template: Order,
}

impl Run {
    /// Checks a run by what every payment must have. Without a reference it is called after its plan.
    pub(crate) fn new(
        filters: Filters,
        method: Method,
        reference: String,
    ) -> Result<Self, OrderError> {
        let plan = PlanId::new();
        let reference = if reference.is_empty() { made_up(plan) } else { reference };
        let group = Group { payee: filters.payee, issues: vec![], method, reference };
        let template = Order::run(group, filters.cycle)?;
        let reference = template.groups().first().map(|group| group.reference.clone());
        Ok(Self { filters, method, reference: reference.unwrap_or_default(), plan, template })
    }

    /// The same, keeping back what the payees owe, or not.
    #[must_use]
    pub(crate) fn netting(self, net: bool) -> Self {
        Self { template: self.template.netting(net), ..self }
    }

    #[must_use]
    pub(crate) fn nets(&self) -> bool {
        self.template.nets()
    }

    /// Refuses a period in which nothing can have happened.
    pub(crate) fn check_period(&self) -> Result<(), PlanError> {
        match (self.filters.start, self.filters.end) {
            (Some(start), Some(end)) if end <= start => Err(PlanError::Period),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }
}

/// A reference that a person can tell on the telephone, and that names one plan only.
fn made_up(plan: PlanId) -> String {
    let id = plan.0.simple().to_string();
    // The end of the id is random; its beginning is the time, which plans may share.
    format!("RUN-{}", id[id.len() - 12..].to_uppercase())
}

/// One earning that a run found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlanItem {
    pub(crate) earning: EarningId,
    pub(crate) issue: IssueId,
    pub(crate) payee: MemberId,
    pub(crate) amount: Money,
    pub(crate) version: i64,
    pub(crate) source_version: i64,
    /// Why it is left out; none means that it is included.
    pub(crate) reasons: Vec<String>,
}

/// What a run finds at one moment.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) settlement: Settlement,
    /// What is included, in the order of the earnings.
    pub(crate) included: Vec<PlanItem>,
    pub(crate) excluded: Vec<PlanItem>,
    pub(crate) digest: String,
}

impl Drawn {
    /// The same, keeping back what the payees owe: that is part of what is shown.
    pub(crate) fn keeping_back(mut self, owed: Vec<Receivable>) -> Result<Self, MoneyError> {
        self.settlement.keep_back(owed)?;
        self.digest = digest(&self.included, &self.nettings());
        Ok(self)
    }

    /// What is kept back of whom.
    #[must_use]
    pub(crate) fn nettings(&self) -> Vec<Netted> {
        let payouts = self.settlement.payouts.iter().filter(|payout| payout.netted > 0);
        let netted = payouts.map(|payout| Netted {
            payee: payout.payee,
            amount: Money::signed(payout.netted, payout.total.currency()),
        });
        let mut netted: Vec<_> = netted.collect();
        netted.sort_unstable_by_key(|netted| (netted.payee, netted.amount.currency().code()));
        netted
    }
}

/// Decides about everything that a run found, by the function that decides about every payment.
/// `payer` is whose run it is: their own earnings are left out.
pub(crate) fn draw(run: &Run, known: &Known, payer: MemberId) -> Result<Drawn, MoneyError> {
    let mut found: Vec<&Earning> = known.earnings.values().collect();
    found.sort_unstable_by_key(|earning| earning.id);
    let order = run.template.over(found.iter().map(|earning| earning.issue).collect());
    let verdict = in_currency(run.filters.currency, decide(&order, known, payer));
    let Lines { included, excluded } = Lines::of(&verdict, known);
    let digest = digest(&included, &[]);
    let settlement = Settlement::of(&order, verdict)?;
    Ok(Drawn { settlement, included, excluded, digest })
}

/// The price of an issue may have moved to another currency since its earning was chosen.
fn in_currency(currency: Option<Currency>, verdict: Verdict) -> Verdict {
    let Some(currency) = currency else { return verdict };
    let Verdict { payable, mut excluded } = verdict;
    let (payable, others): (Vec<_>, Vec<_>) =
        payable.into_iter().partition(|paid| paid.amount.currency() == currency);
    excluded.extend(
        others
            .into_iter()
            .map(|paid| Excluded { issue: paid.issue, reasons: vec![Reason::CurrencyMismatch] }),
    );
    Verdict { payable, excluded }
}

/// A stored dry run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) id: PlanId,
    pub(crate) created_by: MemberId,
    pub(crate) filters: Filters,
    pub(crate) method: Method,
    pub(crate) reference: String,
    /// Whether what the payees owe is kept back.
    pub(crate) net: bool,
    pub(crate) nettings: Vec<Netted>,
    pub(crate) digest: String,
    pub(crate) state: PlanState,
    /// By currency, with the number of items.
    pub(crate) totals: Vec<(Money, i64)>,
    pub(crate) item_count: i64,
    pub(crate) excluded_count: i64,
    pub(crate) batch: Option<BatchId>,
    /// In the order in which they were given.
    pub(crate) approvals: Vec<Approval>,
    /// How many approvals it needs, or needed when it was committed.
    pub(crate) needed: i64,
    pub(crate) expires_at: Timestamp,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Plan {
    /// Makes the plan of what was drawn: open after a dry run, committed if it is paid with it.
    pub(crate) fn of(run: &Run, drawn: &Drawn, author: MemberId, at: Timestamp, dry: bool) -> Self {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let totals = drawn.settlement.totals.iter();
        let totals = totals.map(|(sum, number)| (sum, i64::try_from(number).unwrap_or(i64::MAX)));
        let sums = Sums {
            digest: drawn.digest.clone(),
            totals: totals.collect(),
            nettings: drawn.nettings(),
            item_count: count(drawn.included.len()),
            excluded_count: count(drawn.excluded.len()),
        };
        let batch = drawn.settlement.batch.filter(|_| !dry);
        Self::summed(run, sums, author, at, dry, batch)
    }

    /// Makes the plan of what it says of itself.
    pub(crate) fn summed(
        run: &Run,
        sums: Sums,
        author: MemberId,
        at: Timestamp,
        dry: bool,
        batch: Option<BatchId>,
    ) -> Self {
        Self {
            id: run.plan,
            created_by: author,
            filters: run.filters,
            method: run.method,
            reference: run.reference.clone(),
            net: run.nets(),
            nettings: sums.nettings,
            digest: sums.digest,
            state: if dry { PlanState::Open } else { PlanState::Committed },
            totals: sums.totals,
            item_count: sums.item_count,
            excluded_count: sums.excluded_count,
            batch,
            approvals: vec![],
            needed: 0,
            expires_at: at + LIFETIME,
            version: 1,
            created_at: at,
            updated_at: at,
        }
    }

    /// The run that the plan was made by.
    pub(crate) fn run(&self) -> Result<Run, OrderError> {
        let run = Run::new(self.filters, self.method, self.reference.clone())?;
        Ok(Run { plan: self.id, ..run }.netting(self.net))
    }

    /// Where the plan stands at an instant: nobody has to come by for it to expire.
    pub(crate) fn state_at(&self, at: Timestamp) -> PlanState {
        match self.state {
            PlanState::Open if self.expires_at <= at => PlanState::Expired,
            PlanState::Open
            | PlanState::Committed
            | PlanState::Expired
            | PlanState::Stale
            | PlanState::Cancelled => self.state,
        }
    }

    /// Refuses a plan that can no longer be committed or cancelled.
    pub(crate) fn check_open(&self, at: Timestamp) -> Result<(), PlanError> {
        match self.state_at(at) {
            PlanState::Open => Ok(()),
            PlanState::Expired => Err(PlanError::Expired),
            state @ (PlanState::Committed | PlanState::Stale | PlanState::Cancelled) => {
                Err(PlanError::NotOpen(state))
            }
        }
    }

    /// The plan one step further.
    pub(crate) fn moved(&self, state: PlanState, batch: Option<BatchId>, at: Timestamp) -> Self {
        Self { state, batch, version: self.version + 1, updated_at: at, ..self.clone() }
    }
}

#[cfg(test)]
mod tests;
