//! From an order, the facts and our own earnings to what is paid and what is not.

use std::collections::HashMap;

use quittance_kernel::{CycleId, EarningId, IssueId, MemberId, Money};

use super::earning::{Earning, EarningStatus};
use super::eligibility::{Candidate, Facts, Reason, eligible};
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
}

/// The issues of an order, told apart.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// In the order of the request.
    pub payable: Vec<Payable>,
    pub excluded: Vec<Excluded>,
}

/// Decides about each issue of an order, by [`eligible`] alone.
#[must_use]
pub(crate) fn decide(order: &Order, known: &Known, payer: MemberId) -> Verdict {
    let mut verdict = Verdict::default();
    for (group, asked) in order.groups().iter().enumerate() {
        for issue in &asked.issues {
            let facts = known.facts.get(issue);
            let onboarded = known.accounts.as_ref().is_none_or(|accounts| {
                facts.is_some_and(|facts| accounts.contains_key(&facts.reporter))
            });
            let candidate = Candidate {
                issue: *issue,
                facts,
                earning: known.earnings.get(issue),
                payer,
                payee: asked.payee,
                cycle: order.cycle(),
                onboarded,
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
    verdict
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
