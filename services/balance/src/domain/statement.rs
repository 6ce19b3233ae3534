//! A statement of a payee: what was owed and paid when a period began, what moved in it, and what
//! was owed and paid when it ended.

use std::collections::BTreeMap;

use quittance_kernel::{Currency, CycleId, IssueId, MemberId, Method, Timestamp};
use uuid::Uuid;

use super::history::Told;
use super::line::{Earning, Line};
use super::period::Period;
use super::sums::{OutOfRange, Sums};

/// One thing that moved something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatementLine {
    pub(crate) at: Timestamp,
    pub(crate) event: Uuid,
    /// The type of the event.
    pub(crate) kind: String,
    pub(crate) issue: IssueId,
    pub(crate) title: String,
    pub(crate) cycle: CycleId,
    pub(crate) currency: Currency,
    pub(crate) change: Sums,
    pub(crate) rule: String,
    pub(crate) method: Option<Method>,
    pub(crate) reference: String,
}

/// Opening, lines and closing. The closing of a period is the opening of the one after it, since
/// both are the sum of everything that happened before the same instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) period: Period,
    pub(crate) opening: BTreeMap<Currency, Sums>,
    /// In the order in which they happened.
    pub(crate) lines: Vec<StatementLine>,
    pub(crate) closing: BTreeMap<Currency, Sums>,
}

impl Statement {
    pub(crate) fn new(period: Period) -> Self {
        Self { period, opening: BTreeMap::new(), lines: Vec::new(), closing: BTreeMap::new() }
    }

    /// Takes account of one issue. `told` is in the order in which it happened.
    pub(crate) fn add(
        &mut self,
        member: MemberId,
        issue: IssueId,
        title: &str,
        told: &[Told],
    ) -> Result<(), OutOfRange> {
        let mut line = Line::default();
        for told in told.iter().take_while(|told| told.at < self.period.to) {
            let before = owned(&line, member);
            line.apply(&told.part);
            let after = owned(&line, member);
            let mut changes: BTreeMap<Currency, (CycleId, Sums)> = BTreeMap::new();
            if let Some((cycle, currency, sums)) = before {
                changes.insert(currency, (cycle, Sums::default().minus(sums)?));
            }
            if let Some((cycle, currency, sums)) = after {
                let change = changes.entry(currency).or_insert((cycle, Sums::default()));
                *change = (cycle, change.1.plus(sums)?);
            }
            for (currency, (cycle, change)) in changes {
                if change.is_zero() {
                    continue;
                }
                grow(&mut self.closing, currency, change)?;
                if told.at < self.period.from {
                    grow(&mut self.opening, currency, change)?;
                    continue;
                }
                let payment = line.earning.as_ref().and_then(Earning::payment);
                self.lines.push(StatementLine {
                    at: told.at,
                    event: told.event,
                    kind: told.kind.clone(),
                    issue,
                    title: title.to_owned(),
                    cycle,
                    currency,
                    change,
                    rule: line.filing.as_ref().and_then(|f| f.rule.clone()).unwrap_or_default(),
                    method: payment.and_then(|payment| payment.method),
                    reference: payment.and_then(|p| p.reference.clone()).unwrap_or_default(),
                });
            }
        }
        Ok(())
    }

    /// Puts the lines in order once all issues were added.
    pub(crate) fn sorted(mut self) -> Self {
        self.lines.sort_by_key(|line| (line.at, line.issue));
        self.opening.retain(|_, sums| !sums.is_zero());
        self.closing.retain(|_, sums| !sums.is_zero());
        self
    }
}

/// What is a member's of a line.
fn owned(line: &Line, member: MemberId) -> Option<(CycleId, Currency, Sums)> {
    let (of, cycle, currency, sums) = line.contribution().money?;
    (of == member).then_some((cycle, currency, sums))
}

fn grow(
    sums: &mut BTreeMap<Currency, Sums>,
    currency: Currency,
    change: Sums,
) -> Result<(), OutOfRange> {
    let sum = sums.entry(currency).or_default();
    *sum = sum.plus(change)?;
    Ok(())
}

#[cfg(test)]
mod tests;
