//! An issue, as every route shows it.

use chrono::{DateTime, Utc};
use quittance_proto::issues::v1 as wire;
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::attachments::Attachment;
use crate::rest::shapes::{Amount, Id, some, time};
use crate::words::{GateSource, IssueStatus, PayoutStatus, Severity, StageState};

/// One piece of submitted work.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Issue {
    pub(super) id: Id,
    #[schema(example = "SHP-12")]
    number: String,
    pub(super) cycle_id: Id,
    cycle_name: String,
    product_id: Id,
    reporter_id: Id,
    reporter_name: String,
    title: String,
    body: String,
    #[schema(value_type = Severity)]
    severity: Option<Severity>,
    #[schema(value_type = IssueStatus)]
    status: Option<IssueStatus>,
    #[schema(value_type = PayoutStatus)]
    payout_status: Option<PayoutStatus>,
    suggested_amount: Option<Amount>,
    /// The rule that the suggestion follows.
    suggested_rule: Option<String>,
    /// Null until approved.
    amount: Option<Amount>,
    resolved_at: Option<DateTime<Utc>>,
    verified_by: Option<Id>,
    /// Whether the issue must be verified before it is paid.
    effective_gate: bool,
    #[schema(value_type = GateSource)]
    gate_source: Option<GateSource>,
    payable: bool,
    /// Why it is not payable.
    blocked_by: Vec<String>,
    pipeline: Vec<Stage>,
    decided_by: Option<Id>,
    decided_at: Option<DateTime<Utc>>,
    reason: Option<String>,
    /// Of a duplicate: the issue that it repeats, when somebody said which.
    duplicate_of: Option<Id>,
    /// Links and files, the oldest first. Only where one issue was filed or got.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment>,
    /// The bounty that the work was handed in for. It stands in the cycle that has the product's id.
    bounty_id: Option<Id>,
    /// Once approved for points instead of an amount.
    points: Option<i64>,
    payout_id: Option<Id>,
    paid_at: Option<DateTime<Utc>>,
    pub(super) version: i64,
    #[schema(value_type = DateTime<Utc>)]
    created_at: Option<DateTime<Utc>>,
    #[schema(value_type = DateTime<Utc>)]
    updated_at: Option<DateTime<Utc>>,
}

/// One stage on the way to the payment.
#[derive(Serialize, ToSchema)]
struct Stage {
    key: String,
    label: String,
    #[schema(value_type = StageState)]
    state: Option<StageState>,
}

impl From<wire::Stage> for Stage {
    fn from(stage: wire::Stage) -> Self {
        Self { key: stage.key, label: stage.label, state: StageState::read(stage.state) }
    }
}

impl From<wire::Issue> for Issue {
    fn from(issue: wire::Issue) -> Self {
        Self {
            id: Id::new(issue.issue_id),
            number: issue.number,
            cycle_id: Id::new(issue.cycle_id),
            cycle_name: issue.cycle_name,
            product_id: Id::new(issue.product_id),
            reporter_id: Id::new(issue.reporter_id),
            reporter_name: issue.reporter_name,
            title: issue.title,
            body: issue.body,
            severity: Severity::read(issue.severity),
            status: IssueStatus::read(issue.status),
            payout_status: PayoutStatus::read(issue.payout_status),
            suggested_amount: issue.suggested_amount.map(Amount::from),
            suggested_rule: some(issue.suggested_rule),
            amount: issue.amount.map(Amount::from),
            resolved_at: time(issue.resolve_time),
            verified_by: Id::optional(issue.verified_by),
            effective_gate: issue.effective_gate,
            gate_source: GateSource::read(issue.gate_source),
            payable: issue.payable,
            blocked_by: issue.blocked_by,
            pipeline: issue.pipeline.into_iter().map(Stage::from).collect(),
            decided_by: Id::optional(issue.decided_by),
            decided_at: time(issue.decide_time),
            reason: some(issue.reason),
            duplicate_of: Id::optional(issue.duplicate_of),
            attachments: issue.attachments.into_iter().map(Attachment::from).collect(),
            bounty_id: Id::optional(issue.bounty_id),
            points: issue.points,
            payout_id: Id::optional(issue.payout_id),
            paid_at: time(issue.pay_time),
            version: issue.version,
            created_at: time(issue.create_time),
            updated_at: time(issue.update_time),
        }
    }
}
