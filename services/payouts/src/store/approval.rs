//! Approvals of plans, and the policies that ask for them.

use std::collections::HashMap;

use quittance_chassis::db::{Column, Db, Entry, Insert, Journal, Update, WriteSet};
use quittance_events::kind;
use quittance_kernel::{Ctx, MemberId, OrganizationId, PlanId, Timestamp};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::StoreError;
use super::plan::{noted, state};
use super::sql::Sql;
use crate::domain::approval::{Approval, PayoutPolicy};
use crate::domain::plan::Plan;

#[derive(FromQueryResult)]
struct PolicyRow {
    id: Uuid,
    currency: String,
    above_minor: i64,
    approvers: i64,
    version: i64,
    updated_by: Uuid,
    updated_at: Timestamp,
}

/// Reads what an organization asks for, by currency.
pub(crate) async fn policies(
    db: &Db,
    organization: OrganizationId,
) -> Result<Vec<PayoutPolicy>, StoreError> {
    let text = "SELECT id, currency, above_minor, approvers, version, updated_by, updated_at \
                FROM payout_policies WHERE organization_id = ";
    let sql = Sql::new(db.backend(), "").bind(text, organization.0).push(" ORDER BY currency");
    let read = |row: PolicyRow| {
        let corrupt =
            StoreError::Corrupt { table: "payout_policies", id: row.id, column: "currency" };
        Ok(PayoutPolicy {
            id: row.id,
            currency: row.currency.parse().map_err(|_| corrupt)?,
            above_minor: row.above_minor,
            approvers: row.approvers,
            version: row.version,
            updated_by: MemberId(row.updated_by),
            updated_at: row.updated_at,
        })
    };
    sql.all::<PolicyRow, _>(db.conn()).await?.into_iter().map(read).collect()
}

/// Adds a policy, or its next version.
pub(crate) fn set_policy(
    ctx: &Ctx,
    service: &'static str,
    set: &mut WriteSet,
    before: Option<&PayoutPolicy>,
    policy: &PayoutPolicy,
) {
    let number = |number| Column::same_i64(Some(number));
    let (by, at) =
        (Column::same_uuid(Some(policy.updated_by.0)), Column::same_time(Some(policy.updated_at)));
    match before {
        Some(before) => set.update(
            Update::of("payout_policies", "id", vec![before.id], vec![before.version])
                .set("above_minor", number(policy.above_minor))
                .set("approvers", number(policy.approvers))
                .set("updated_by", by)
                .set("updated_at", at),
        ),
        None => set.insert(
            Insert::into("payout_policies")
                .column("id", Column::Uuid(vec![policy.id]))
                .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
                .column("currency", Column::same_text(Some(policy.currency.code())))
                .column("above_minor", number(policy.above_minor))
                .column("approvers", number(policy.approvers))
                .column("version", number(policy.version))
                .column("updated_by", by)
                .column("created_at", at.clone())
                .column("updated_at", at),
        ),
    }
    let asks = |policy: &PayoutPolicy| {
        serde_json::json!({
            "currency": policy.currency.code(),
            "aboveMinor": policy.above_minor,
            "approvers": policy.approvers,
        })
        .to_string()
    };
    let mut entry = Entry::new("payout_policy.set", "payout_policy", policy.id).after(asks(policy));
    entry.before = before.map(asks);
    let mut journal = Journal::new(service);
    journal.note(ctx, entry);
    journal.write_to(ctx, set);
}

/// Adds the newest approval of a plan, if it is still open and as it was read.
pub(crate) fn approve(
    ctx: &Ctx,
    service: &'static str,
    set: &mut WriteSet,
    before: &Plan,
    after: &Plan,
) {
    let Some(approval) = after.approvals.last() else { return };
    set.insert(
        Insert::into("plan_approvals")
            .column("plan_id", Column::Uuid(vec![after.id.0]))
            .column("member_id", Column::same_uuid(Some(approval.member.0)))
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("digest", Column::same_text(Some(&approval.digest)))
            .column("created_at", Column::same_time(Some(approval.at))),
    );
    let update = Update::of("plans", "id", vec![before.id.0], vec![before.version])
        .set("updated_at", Column::same_time(Some(after.updated_at)))
        .only_where("t.state = 'open'");
    set.update(update);
    let entry = Entry::new("plan.approved", "plan", after.id.0).change(noted(before), noted(after));
    let mut journal = Journal::new(service);
    journal.record(ctx, entry, kind::PLAN_APPROVED, state(after));
    journal.write_to(ctx, set);
}

#[derive(FromQueryResult)]
struct ApprovalRow {
    plan_id: Uuid,
    member_id: Uuid,
    digest: String,
    created_at: Timestamp,
}

/// Reads the approvals of these plans, in the order in which they were given.
pub(super) async fn of_plans(
    db: &Db,
    organization: OrganizationId,
    plans: Vec<Uuid>,
) -> Result<HashMap<PlanId, Vec<Approval>>, StoreError> {
    let text = "SELECT plan_id, member_id, digest, created_at FROM plan_approvals \
                WHERE organization_id = ";
    let sql = Sql::new(db.backend(), "")
        .bind(text, organization.0)
        .one_of(" AND plan_id", plans)
        .push(" ORDER BY created_at, member_id");
    let mut approvals: HashMap<PlanId, Vec<Approval>> = HashMap::new();
    for row in sql.all::<ApprovalRow, _>(db.conn()).await? {
        let approval =
            Approval { member: MemberId(row.member_id), digest: row.digest, at: row.created_at };
        approvals.entry(PlanId(row.plan_id)).or_default().push(approval);
    }
    Ok(approvals)
}

/// Whether a plan pays this member.
pub(crate) async fn pays(
    db: &Db,
    organization: OrganizationId,
    plan: PlanId,
    member: MemberId,
) -> Result<bool, StoreError> {
    let text = "SELECT 1 FROM plan_items WHERE reasons IS NULL AND organization_id = ";
    let sql = Sql::new(db.backend(), "")
        .bind(text, organization.0)
        .bind(" AND plan_id = ", plan.0)
        .bind(" AND payee_id = ", member.0)
        .push(" LIMIT 1");
    Ok(!sql.rows(db.conn()).await?.is_empty())
}
