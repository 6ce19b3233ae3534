//! What an issue may do, told a second time from product.md and from nothing else.

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

/// How an issue goes on when nothing goes wrong, in its order.
const WAY: [&str; 8] =
    ["draft", "open", "triaged", "in_progress", "exported", "fix_shipped", "verified", "closed"];
const NEGATIVE_ENDS: [&str; 4] = ["duplicate", "rejected", "cant_reproduce", "wont_fix"];
/// What may be left out on the way: facts about the repair.
const SKIPPED: [&str; 3] = ["in_progress", "exported", "fix_shipped"];

/// Most issues of one run.
const MOST: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Admin,
    /// Another admin.
    Second,
    /// A member without a say.
    Tester,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Review {
    Pending,
    Approved,
    Rejected,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issue {
    pub(crate) reporter: Who,
    pub(crate) status: &'static str,
    pub(crate) review: Review,
    pub(crate) paid: bool,
    pub(crate) verified_by: Option<Who>,
    pub(crate) duplicate_of: Option<usize>,
}

/// A cycle and what is in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cycle {
    pub(crate) gate: Option<bool>,
    pub(crate) issues: Vec<Issue>,
    /// What the last call was answered: nothing, or a refusal for each issue that it was about.
    pub(crate) answer: Vec<Option<Refusal>>,
}

/// A status of HTTP and a reason.
pub(crate) type Refusal = (u16, &'static str);

const INVALID: Refusal = (409, "INVALID_TRANSITION");
const ROLE: Refusal = (403, "ROLE_REQUIRED");
const FIELD: Refusal = (400, "INVALID_FIELD");
const UNSEEN: Refusal = (404, "ISSUE_NOT_FOUND");
const SELF: Refusal = (403, "SELF_APPROVAL");

#[derive(Clone, Debug)]
pub(crate) enum Call {
    File { who: Who, draft: bool },
    Move { who: Who, issue: usize, to: &'static str, reason: bool },
    Duplicate { who: Who, issue: usize, of: usize },
    Approve { who: Who, issue: usize },
    Reject { who: Who, issue: usize },
    Decide { who: Who, issue: usize, approve: bool },
    Verify { who: Who, issues: Vec<usize> },
    Gate { on: Option<bool> },
    Pay { who: Who, issue: usize },
}

impl Issue {
    pub(crate) fn payout_status(&self) -> &'static str {
        match (self.paid, self.review) {
            (true, _) => "paid",
            (false, Review::Pending) => "pending",
            (false, Review::Approved) => "approved",
            (false, Review::Rejected) => "rejected",
        }
    }

    pub(crate) fn is_verified(&self) -> bool {
        matches!(self.status, "verified" | "closed")
    }

    fn is_ended(&self) -> bool {
        NEGATIVE_ENDS.contains(&self.status)
    }

    fn may_go(&self, to: &str) -> bool {
        if self.is_ended() {
            return to == "open";
        }
        if NEGATIVE_ENDS.contains(&to) {
            return !self.paid && self.status != "closed";
        }
        if self.status == "verified" && (to == "triaged" || to == "in_progress") {
            return true;
        }
        let place = |status: &str| WAY.iter().position(|each| *each == status).unwrap();
        let (from, to) = (place(self.status), place(to));
        from < to && WAY[from + 1..to].iter().all(|between| SKIPPED.contains(between))
    }

    fn go(&mut self, who: Who, to: &'static str, reason: bool) -> Result<(), Refusal> {
        let hands_in = self.status == "draft" && to == "open";
        if who == Who::Tester && !(hands_in && self.reporter == who) {
            return Err(if self.reporter == who { ROLE } else { UNSEEN });
        }
        if !self.may_go(to) {
            return Err(INVALID);
        }
        if self.is_ended() {
            if !reason {
                return Err(FIELD);
            }
            self.review = Review::Pending;
        }
        self.status = to;
        if self.is_ended() {
            self.review = Review::Rejected;
        }
        if !self.is_verified() {
            self.verified_by = None;
        } else if self.verified_by.is_none() {
            self.verified_by = Some(who);
        }
        self.duplicate_of = None;
        Ok(())
    }

    fn approve(&mut self, who: Who) -> Result<(), Refusal> {
        if who == Who::Tester {
            return Err(ROLE);
        }
        if self.reporter == who {
            return Err(SELF);
        }
        if self.paid || self.review != Review::Pending || self.status == "draft" {
            return Err(INVALID);
        }
        self.review = Review::Approved;
        if self.status == "open" {
            self.status = "triaged";
        }
        Ok(())
    }

    fn reject(&mut self, who: Who) -> Result<(), Refusal> {
        if who == Who::Tester {
            return Err(ROLE);
        }
        if self.paid || self.review == Review::Rejected {
            return Err(INVALID);
        }
        self.review = Review::Rejected;
        Ok(())
    }

    fn decide(&mut self, who: Who, approve: bool) -> Result<(), Refusal> {
        if who == Who::Tester {
            return Err(ROLE);
        }
        if self.payout_status() != "pending" {
            return Err(INVALID);
        }
        if approve { self.approve(who) } else { self.go(who, "rejected", false) }
    }

    fn pay(&mut self, who: Who, gate: bool) -> Result<(), Refusal> {
        if who == Who::Tester {
            return Err(ROLE);
        }
        let unpriced = self.paid || self.review != Review::Approved;
        let blocked = !self.paid && gate && !self.is_verified();
        match (unpriced, blocked, self.reporter == who) {
            (false, false, false) => self.paid = true,
            (false, true, false) => return Err((400, "ISSUE_NOT_VERIFIED")),
            (false, false, true) => return Err(SELF),
            (_, _, _) => return Err((409, "NOT_PAYABLE")),
        }
        Ok(())
    }
}

impl Cycle {
    /// What is allowed now, or would be but for being closed: by mere chance few runs get far.
    fn moves(&self) -> Vec<(usize, &'static str)> {
        let mut moves = Vec::new();
        for (number, issue) in self.issues.iter().enumerate() {
            // Ends are many and everywhere; the way to the last stage is long.
            let all = WAY.iter().cycle().take(WAY.len() * 6).chain(&NEGATIVE_ENDS);
            moves.extend(all.filter(|to| issue.may_go(to)).map(|to| (number, *to)));
            if issue.status == "closed" {
                moves.extend(
                    ["triaged", "verified", "duplicate", "wont_fix"].map(|to| (number, to)),
                );
            }
        }
        moves
    }

    fn call(&mut self, call: &Call) -> Result<(), Refusal> {
        let gate = self.gate.unwrap_or(false);
        match *call {
            Call::File { who, draft } => {
                self.issues.push(Issue {
                    reporter: who,
                    status: if draft { "draft" } else { "open" },
                    review: Review::Pending,
                    paid: false,
                    verified_by: None,
                    duplicate_of: None,
                });
                Ok(())
            }
            Call::Move { who, issue, to, reason } => self.issues[issue].go(who, to, reason),
            Call::Duplicate { who, issue, of } => self.repeat(who, issue, of),
            Call::Approve { who, issue } => self.issues[issue].approve(who),
            Call::Reject { who, issue } => self.issues[issue].reject(who),
            Call::Decide { who, issue, approve } => self.issues[issue].decide(who, approve),
            Call::Verify { .. } => Ok(()),
            Call::Gate { on } => {
                self.gate = on;
                Ok(())
            }
            Call::Pay { who, issue } => self.issues[issue].pay(who, gate),
        }
    }

    fn repeat(&mut self, who: Who, issue: usize, of: usize) -> Result<(), Refusal> {
        let mut ended = self.issues[issue].clone();
        ended.go(who, "duplicate", true)?;
        if issue == of {
            return Err(FIELD);
        }
        let mut original = Some(of);
        while let Some(next) = original {
            if next == issue {
                return Err((409, "DUPLICATE_LOOP"));
            }
            original = self.issues[next].duplicate_of;
        }
        ended.duplicate_of = Some(of);
        self.issues[issue] = ended;
        Ok(())
    }

    /// Several issues in one call, each for itself.
    fn verify(&mut self, who: Who, issues: &[usize]) -> Vec<Option<Refusal>> {
        if who == Who::Tester {
            return vec![Some(ROLE); issues.len()];
        }
        issues.iter().map(|issue| self.issues[*issue].go(who, "verified", false).err()).collect()
    }
}

/// The model as proptest walks it.
pub(crate) struct Model;

fn anyone() -> impl Strategy<Value = Who> + Clone {
    prop_oneof![6 => Just(Who::Admin), 3 => Just(Who::Second), 1 => Just(Who::Tester)]
}

fn statuses() -> impl Strategy<Value = &'static str> {
    let onward = proptest::sample::select(WAY[1..].to_vec());
    let any: Vec<_> = WAY.iter().chain(&NEGATIVE_ENDS).copied().collect();
    prop_oneof![3 => onward, 2 => proptest::sample::select(any)]
}

impl ReferenceStateMachine for Model {
    type State = Cycle;
    type Transition = Call;

    fn init_state() -> BoxedStrategy<Cycle> {
        Just(Cycle::default()).boxed()
    }

    fn transitions(cycle: &Cycle) -> BoxedStrategy<Call> {
        let reporter = prop_oneof![3 => Just(Who::Tester), 1 => Just(Who::Admin)];
        let file = (reporter, proptest::bool::weighted(0.3))
            .prop_map(|(who, draft)| Call::File { who, draft });
        let count = cycle.issues.len();
        if count == 0 {
            return file.boxed();
        }
        let filing = u32::from(count < MOST) * 3;
        let issue = || 0..count;
        let several = proptest::sample::subsequence((0..count).collect::<Vec<_>>(), 1..=count);
        prop_oneof![
            filing => file,
            5 => (anyone(), issue(), statuses(), any::<bool>())
                .prop_map(|(who, issue, to, reason)| Call::Move { who, issue, to, reason }),
            10 => (anyone(), proptest::sample::select(cycle.moves()), proptest::bool::weighted(0.8))
                .prop_map(|(who, (issue, to), reason)| Call::Move { who, issue, to, reason }),
            3 => (anyone(), issue(), issue())
                .prop_map(|(who, issue, of)| Call::Duplicate { who, issue, of }),
            3 => (anyone(), issue()).prop_map(|(who, issue)| Call::Approve { who, issue }),
            2 => (anyone(), issue()).prop_map(|(who, issue)| Call::Reject { who, issue }),
            3 => (anyone(), issue(), proptest::bool::weighted(0.8))
                .prop_map(|(who, issue, approve)| Call::Decide { who, issue, approve }),
            3 => (anyone(), several).prop_map(|(who, issues)| Call::Verify { who, issues }),
            2 => any::<Option<bool>>().prop_map(|on| Call::Gate { on }),
            4 => (anyone(), issue()).prop_map(|(who, issue)| Call::Pay { who, issue }),
        ]
        .boxed()
    }

    fn preconditions(cycle: &Cycle, call: &Call) -> bool {
        let count = cycle.issues.len();
        match call {
            Call::File { .. } => count < MOST,
            Call::Gate { .. } => true,
            Call::Move { issue, .. }
            | Call::Approve { issue, .. }
            | Call::Reject { issue, .. }
            | Call::Decide { issue, .. }
            | Call::Pay { issue, .. } => *issue < count,
            Call::Duplicate { issue, of, .. } => *issue < count && *of < count,
            Call::Verify { issues, .. } => issues.iter().all(|issue| *issue < count),
        }
    }

    fn apply(mut cycle: Cycle, call: &Call) -> Cycle {
        cycle.answer = if let Call::Verify { who, issues } = call {
            cycle.verify(*who, issues)
        } else {
            vec![cycle.call(call).err()]
        };
        cycle
    }
}
