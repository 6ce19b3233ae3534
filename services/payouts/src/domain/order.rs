//! What somebody asks to be paid, checked before anything is read.

use std::collections::HashSet;

use quittance_kernel::{CycleId, IssueId, MemberId, Method};

/// The most issues that one request may pay.
pub(crate) const MAX_ISSUES: usize = 10_000;

/// The longest reference of a payment, in characters.
pub(crate) const MAX_REFERENCE: usize = 200;

/// Which way of paying asks; the word is part of `payout.gate_blocked` (S1-25).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    BatchPay,
    Manual,
    RunBatch,
}

impl Source {
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::BatchPay => "batch_pay",
            Self::Manual => "manual",
            Self::RunBatch => "run_batch",
        }
    }
}

/// What to do when something cannot be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnBlocked {
    /// Refuse everything.
    Fail,
    /// Pay the rest.
    Skip,
}

/// Issues to be paid in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// When given, all issues must be this member's.
    pub payee: Option<MemberId>,
    pub issues: Vec<IssueId>,
    pub method: Method,
    pub reference: String,
}

/// A checked request: it has an issue, none twice, and each group could be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    groups: Vec<Group>,
    cycle: Option<CycleId>,
    source: Source,
    on_blocked: OnBlocked,
    /// Whether what the payees owe is kept back.
    net: bool,
}

/// What is wrong with a request, whatever the issues in it are like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    #[error("{field} must not be empty")]
    Empty { field: String },
    #[error("a batch pays at most {MAX_ISSUES} issues, not {0}")]
    TooLarge(usize),
    #[error("issue {issue} is in the batch more than once")]
    Duplicate { field: String, issue: IssueId },
    #[error("{method} payments are not recorded by hand, nor beside those that are")]
    NotManual { field: String, method: Method },
    #[error("{field} {detail}")]
    Reference { field: String, detail: &'static str },
}

impl Order {
    /// Checks a batch. Fields are named as the request names them, such as `groups[2].reference`.
    pub(crate) fn batch(mut groups: Vec<Group>, on_blocked: OnBlocked) -> Result<Self, OrderError> {
        if groups.is_empty() {
            return Err(OrderError::Empty { field: "groups".to_owned() });
        }
        let count = groups.iter().map(|group| group.issues.len()).sum();
        if count > MAX_ISSUES {
            return Err(OrderError::TooLarge(count));
        }
        // Said by name (product.md, rule 5): a batch is recorded or executed, by its first group.
        let mut executes = None;
        for (index, group) in groups.iter_mut().enumerate() {
            if group.issues.is_empty() {
                return Err(OrderError::Empty { field: format!("groups[{index}].issue_ids") });
            }
            let path = format!("groups[{index}].");
            if *executes.get_or_insert(!group.method.is_manual()) {
                check_provider(group, &path)?;
            } else {
                check_rail(group, &path)?;
            }
        }
        refuse_duplicates(&groups, count)?;
        Ok(Self { groups, cycle: None, source: Source::BatchPay, on_blocked, net: false })
    }

    /// Checks a single payment. With a cycle, the issue must be in it.
    pub(crate) fn single(mut group: Group, cycle: Option<CycleId>) -> Result<Self, OrderError> {
        check_rail(&mut group, "")?;
        let (source, on_blocked) = (Source::Manual, OnBlocked::Fail);
        Ok(Self { groups: vec![group], cycle, source, on_blocked, net: false })
    }

    /// Checks a run: it pays whatever is found, so that its issues are named later, and always
    /// skips what cannot be paid.
    pub(crate) fn run(mut group: Group, cycle: Option<CycleId>) -> Result<Self, OrderError> {
        check_rail(&mut group, "")?;
        let (source, on_blocked) = (Source::RunBatch, OnBlocked::Skip);
        Ok(Self { groups: vec![group], cycle, source, on_blocked, net: false })
    }

    /// The same, keeping back what the payees owe, or not.
    #[must_use]
    pub(crate) fn netting(self, net: bool) -> Self {
        Self { net, ..self }
    }

    /// The provider's method, if one is to move the money.
    #[must_use]
    pub(crate) fn executed_by(&self) -> Option<Method> {
        self.groups.first().map(|group| group.method).filter(|method| !method.is_manual())
    }

    #[must_use]
    pub(crate) fn nets(&self) -> bool {
        self.net
    }

    /// The same, over these issues. For orders of one group.
    #[must_use]
    pub(crate) fn over(&self, issues: Vec<IssueId>) -> Self {
        let mut order = self.clone();
        if let Some(group) = order.groups.first_mut() {
            group.issues = issues;
        }
        order
    }

    #[must_use]
    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    #[must_use]
    pub(crate) fn cycle(&self) -> Option<CycleId> {
        self.cycle
    }

    #[must_use]
    pub(crate) fn source(&self) -> Source {
        self.source
    }

    #[must_use]
    pub(crate) fn on_blocked(&self) -> OnBlocked {
        self.on_blocked
    }

    /// All issues, in the order of the request.
    pub(crate) fn issues(&self) -> impl Iterator<Item = IssueId> + '_ {
        self.groups.iter().flat_map(|group| group.issues.iter().copied())
    }
}

fn check_rail(group: &mut Group, path: &str) -> Result<(), OrderError> {
    if !group.method.is_manual() {
        let field = format!("{path}method");
        return Err(OrderError::NotManual { field, method: group.method });
    }
    check_reference(group, path)
}

fn check_reference(group: &mut Group, path: &str) -> Result<(), OrderError> {
    let refused = |detail| OrderError::Reference { field: format!("{path}reference"), detail };
    let trimmed = group.reference.trim();
    if trimmed.is_empty() {
        return Err(refused("must not be empty"));
    }
    if trimmed.chars().count() > MAX_REFERENCE {
        return Err(refused("must have at most 200 characters"));
    }
    if trimmed.chars().any(char::is_control) {
        return Err(refused("must not contain control characters"));
    }
    if trimmed.len() != group.reference.len() {
        group.reference = trimmed.to_owned();
    }
    Ok(())
}

/// A provider names its transfers itself; a reference of ours may be left empty.
fn check_provider(group: &mut Group, path: &str) -> Result<(), OrderError> {
    if group.method.is_manual() {
        let field = format!("{path}method");
        return Err(OrderError::NotManual { field, method: group.method });
    }
    group.reference = group.reference.trim().to_owned();
    if group.reference.is_empty() { Ok(()) } else { check_reference(group, path) }
}

fn refuse_duplicates(groups: &[Group], count: usize) -> Result<(), OrderError> {
    let mut seen = HashSet::with_capacity(count);
    for (index, group) in groups.iter().enumerate() {
        for (place, issue) in group.issues.iter().enumerate() {
            if !seen.insert(*issue) {
                let field = format!("groups[{index}].issue_ids[{place}]");
                return Err(OrderError::Duplicate { field, issue: *issue });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
