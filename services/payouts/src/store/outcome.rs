//! What providers answered, as it is written: attempts, payouts, earnings, audit and events, and
//! how batches ended.

use quittance_chassis::db::{Column, Db, Entry, Journal, Tx, Update, WriteError, WriteSet};
use quittance_events::{BatchCompleted, EarningState, PayoutFailed, kind};
use quittance_kernel::{Ctx, OrganizationId, PayoutId, PayoutStatus};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::earning::TABLE as EARNINGS;
use super::execution::{NewAttempt, insert_attempts, moved, source_of, tell_payout};
use super::sql::Sql;
use crate::domain::attempt::{Answer, Attempt, Conclusion, batch_state, told};
use crate::domain::lifecycle::Held;
use crate::domain::payout::{Payout, PayoutState};

/// An attempt, what was answered, and what follows.
#[derive(Clone, Debug)]
pub(crate) struct Concluded {
    pub(crate) attempt: Attempt,
    pub(crate) answer: Answer,
    pub(crate) conclusion: Conclusion,
}

impl Concluded {
    fn reference(&self) -> &str {
        match &self.answer {
            Answer::Sent { reference } => reference,
            Answer::Declined { .. } | Answer::Retryable { .. } | Answer::Unknown => "",
        }
    }

    fn code(&self) -> &str {
        match &self.answer {
            Answer::Declined { code } | Answer::Retryable { code } => code,
            Answer::Sent { .. } | Answer::Unknown => "",
        }
    }
}

/// A payout that takes a step because of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    pub(crate) from: PayoutState,
    /// In its next version.
    pub(crate) payout: Payout,
    pub(crate) items: Vec<Held>,
    /// Why it failed.
    pub(crate) code: String,
    /// Whether its payer was charged for it: then its items stay its own even if it failed, since
    /// that money is for nothing else.
    pub(crate) keeps: bool,
}

/// Writes answers inside a transaction. Fails as stale when somebody else was faster.
pub(crate) async fn write(
    tx: &Tx,
    ctx: &Ctx,
    service: &'static str,
    concluded: &[Concluded],
    moves: &[Moved],
) -> Result<(), WriteError> {
    let in_state = |state| moves.iter().filter(move |moved| moved.payout.state == state);
    let freed: Vec<&Moved> = in_state(PayoutState::Failed).filter(|step| !step.keeps).collect();
    let paid: Vec<&Moved> = in_state(PayoutState::Paid).collect();
    release(tx, ctx.organization(), &freed).await?;
    let (mut set, mut journal) = (WriteSet::new(), Journal::new(service));
    set.update(move_attempts(ctx, concluded));
    set.update(move_payouts(ctx, moves));
    set.update(pay_earnings(ctx, &paid));
    set.update(free_earnings(ctx, &freed));
    for concluded in concluded {
        journal.note(ctx, attempted(concluded));
    }
    for step in moves {
        if step.payout.state == PayoutState::Failed {
            tell_failure(ctx, &mut journal, step);
        } else {
            tell_payout(ctx, &mut journal, &step.payout, Some(step.from), source_of(&step.items));
        }
    }
    for step in paid {
        tell_items(ctx, &mut journal, step);
    }
    journal.write_to(ctx, &mut set);
    tx.write(set).await?;
    // A set of its own: what failed must have made room in the index first.
    let mut set = WriteSet::new();
    set.insert(insert_attempts(ctx, &another(ctx, concluded)));
    tx.write(set).await
}

fn another(ctx: &Ctx, concluded: &[Concluded]) -> Vec<NewAttempt> {
    let again = concluded.iter().filter(|concluded| concluded.conclusion.another);
    again
        .map(|Concluded { attempt, conclusion, .. }| NewAttempt {
            payout: attempt.payout.0,
            number: attempt.number + 1,
            rail: attempt.rail.clone(),
            account: attempt.account.clone(),
            minor: attempt.amount.minor(),
            currency: attempt.amount.currency().code(),
            at: conclusion.again_at.unwrap_or(ctx.now),
        })
        .collect()
}

/// What failed for good has moved no money: its issues can be paid in another way.
async fn release(
    tx: &Tx,
    organization: OrganizationId,
    failed: &[&Moved],
) -> Result<(), WriteError> {
    if failed.is_empty() {
        return Ok(());
    }
    let backend = sea_orm::ConnectionTrait::get_database_backend(tx.conn());
    Sql::new(backend, "UPDATE payout_items SET live = false")
        .bind(" WHERE live AND organization_id = ", organization.0)
        .one_of(" AND payout_id", failed.iter().map(|step| step.payout.id.0).collect())
        .execute(tx.conn())
        .await?;
    Ok(())
}

fn move_attempts(ctx: &Ctx, concluded: &[Concluded]) -> Update {
    let text = |of: fn(&Concluded) -> &str| {
        Column::Text(concluded.iter().map(|one| of(one).to_owned()).collect())
    };
    let ids = concluded.iter().map(|one| one.attempt.id).collect();
    let versions = concluded.iter().map(|one| one.attempt.version).collect();
    let next = concluded.iter().map(|one| one.conclusion.again_at.unwrap_or(ctx.now)).collect();
    Update::of("attempts", "id", ids, versions)
        .set("state", text(|one| one.conclusion.state.as_str()))
        .set("reference", text(Concluded::reference))
        .set("code", text(Concluded::code))
        .set("asked", Column::I64(concluded.iter().map(|one| one.attempt.asked + 1).collect()))
        .set("next_at", Column::Time(next))
        .set("updated_at", Column::same_time(Some(ctx.now)))
        .only_where("t.state IN ('submitted', 'unknown')")
}

fn move_payouts(ctx: &Ctx, moves: &[Moved]) -> Update {
    let text = |of: fn(&Payout) -> &str| {
        Column::Text(moves.iter().map(|step| of(&step.payout).to_owned()).collect())
    };
    let ids = moves.iter().map(|step| step.payout.id.0).collect();
    let versions = moves.iter().map(|step| step.payout.version - 1).collect();
    let paid_at = moves.iter().map(|step| step.payout.paid_at).collect();
    Update::of("payouts", "id", ids, versions)
        .set("state", text(|payout| payout.state.as_str()))
        .set("reference", text(|payout| &payout.reference))
        .set("paid_at", Column::OptTime(paid_at))
        .set("updated_at", Column::same_time(Some(ctx.now)))
        .only_where("t.state IN ('processing', 'unknown')")
}

fn live<'a>(moves: &'a [&'a Moved]) -> impl Iterator<Item = &'a Held> {
    moves.iter().flat_map(|step| step.items.iter().filter(|held| held.live))
}

fn pay_earnings(ctx: &Ctx, paid: &[&Moved]) -> Update {
    let ids = live(paid).map(|held| held.earning.id.0).collect();
    let versions = live(paid).map(|held| held.earning.version).collect();
    let code = |held: &Held| held.amount.currency().code().to_owned();
    Update::of(EARNINGS, "id", ids, versions)
        .set("status", Column::same_text(Some("paid")))
        // A review may have put another price on it since: what was sent is what counts.
        .set("amount_minor", Column::I64(live(paid).map(|held| held.amount.minor()).collect()))
        .set("currency", Column::Text(live(paid).map(code).collect()))
        .set("updated_at", Column::same_time(Some(ctx.now)))
        .only_where("t.status IN ('approved', 'rejected')")
}

fn free_earnings(ctx: &Ctx, failed: &[&Moved]) -> Update {
    let ids = live(failed).map(|held| held.earning.id.0).collect();
    let versions = live(failed).map(|held| held.earning.version).collect();
    Update::of(EARNINGS, "id", ids, versions)
        .set("payout_id", Column::same_uuid(None))
        .set("updated_at", Column::same_time(Some(ctx.now)))
}

fn attempted(concluded: &Concluded) -> Entry {
    let Concluded { attempt, conclusion, .. } = concluded;
    let before = serde_json::json!({ "status": attempt.state.as_str() });
    let after = serde_json::json!({
        "status": conclusion.state.as_str(),
        "payoutId": attempt.payout.0,
        "reference": concluded.reference(),
    });
    Entry::new(format!("attempt.{}", conclusion.state.as_str()), "attempt", attempt.id)
        .change(before.to_string(), after.to_string())
        .because(Some(concluded.code().to_owned()).filter(|code| !code.is_empty()))
}

fn tell_failure(ctx: &Ctx, journal: &mut Journal, step: &Moved) {
    let payout = &step.payout;
    let Some(method) = payout.method else { return };
    let reason = told(&step.code);
    let entry = moved(kind::PAYOUT_FAILED, payout, Some(step.from), Some(&reason));
    let state = PayoutFailed {
        payout_id: payout.id.0,
        version: payout.version,
        payee_id: payout.payee.0,
        amount_minor: payout.amount.minor(),
        currency: payout.amount.currency().code().to_owned(),
        method,
        reference: Some(payout.reference.clone()).filter(|text| !text.is_empty()),
        reason,
        item_count: payout.item_count,
        failed_at: ctx.now,
    };
    journal.record(ctx, entry, kind::PAYOUT_FAILED, state);
}

fn tell_items(ctx: &Ctx, journal: &mut Journal, step: &Moved) {
    let payout = &step.payout;
    for held in step.items.iter().filter(|held| held.live) {
        let after = serde_json::json!({
            "status": "paid",
            "payoutId": payout.id.0,
            "amountMinor": held.amount.minor(),
            "currency": held.amount.currency().code(),
        });
        let before = serde_json::json!({ "status": held.earning.status.as_str() });
        let of_issue = held.earning.is_of_issue();
        let kind = if of_issue { kind::PAYOUT_ISSUE_PAID } else { kind::EARNING_PAID };
        let entry = Entry::new(kind, "earning", held.earning.id.0)
            .change(before.to_string(), after.to_string());
        let state = EarningState {
            amount_minor: held.amount.minor(),
            currency: held.amount.currency().code().to_owned(),
            status: PayoutStatus::Paid,
            payout_id: Some(payout.id.0),
            method: payout.method,
            reference: Some(payout.reference.clone()),
            paid_at: payout.paid_at,
            ..super::lifecycle::state(&held.earning)
        };
        journal.record(ctx, entry, kind, state);
    }
}

/// A batch of which no payout is on its way any more.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Ended {
    organization_id: Uuid,
    id: Uuid,
    version: i64,
    paid: i64,
    failed: i64,
    items: i64,
}

/// Batches of one organization that are over and do not say so yet.
pub(crate) async fn ended(
    db: &Db,
    limit: u32,
) -> Result<Option<(OrganizationId, Vec<Ended>)>, sea_orm::DbErr> {
    let text = "SELECT b.organization_id, b.id, b.version, \
        CAST(SUM(CASE WHEN p.state = 'failed' THEN 0 ELSE 1 END) AS BIGINT) AS paid, \
        CAST(SUM(CASE WHEN p.state = 'failed' THEN 1 ELSE 0 END) AS BIGINT) AS failed, \
        CAST(SUM(CASE WHEN p.state = 'failed' THEN 0 ELSE p.item_count END) AS BIGINT) AS items \
        FROM batches b JOIN payouts p ON p.batch_id = b.id WHERE b.state = 'processing' \
        GROUP BY b.organization_id, b.id, b.version \
        HAVING SUM(CASE WHEN p.state IN ('processing', 'unknown') THEN 1 ELSE 0 END) = 0 \
        ORDER BY b.organization_id, b.id LIMIT ";
    let sql = Sql::new(db.backend(), "").bind(text, i64::from(limit));
    let mut ended = sql.all::<Ended, _>(db.conn()).await?;
    let Some(first) = ended.first().map(|batch| batch.organization_id) else { return Ok(None) };
    ended.retain(|batch| batch.organization_id == first);
    Ok(Some((OrganizationId(first), ended)))
}

/// Rows, audit and events of batches that are over.
pub(crate) fn end_batches(ctx: &Ctx, service: &'static str, ended: &[Ended]) -> WriteSet {
    let state = |batch: &Ended| batch_state(batch.paid, batch.failed);
    let (mut set, mut journal) = (WriteSet::new(), Journal::new(service));
    let ids = ended.iter().map(|batch| batch.id).collect();
    let versions = ended.iter().map(|batch| batch.version).collect();
    let states = ended.iter().map(|batch| state(batch).to_owned()).collect();
    set.update(
        Update::of("batches", "id", ids, versions)
            .set("state", Column::Text(states))
            .only_where("t.state = 'processing'"),
    );
    for batch in ended {
        let kind = match state(batch) {
            "completed" => kind::BATCH_COMPLETED,
            "failed" => kind::BATCH_FAILED,
            _ => kind::BATCH_PARTIALLY_COMPLETED,
        };
        let after = serde_json::json!({
            "status": state(batch),
            "payouts": batch.paid,
            "failed": batch.failed,
            "items": batch.items,
        });
        let entry = Entry::new(kind, "batch", batch.id)
            .change(r#"{"status":"processing"}"#, after.to_string());
        let told = BatchCompleted {
            batch_id: batch.id,
            version: batch.version + 1,
            payout_count: batch.paid,
            item_count: batch.items,
        };
        journal.record(ctx, entry, kind, told);
    }
    journal.write_to(ctx, &mut set);
    set
}

/// The payouts of attempts, to be looked up by id.
pub(crate) fn payouts_of(concluded: &[Concluded]) -> Vec<PayoutId> {
    let moving = concluded.iter().filter(|one| one.conclusion.payout.is_some());
    moving.map(|one| one.attempt.payout).collect()
}
