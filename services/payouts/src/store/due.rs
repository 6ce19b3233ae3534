//! What jobs claim, and what is written of it: all schedules of a chunk at once, whatever their
//! organizations.

mod rows;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use quittance_chassis::db::{Column, Entry, Journal, Update, WriteSet};
use quittance_events::{EarningState, kind};
use quittance_kernel::{Ctx, Currency, MemberId, OrganizationId, PayoutStatus, Timestamp};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::earning::TABLE as EARNINGS;
use super::schedule::{SELECT, advance, all, insert, note, tell};
use super::sql::Sql;
use super::{StoreError, partner};
use crate::domain::due::{Decided, Outcome, Payment};
use crate::domain::earning::Earning;
use crate::domain::partner::{PartnerPayout, Source};
use crate::domain::payout::{Payout, PayoutState};
use crate::domain::schedule::{Failed, Schedule};

/// What the audit log says of jobs (S2-33).
const AUTOMATED: &str = "Automated processing";

/// The claim, with constants: see [`Sql::instant`].
fn claim_sql(backend: sea_orm::DbBackend, at: Timestamp, limit: u32) -> Sql {
    Sql::new(backend, SELECT)
        .push(" WHERE status IN ('pending', 'triggered')")
        .instant(" AND next_attempt_at <= ", at)
        .push(&format!(" ORDER BY next_attempt_at, id LIMIT {limit}"))
}

/// Claims due schedules of all organizations, the longest overdue first; those that others have
/// locked are passed over.
pub(crate) async fn claim<C: ConnectionTrait>(
    conn: &C,
    at: Timestamp,
    limit: u32,
) -> Result<Vec<Schedule>, StoreError> {
    all(claim_sql(conn.get_database_backend(), at, limit).skip_locked(), conn).await
}

/// Locks the schedules of placements whose date is reached, in the order of their ids. Waits for
/// jobs that are deciding about them.
pub(crate) async fn lock_of_placements<C: ConnectionTrait>(
    conn: &C,
    organizations: Vec<Uuid>,
    placements: Vec<Uuid>,
    at: Timestamp,
) -> Result<Vec<Schedule>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), SELECT)
        .one_of(" WHERE organization_id", organizations)
        .one_of(" AND placement_id", placements)
        .bind(" AND status IN ('pending', 'triggered') AND scheduled_at <= ", at)
        .push(" ORDER BY id")
        .for_update();
    all(sql, conn).await
}

/// The earnings of schedules that were tried before, locked.
pub(crate) async fn earnings<C: ConnectionTrait>(
    conn: &C,
    organizations: Vec<Uuid>,
    schedules: Vec<Uuid>,
) -> Result<HashMap<Uuid, Earning>, StoreError> {
    let text = "SELECT id, source_id, cycle_id, payee_id, amount_minor, currency, status, version, \
                source_version, payout_id, organization_id FROM earnings \
                WHERE source_kind = 'schedule' AND organization_id";
    let sql = Sql::new(conn.get_database_backend(), text)
        .one_of("", organizations)
        .one_of(" AND source_id", schedules)
        .push(" ORDER BY id")
        .for_update();
    let rows = sql.rows(conn).await?;
    rows.iter()
        .map(|row| super::earning::read(row).map(|earning| (earning.issue.0, earning)))
        .collect()
}

/// What limits payments in several organizations.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    cooling: HashSet<(OrganizationId, MemberId, String)>,
    minimums: HashMap<(OrganizationId, String, String), i64>,
}

impl Limits {
    /// Whether the payee has changed the account of this method lately.
    pub(crate) fn is_cooling(&self, of: &Schedule) -> bool {
        self.cooling.contains(&(of.organization, of.payee, of.method.as_str().to_owned()))
    }

    /// Whether its amount is less than its method pays.
    pub(crate) fn is_below(&self, of: &Schedule) -> bool {
        let code = |currency: Currency| currency.code().to_owned();
        let key = (of.organization, code(of.amount.currency()), of.method.as_str().to_owned());
        self.minimums.get(&key).is_some_and(|minimum| of.amount.minor() < *minimum)
    }
}

/// Reads them in one look: accounts that were changed after `since`, and minimums.
pub(crate) async fn limits<C: ConnectionTrait>(
    conn: &C,
    organizations: Vec<Uuid>,
    members: Vec<Uuid>,
    since: Timestamp,
) -> Result<Limits, DbErr> {
    let text = "SELECT organization_id, member_id, method, '' AS currency, 0 AS amount_minor \
                FROM payout_accounts WHERE organization_id";
    let sql = Sql::new(conn.get_database_backend(), text)
        .one_of("", organizations.clone())
        .one_of(" AND member_id", members)
        .bind(" AND changed_at > ", since)
        .push(
            " UNION ALL SELECT organization_id, NULL, method, currency, amount_minor \
             FROM minimum_amounts WHERE amount_minor > 0",
        )
        .one_of(" AND organization_id", organizations);
    let mut limits = Limits::default();
    for row in sql.rows(conn).await? {
        let organization = OrganizationId(row.try_get_by_index(0)?);
        let method: String = row.try_get_by_index(2)?;
        if let Some(member) = row.try_get_by_index::<Option<Uuid>>(1)? {
            limits.cooling.insert((organization, MemberId(member), method));
        } else {
            let key = (organization, row.try_get_by_index(3)?, method);
            limits.minimums.insert(key, row.try_get_by_index(4)?);
        }
    }
    Ok(limits)
}

/// The same caller, in the organization of a row.
pub(crate) fn ctx_of(ctx: &Ctx, organization: OrganizationId) -> Ctx {
    let mut of = ctx.clone();
    of.principal.organization = organization;
    of
}

/// A context per organization, each made once.
pub(crate) struct Contexts<'a> {
    base: &'a Ctx,
    made: HashMap<OrganizationId, Ctx>,
}

impl<'a> Contexts<'a> {
    pub(crate) fn new(base: &'a Ctx) -> Self {
        Self { base, made: HashMap::new() }
    }

    pub(crate) fn of(&mut self, organization: OrganizationId) -> &Ctx {
        let base = self.base;
        self.made.entry(organization).or_insert_with(|| ctx_of(base, organization))
    }
}

/// Rows, audit and events of what was decided about claimed schedules.
pub(crate) fn write_set(ctx: &Ctx, service: &'static str, decided: &[Decided]) -> WriteSet {
    let mut set = WriteSet::new();
    let mut journal = Journal::new(service);
    let paid: Vec<(&Decided, &Payment)> =
        decided.iter().filter_map(|one| one.payment().map(|payment| (one, payment))).collect();
    rows::payments(ctx, &mut set, &paid);
    let after: Vec<&Schedule> = decided.iter().map(|one| &one.after).collect();
    set.update(advance(&after));
    let mut contexts = Contexts::new(ctx);
    for one in decided {
        let ctx = contexts.of(one.before.organization);
        tell_decision(ctx, &mut journal, one);
    }
    for (one, made) in &paid {
        let ctx = contexts.of(one.before.organization);
        let payout = full(ctx, one, made);
        let executed = made.account.is_some();
        let told = if executed { kind::PAYOUT_PROCESSING } else { kind::PAYOUT_APPROVED };
        partner::tell_new(ctx, &mut journal, &payout, told);
        tell_earning(ctx, &mut journal, one, made);
    }
    journal.write_to(ctx, &mut set);
    set
}

fn tell_decision(ctx: &Ctx, journal: &mut Journal, one: &Decided) {
    let Decided { before, after, outcome } = one;
    let (kind, reason) = match outcome {
        Outcome::Queued(_) => (kind::SCHEDULE_PROCESSED, AUTOMATED),
        Outcome::Submitted(_) => (kind::SCHEDULE_PROCESSING, AUTOMATED),
        Outcome::Failed(Failed::Retried) => (kind::SCHEDULE_UPDATED, after.failure.as_str()),
        Outcome::Failed(Failed::Final) => (kind::SCHEDULE_FAILED, after.failure.as_str()),
        Outcome::Waits => {
            let why = Some(after.waiting_for.as_str());
            return note(ctx, journal, (before, after), "payout_schedule.skipped", why);
        }
    };
    tell(ctx, journal, Some(before), after, kind, Some(reason));
}

/// What a provider's answer changed of schedules: processed, tried again later, or failed.
pub(crate) fn follow_set(
    ctx: &Ctx,
    service: &'static str,
    changed: &[(Schedule, Schedule, &'static str)],
) -> WriteSet {
    let (mut set, mut journal) = (WriteSet::new(), Journal::new(service));
    let after: Vec<&Schedule> = changed.iter().map(|(_, after, _)| after).collect();
    set.update(advance(&after));
    for (before, after, kind) in changed {
        let why = if after.failure.is_empty() { AUTOMATED } else { after.failure.as_str() };
        tell(ctx, &mut journal, Some(before), after, kind, Some(why));
    }
    journal.write_to(ctx, &mut set);
    set
}

/// Schedules that are looked at again at once, since their last hold is gone.
pub(crate) fn unblock(
    contexts: &mut Contexts<'_>,
    set: &mut WriteSet,
    journal: &mut Journal,
    changed: &[(Schedule, Schedule)],
) {
    let after: Vec<&Schedule> = changed.iter().map(|(_, after)| after).collect();
    set.update(advance(&after));
    for (before, after) in changed {
        let ctx = contexts.of(before.organization);
        note(ctx, journal, (before, after), "payout_schedule.unblocked", None);
    }
}

/// Schedules by which the money of released holds is paid.
pub(crate) fn pay_holds(
    contexts: &mut Contexts<'_>,
    set: &mut WriteSet,
    journal: &mut Journal,
    payments: &[Schedule],
) {
    insert(set, payments);
    for new in payments {
        tell(contexts.of(new.organization), journal, None, new, kind::SCHEDULE_CREATED, None);
    }
}

/// Lets go of the earning of a schedule that is given up, so that nothing can pay it.
pub(crate) fn give_up(ctx: &Ctx, set: &mut WriteSet, journal: &mut Journal, earning: &Earning) {
    set.update(
        Update::of(EARNINGS, "id", vec![earning.id.0], vec![earning.version])
            .set("status", Column::same_text(Some("rejected")))
            .set("updated_at", Column::same_time(Some(ctx.now)))
            .only_where("t.status = 'approved' AND t.payout_id IS NULL"),
    );
    let state = EarningState { status: PayoutStatus::Rejected, ..super::lifecycle::state(earning) };
    let entry = Entry::new("earning.rejected", "earning", earning.id.0)
        .change(r#"{"status":"approved"}"#, r#"{"status":"rejected"}"#);
    journal.record(ctx, entry, kind::EARNING_REJECTED, state);
}

/// The payout as it stands once it is written. Whoever made the schedule has approved it by that.
fn full(ctx: &Ctx, one: &Decided, made: &Payment) -> PartnerPayout {
    let schedule = &one.after;
    let state =
        if made.account.is_some() { PayoutState::Processing } else { PayoutState::Approved };
    PartnerPayout {
        payout: Payout {
            id: made.payout,
            batch: None,
            payee: schedule.payee,
            amount: schedule.amount,
            netted_minor: 0,
            method: Some(schedule.method),
            reference: schedule.reference.clone(),
            state,
            item_count: 1,
            paid_at: None,
            created_by: ctx.member(),
            version: 1,
            created_at: ctx.now,
            updated_at: ctx.now,
        },
        name: String::new(),
        source: Source::Schedule,
        period: String::new(),
        notes: String::new(),
        rejection: String::new(),
        approved_by: Some(schedule.created_by),
        approved_at: Some(ctx.now),
    }
}

fn tell_earning(ctx: &Ctx, journal: &mut Journal, one: &Decided, made: &Payment) {
    let schedule = &one.after;
    let (minor, currency) = (schedule.amount.minor(), schedule.amount.currency().code());
    let after = serde_json::json!({
        "status": "approved",
        "payoutId": made.payout.0,
        "amountMinor": minor,
        "currency": currency,
    });
    let entry = Entry::new("earning.approved", "earning", made.earning.0).after(after.to_string());
    let state = EarningState {
        earning_id: made.earning.0,
        version: made.was.map_or(1, |was| was + 1),
        issue_id: schedule.id,
        cycle_id: Uuid::nil(),
        payee_id: schedule.payee.0,
        amount_minor: minor,
        currency: currency.to_owned(),
        status: PayoutStatus::Approved,
        payout_id: None,
        method: None,
        reference: None,
        paid_at: None,
        reason: None,
        voided_at: None,
        receivable_minor: None,
    };
    journal.record(ctx, entry, kind::EARNING_APPROVED, state);
}
