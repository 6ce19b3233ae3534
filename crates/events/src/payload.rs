//! The payloads: one type per entity, whichever of its events carries it.

use quittance_kernel::{IssueStatus, Method, PayoutStatus, Severity, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bounty::{BountyState, ClaimState, PointsState, ProfitPeriodState};
use crate::charge::{ChargeState, PreFundMove};

/// What an event can carry.
pub trait Payload: Serialize {
    /// Name of the JSON Schema.
    const SCHEMA: &'static str;
    /// The entity that the event is about.
    fn subject(&self) -> Uuid;
}

macro_rules! payloads {
    ($($type:ident, $schema:literal, $id:ident;)+) => {$(
        impl Payload for $type {
            const SCHEMA: &'static str = $schema;
            fn subject(&self) -> Uuid { self.$id }
        }
    )+};
}

payloads! {
    MemberState, "member", member_id;
    ProductState, "product", product_id;
    CycleState, "cycle", cycle_id;
    IssueState, "issue", issue_id;
    EarningState, "earning", earning_id;
    PayoutState, "payout", payout_id;
    PayoutFailed, "payout_failed", payout_id;
    CommissionState, "commission", commission_id;
    ReceivableState, "receivable", payout_id;
    GateBlocked, "gate_blocked", issue_id;
    BatchCompleted, "batch", batch_id;
    PlanState, "plan", plan_id;
    JobCompleted, "job", run_id;
    ScheduleState, "payout_schedule", schedule_id;
    HoldState, "escrow_hold", hold_id;
    BountyState, "bounty", bounty_id;
    ClaimState, "claim", claim_id;
    PointsState, "points", grant_id;
    ProfitPeriodState, "profit_period", profit_period_id;
    ChargeState, "charge", charge_id;
    PreFundMove, "pre_fund", move_id;
}

/// `member.updated`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberState {
    pub member_id: Uuid,
    pub version: i64,
    pub name: String,
    pub email: String,
    pub roles: Vec<String>,
}

/// `product.updated`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProductState {
    pub product_id: Uuid,
    pub version: i64,
    pub name: String,
    pub key: String,
    pub requires_verification: Option<bool>,
    pub platform_fee_bps: i32,
    /// Points of the reward pool.
    #[serde(default)]
    pub capacity_points: i64,
}

/// The rates that hold in a cycle after its overrides, in minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rates {
    pub currency: String,
    pub critical: i64,
    pub high: i64,
    pub medium: i64,
    pub low: i64,
}

/// `cycle.updated`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CycleState {
    pub cycle_id: Uuid,
    pub version: i64,
    pub product_id: Uuid,
    pub name: String,
    /// Whether issues may be filed.
    pub open: bool,
    /// The cycle's own switch; absent means "as the product says".
    pub requires_verification: Option<bool>,
    pub rates: Rates,
}

/// `issue.created`, `.updated`, `.triaged`, `.approved`, `.rejected`, `.verified` (S1-26),
/// `.unverified` (S1-27), `.closed`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IssueState {
    pub issue_id: Uuid,
    pub version: i64,
    pub number: String,
    pub product_id: Uuid,
    pub cycle_id: Uuid,
    pub reporter_id: Uuid,
    pub title: String,
    #[schemars(with = "String")]
    pub severity: Severity,
    #[schemars(with = "String")]
    pub status: IssueStatus,
    /// The review alone: `pending`, `approved` or `rejected`. Payments are told by `payout.*`.
    #[schemars(with = "String")]
    pub review: PayoutStatus,
    /// Set once approved.
    pub amount_minor: Option<i64>,
    pub currency: Option<String>,
    /// The rule that priced it, such as `default rate, high`.
    pub rule: Option<String>,
    pub decided_by: Option<Uuid>,
    pub decided_at: Option<Timestamp>,
    pub reason: Option<String>,
    pub verified_by: Option<Uuid>,
    pub resolved_at: Option<Timestamp>,
    /// Only in `issue.unverified`: where the revert went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub reverted_to_status: Option<IssueStatus>,
    pub filed_at: Timestamp,
    /// While it is a duplicate: the issue that it repeats, when somebody said which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<Uuid>,
    /// The bounty that the work was handed in for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounty_id: Option<Uuid>,
    /// Once approved for points; there is no amount then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<i64>,
}

/// `earning.approved`, `.rejected`, `.voided`, `.returned`, `.netted`, `.paid` and
/// `payout.issue_paid` (S1-9). Of a schedule, `issue_id` is the schedule and `cycle_id` is nil.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EarningState {
    pub earning_id: Uuid,
    pub version: i64,
    pub issue_id: Uuid,
    pub cycle_id: Uuid,
    pub payee_id: Uuid,
    pub amount_minor: i64,
    pub currency: String,
    #[schemars(with = "String")]
    pub status: PayoutStatus,
    /// The live or, when void, the last payment.
    pub payout_id: Option<Uuid>,
    #[schemars(with = "Option<String>")]
    pub method: Option<Method>,
    pub reference: Option<String>,
    pub paid_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only while void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voided_at: Option<Timestamp>,
    /// Only while void: what the payee still owes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receivable_minor: Option<i64>,
}

/// `payout.created`, `.approved`, `.rejected`, `.processing`, `.unknown`, `.paid`, `.voided`, `.returned` and `.cancelled`. Its
/// items are told one by one by `payout.issue_paid`, so that no message grows with the size of a
/// payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PayoutState {
    pub payout_id: Uuid,
    pub version: i64,
    pub batch_id: Option<Uuid>,
    pub payee_id: Uuid,
    pub amount_minor: i64,
    pub currency: String,
    /// Known once it is paid.
    #[schemars(with = "Option<String>")]
    pub method: Option<Method>,
    pub reference: String,
    /// Still `paid` when only some of its items were voided.
    pub status: String,
    pub item_count: i64,
    pub paid_at: Option<Timestamp>,
    /// What the payee owed and was kept back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netted_minor: Option<i64>,
    /// `issue`, `manual`, `commission` or `schedule`.
    #[serde(default)]
    pub source: String,
    /// `2026-02` or `2026-Q1`, for a partner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<Uuid>,
    /// Why it was rejected, voided, returned or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `commission.created`: what a sale earned a partner, or, when negative, what a refund took back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommissionState {
    pub commission_id: Uuid,
    pub version: i64,
    pub attribution_id: Uuid,
    pub external_id: String,
    pub partner_id: Uuid,
    pub product_id: Option<Uuid>,
    pub amount_minor: i64,
    pub currency: String,
    pub occurred_at: Timestamp,
    pub payable_at: Timestamp,
}

/// `receivable.netted`: what a partner still owes of a voided payout. Testers are told by `earning.netted`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReceivableState {
    pub payout_id: Uuid,
    pub version: i64,
    pub payee_id: Uuid,
    pub currency: String,
    pub receivable_minor: i64,
}

/// `payout.failed`: the money of a payout did not arrive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PayoutFailed {
    pub payout_id: Uuid,
    pub version: i64,
    pub payee_id: Uuid,
    pub amount_minor: i64,
    pub currency: String,
    #[schemars(with = "String")]
    pub method: Method,
    pub reference: Option<String>,
    /// For the payee to read.
    pub reason: String,
    pub item_count: i64,
    pub failed_at: Timestamp,
}

/// `payout.gate_blocked` (S1-28): an attempt to pay was refused by the verification gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateBlocked {
    pub issue_id: Uuid,
    /// `run_batch`, `batch_pay` or `manual`.
    pub source: String,
}

/// `batch.completed`, `.partially_completed` and `.failed`: what was paid of it
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BatchCompleted {
    pub batch_id: Uuid,
    pub version: i64,
    pub payout_count: i64,
    pub item_count: i64,
}

/// A sum over the items of a plan, by currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanTotal {
    pub currency: String,
    pub amount_minor: i64,
    pub count: i64,
}

/// What one payee is paid less, because they owe it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanNetting {
    pub payee_id: Uuid,
    pub currency: String,
    pub amount_minor: i64,
}

/// `plan.created`, `.approved`, `.committed`, `.stale`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanState {
    pub plan_id: Uuid,
    pub version: i64,
    /// `open`, `committed`, `expired`, `stale` or `cancelled`.
    pub status: String,
    pub created_by: Uuid,
    /// What the run was narrowed to; absent means any.
    pub product_id: Option<Uuid>,
    pub cycle_id: Option<Uuid>,
    pub payee_id: Option<Uuid>,
    /// The period of the approvals: its start is included, its end excluded.
    pub period_start: Option<Timestamp>,
    pub period_end: Option<Timestamp>,
    pub currency: Option<String>,
    #[schemars(with = "String")]
    pub method: Method,
    pub reference: String,
    /// SHA-256 over what is included and kept back, in hexadecimal digits.
    pub digest: String,
    pub totals: Vec<PlanTotal>,
    pub item_count: i64,
    pub excluded_count: i64,
    /// Set once committed, unless there was nothing to pay.
    pub batch_id: Option<Uuid>,
    /// What is kept back of whom; the totals are without it.
    #[serde(default)]
    pub nettings: Vec<PlanNetting>,
    /// Who has approved it, in that order.
    #[serde(default)]
    pub approved_by: Vec<Uuid>,
    pub expires_at: Timestamp,
}

/// `job.completed`: a run of a job has ended, well or not
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobCompleted {
    pub run_id: Uuid,
    pub version: i64,
    /// `process-schedules` or `process-escrow`.
    pub job: String,
    /// The slot of the timetable that it stands for; absent for a run on demand.
    pub slot: Option<Timestamp>,
    /// The first of the slots that it has caught up on, `slot` if none was missed.
    pub covers_from: Option<Timestamp>,
    /// `completed`, `stopped` (more is due), `failed` or `abandoned` (its process died).
    pub state: String,
    pub started_by: Uuid,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub claimed: i64,
    pub processed: i64,
    pub failed: i64,
    pub retried: i64,
    pub skipped: i64,
    /// Handed to a provider, whose answer decides.
    pub submitted: i64,
    pub unblocked: i64,
    pub amounts: Vec<PlanTotal>,
    pub duration_ms: i64,
    pub error: Option<String>,
}

/// `payout_schedule.created`, `.updated`, `.triggered`, `.processing`, `.processed`, `.failed` and
/// `.cancelled` (S2-11)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleState {
    pub schedule_id: Uuid,
    pub version: i64,
    pub placement_id: Uuid,
    pub payee_id: Uuid,
    pub amount_minor: i64,
    pub currency: String,
    #[schemars(with = "String")]
    pub method: Method,
    pub reference: String,
    pub status: String,
    pub scheduled_at: Timestamp,
    pub guarantee_completion_date: Option<Timestamp>,
    /// The last payout that was made of it.
    pub payout_id: Option<Uuid>,
    pub processed_at: Option<Timestamp>,
    /// Why it failed the last time.
    pub failure_reason: Option<String>,
    pub retry_count: i64,
    pub last_retry_at: Option<Timestamp>,
    pub next_attempt_at: Timestamp,
    /// The released hold whose money it pays.
    pub hold_id: Option<Uuid>,
}

/// `escrow_hold.created`, `.updated`, `.released`, `.auto_released` and `.cancelled` (S2-24)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HoldState {
    pub hold_id: Uuid,
    pub version: i64,
    pub placement_id: Uuid,
    /// Absent: it keeps back all schedules of the placement.
    pub schedule_id: Option<Uuid>,
    pub payee_id: Uuid,
    pub amount_minor: i64,
    pub currency: String,
    /// How it is paid once it is released; absent: it only keeps schedules back.
    #[schemars(with = "Option<String>")]
    pub method: Option<Method>,
    pub reason: String,
    pub status: String,
    pub release_at: Option<Timestamp>,
    /// The hold that it was split off from.
    pub parent_id: Option<Uuid>,
    /// When it was released or cancelled, by whom and why.
    pub ended_at: Option<Timestamp>,
    pub ended_by: Option<Uuid>,
    pub end_reason: Option<String>,
}
