//! The published language: every event on the bus, as CloudEvents 1.0 JSON.
//!
//! An event carries the **whole state of its entity and its version**: a consumer keeps it when it
//! is newer than what it has, so that duplicates and reorderings change nothing. Fields may be
//! added; none may change its meaning or vanish. `docs/events.md` lists who publishes what, and
//! `schemas/` holds a JSON Schema for each payload, held against these types by a test.

mod bounty;
mod charge;
mod envelope;
mod payload;

pub use bounty::{BountyState, ClaimState, PointsState, ProfitAllocation, ProfitPeriodState};
pub use charge::{ChargeState, PreFundMove};
pub use envelope::{DecodeError, Envelope, SPEC_VERSION, decode, encode};
pub use payload::{
    BatchCompleted, CommissionState, CycleState, EarningState, GateBlocked, HoldState, IssueState,
    JobCompleted, MemberState, Payload, PayoutFailed, PayoutState, PlanNetting, PlanState,
    PlanTotal, ProductState, Rates, ReceivableState, ScheduleState,
};

/// The event types, which are the routing keys too.
pub mod kind {
    macro_rules! kinds {
        ($($name:ident = $text:literal),+ $(,)?) => {
            $(pub const $name: &str = $text;)+
            /// All event types.
            pub const ALL: &[&str] = &[$($text),+];
        };
    }

    kinds! {
        MEMBER_UPDATED = "member.updated",
        PRODUCT_UPDATED = "product.updated",
        CYCLE_UPDATED = "cycle.updated",
        ISSUE_CREATED = "issue.created",
        ISSUE_UPDATED = "issue.updated",
        ISSUE_TRIAGED = "issue.triaged",
        ISSUE_APPROVED = "issue.approved",
        ISSUE_REJECTED = "issue.rejected",
        ISSUE_VERIFIED = "issue.verified",
        ISSUE_UNVERIFIED = "issue.unverified",
        ISSUE_CLOSED = "issue.closed",
        BOUNTY_CREATED = "bounty.created",
        BOUNTY_UPDATED = "bounty.updated",
        BOUNTY_CLOSED = "bounty.closed",
        CLAIM_CREATED = "claim.created",
        CLAIM_UPDATED = "claim.updated",
        CLAIM_EXPIRED = "claim.expired",
        POINTS_GRANTED = "points.granted",
        POINTS_REVOKED = "points.revoked",
        PROFIT_PERIOD_DISTRIBUTED = "profit_period.distributed",
        EARNING_APPROVED = "earning.approved",
        EARNING_REJECTED = "earning.rejected",
        EARNING_VOIDED = "earning.voided",
        COMMISSION_CREATED = "commission.created",
        EARNING_RETURNED = "earning.returned",
        EARNING_NETTED = "earning.netted",
        EARNING_PAID = "earning.paid",
        RECEIVABLE_NETTED = "receivable.netted",
        PAYOUT_CREATED = "payout.created",
        PAYOUT_APPROVED = "payout.approved",
        PAYOUT_REJECTED = "payout.rejected",
        PAYOUT_PROCESSING = "payout.processing",
        PAYOUT_UNKNOWN = "payout.unknown",
        PAYOUT_PAID = "payout.paid",
        PAYOUT_ISSUE_PAID = "payout.issue_paid",
        PAYOUT_FAILED = "payout.failed",
        PAYOUT_VOIDED = "payout.voided",
        PAYOUT_RETURNED = "payout.returned",
        PAYOUT_CANCELLED = "payout.cancelled",
        PAYOUT_GATE_BLOCKED = "payout.gate_blocked",
        CHARGE_SUCCEEDED = "charge.succeeded",
        CHARGE_FAILED = "charge.failed",
        CHARGE_REFUNDED = "charge.refunded",
        PRE_FUND_DRAWN = "pre_fund.drawn",
        PRE_FUND_RETURNED = "pre_fund.returned",
        PRE_FUND_LOW = "pre_fund.low",
        BATCH_COMPLETED = "batch.completed",
        BATCH_PARTIALLY_COMPLETED = "batch.partially_completed",
        BATCH_FAILED = "batch.failed",
        PLAN_CREATED = "plan.created",
        PLAN_COMMITTED = "plan.committed",
        PLAN_STALE = "plan.stale",
        PLAN_APPROVED = "plan.approved",
        JOB_COMPLETED = "job.completed",
        SCHEDULE_CREATED = "payout_schedule.created",
        SCHEDULE_UPDATED = "payout_schedule.updated",
        SCHEDULE_TRIGGERED = "payout_schedule.triggered",
        SCHEDULE_PROCESSING = "payout_schedule.processing",
        SCHEDULE_PROCESSED = "payout_schedule.processed",
        SCHEDULE_FAILED = "payout_schedule.failed",
        SCHEDULE_CANCELLED = "payout_schedule.cancelled",
        HOLD_CREATED = "escrow_hold.created",
        HOLD_UPDATED = "escrow_hold.updated",
        HOLD_RELEASED = "escrow_hold.released",
        HOLD_AUTO_RELEASED = "escrow_hold.auto_released",
        HOLD_CANCELLED = "escrow_hold.cancelled",
    }
}

/// Who listens: one durable queue per consumer.
pub mod queue {
    /// A consumer's queue and the event types (or patterns of them) that reach it.
    #[derive(Clone, Copy, Debug)]
    pub struct Queue {
        pub name: &'static str,
        pub kinds: &'static [&'static str],
    }

    /// Issues mirrors what payouts has paid, and tells people what became of their money.
    pub const ISSUES: Queue = Queue {
        name: "issues.payouts",
        kinds: &[
            "payout.issue_paid",
            "earning.voided",
            "earning.returned",
            "payout.approved",
            "payout.rejected",
            "payout.paid",
            "payout.failed",
            "payout_schedule.failed",
            "charge.failed",
        ],
    };
    /// Payouts keeps earnings of what was approved.
    pub const PAYOUTS: Queue = Queue { name: "payouts.issues", kinds: &["issue.*"] };
    /// Balance projects everything about people's money.
    pub const BALANCE: Queue = Queue {
        name: "balance.projections",
        kinds: &[
            "issue.*",
            "payout.*",
            "earning.*",
            "receivable.*",
            "commission.created",
            "charge.*",
            "pre_fund.*",
            "cycle.updated",
            "member.updated",
        ],
    };

    /// Issues tells the webhooks of organizations.
    pub const WEBHOOKS: Queue = Queue {
        name: "issues.webhooks",
        kinds: &[
            "issue.*",
            "bounty.*",
            "claim.*",
            "points.*",
            "profit_period.*",
            "earning.*",
            "receivable.*",
            "commission.*",
            "payout.*",
            "batch.*",
            "plan.*",
            "payout_schedule.*",
            "escrow_hold.*",
            "charge.*",
            "pre_fund.*",
            "cycle.updated",
            "product.updated",
            "member.updated",
        ],
    };

    pub const ALL: &[Queue] = &[ISSUES, PAYOUTS, BALANCE, WEBHOOKS];
}
