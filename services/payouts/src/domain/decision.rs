//! From an order, the facts and our own earnings to what is paid and what is not.

use std::collections::HashMap;

use quittance_kernel::{CycleId, EarningId, IssueId, MemberId, Money};

use super::earning::{Earning, EarningStatus};
use super::eligibility::{Candidate, Facts, Reason, eligible};
use super::limits::Limits;
use super::order::Order;

/// An issue that is not paid, with every reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excluded {
    pub issue: IssueId,
    pub reasons: Vec<Reason>,
}

impl Excluded {
    /// Whether the verification gate stands against it (S1-28).
    #[must_use]
    pub(crate) fn by_gate(&self) -> bool {
        self.reasons.contains(&Reason::GateNotVerified)
    }
}

/// The earning row as it was when the decision was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Was {
    pub version: i64,
    pub status: EarningStatus,
    pub amount: Money,
}

/// An issue that may be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payable {
    pub earning: EarningId,
    /// Absent when payment overtook the event that announces the approval: the row is made paid.
    pub was: Option<Was>,
    pub issue: IssueId,
    pub cycle: CycleId,
    pub payee: MemberId,
    pub amount: Money,
    pub source_version: i64,
    /// The place of its group in the order.
    pub group: usize,
}

/// What is known of the issues of an order.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub facts: HashMap<IssueId, Facts>,
    pub earnings: HashMap<IssueId, Earning>,
    /// Where a provider pays to; absent when a person moves the money.
    pub accounts: Option<HashMap<MemberId, String>>,
    pub limits: Limits,
}

/// The issues of an order, told apart.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// In the order of the request.
    pub payable: Vec<Payable>,
    pub excluded: Vec<Excluded>,
}

/// Decides about each issue of an order by [`eligible`], then about the sums that come of it.
#[must_use]
pub(crate) fn decide(order: &Order, known: &Known, payer: MemberId) -> Verdict {
    let mut verdict = Verdict::default();
    for (group, asked) in order.groups().iter().enumerate() {
        for issue in &asked.issues {
            let facts = known.facts.get(issue);
            let onboarded = known.accounts.as_ref().is_none_or(|accounts| {
                facts.is_some_and(|facts| accounts.contains_key(&facts.reporter))
            });
            let cooling = facts.is_some_and(|facts| {
                known.limits.cooling.contains(&(facts.reporter, asked.method))
            });
            let candidate = Candidate {
                issue: *issue,
                facts,
                earning: known.earnings.get(issue),
                payer,
                payee: asked.payee,
                cycle: order.cycle(),
                onboarded,
                cooling,
            };
            let reasons = eligible(&candidate);
            match (reasons.is_empty(), payable(&candidate, group)) {
                (true, Some(payable)) => verdict.payable.push(payable),
                (true, None) | (false, _) => {
                    verdict.excluded.push(Excluded { issue: *issue, reasons });
                }
            }
        }
    }
    reaching_minimum(order, &known.limits, verdict)
}

/// Leaves out what would be paid in sums that are too small: as payouts are grouped, one per payee,
/// currency, method and reference.
fn reaching_minimum(order: &Order, limits: &Limits, verdict: Verdict) -> Verdict {
    if limits.minimums.is_empty() {
        return verdict;
    }
    let transfer = |paid: &Payable| {
        let group = order.groups().get(paid.group)?;
        Some((paid.payee, paid.amount.currency(), group.method, group.reference.as_str()))
    };
    let mut sums: HashMap<_, i64> = HashMap::new();
    for paid in &verdict.payable {
        let sum = sums.entry(transfer(paid)).or_default();
        // Beyond the range there is no minimum; the total is refused later.
        *sum = sum.saturating_add(paid.amount.minor());
    }
    let too_small = |paid: &Payable| {
        transfer(paid).is_some_and(|(_, currency, method, _)| {
            let sum = sums.get(&transfer(paid)).copied().unwrap_or_default();
            limits.is_below(sum, currency, method)
        })
    };
    let Verdict { payable, mut excluded } = verdict;
    let (small, payable): (Vec<_>, Vec<_>) = payable.into_iter().partition(too_small);
    let left_out =
        |paid: Payable| Excluded { issue: paid.issue, reasons: vec![Reason::BelowMinimum] };
    excluded.extend(small.into_iter().map(left_out));
    Verdict { payable, excluded }
}

fn payable(candidate: &Candidate<'_>, group: usize) -> Option<Payable> {
    let (facts, amount) = (candidate.known()?, candidate.price()?);
    let was = candidate.earning.map(|earning| Was {
        version: earning.version,
        status: earning.status,
        amount: earning.amount,
    });
    let heard = candidate.earning.map_or(0, |earning| earning.source_version);
    Some(Payable {
        earning: candidate.earning.map_or_else(EarningId::new, |earning| earning.id),
        was,
        issue: candidate.issue,
        cycle: facts.cycle,
        payee: facts.reporter,
        amount,
        source_version: facts.version.max(heard),
        group,
    })
}
