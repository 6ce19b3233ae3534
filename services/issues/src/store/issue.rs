//! One issue: loading and saving.

use quittance_chassis::db::{Column, Entry, Insert, Tx, Update, WriteSet};
use quittance_events::{IssueState, kind};
use quittance_kernel::{CycleId, IssueId, MemberId, OrganizationId};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::StoreError;
use super::issue_row::{COLUMNS, Row, TABLES, rank};
use super::notification;
use super::sql::Sql;
use super::submission;
use crate::domain::issue::{Change, Event, Issue};
use crate::domain::sight::Sight;
use crate::domain::view::{self, Frame};
use crate::domain::{notice, search};

/// Which issue is meant, and who looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) organization: OrganizationId,
    pub(crate) sight: Sight,
    pub(crate) issue: IssueId,
    /// When given, the issue must belong to this cycle.
    pub(crate) cycle: Option<CycleId>,
}

fn query(backend: sea_orm::DbBackend, wanted: Wanted) -> Sql {
    let mut sql = Sql::new(backend, COLUMNS);
    sql.push(TABLES)
        .bind(" WHERE i.organization_id = ", wanted.organization.0)
        .bind(" AND i.id = ", wanted.issue.0)
        .seen_by(wanted.sight);
    if let Some(cycle) = wanted.cycle {
        sql.bind(" AND i.cycle_id = ", cycle.0);
    }
    sql
}

/// Reads an issue, if the caller may see it.
pub(crate) async fn find<C: ConnectionTrait>(
    conn: &C,
    wanted: Wanted,
) -> Result<Option<(Issue, Frame)>, StoreError> {
    let row = query(conn.get_database_backend(), wanted).one::<Row, C>(conn).await?;
    row.map(Row::read).transpose()
}

/// Reads an issue to change it: nobody else changes it until the transaction ends.
pub(crate) async fn load(tx: &Tx, wanted: Wanted) -> Result<Option<(Issue, Frame)>, StoreError> {
    let conn = tx.conn();
    let mut sql = query(conn.get_database_backend(), wanted);
    sql.lock("UPDATE", "i");
    sql.one::<Row, _>(conn).await?.map(Row::read).transpose()
}

#[derive(FromQueryResult)]
struct Led {
    n: i64,
}

/// Whether a member leads a cycle.
pub(crate) async fn leads<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    cycle: CycleId,
    member: MemberId,
) -> Result<bool, StoreError> {
    let text = "SELECT count(*) AS n FROM cycle_members s WHERE s.lead";
    let mut sql = Sql::new(conn.get_database_backend(), text);
    sql.bind(" AND s.organization_id = ", organization.0)
        .bind(" AND s.cycle_id = ", cycle.0)
        .bind(" AND s.member_id = ", member.0);
    Ok(sql.one::<Led, C>(conn).await?.is_some_and(|led| 0 < led.n))
}

/// Whether an issue is among the originals of another one, over any number of steps, or is that
/// one itself. Nobody says "duplicate of" in the product until the transaction ends.
pub(crate) async fn leads_to(tx: &Tx, from: &Issue, to: IssueId) -> Result<bool, StoreError> {
    let conn = tx.conn();
    let backend = conn.get_database_backend();
    let mut turn = Sql::new(backend, "SELECT count(*) AS n FROM (SELECT id FROM products p");
    turn.bind(" WHERE p.organization_id = ", from.organization.0)
        .bind(" AND p.id = ", from.product.0)
        .lock("NO KEY UPDATE", "p")
        .push(") locked");
    turn.one::<Led, _>(conn).await?;
    let mut sql = Sql::new(backend, "WITH RECURSIVE originals (id, next) AS (");
    sql.bind("SELECT id, duplicate_of FROM issues WHERE organization_id = ", from.organization.0)
        .bind(" AND id = ", from.id.0)
        .bind(
            " UNION SELECT i.id, i.duplicate_of FROM issues i JOIN originals o ON i.id = o.next \
             WHERE i.organization_id = ",
            from.organization.0,
        )
        .bind(") SELECT count(*) AS n FROM originals WHERE id = ", to.0);
    Ok(sql.one::<Led, _>(conn).await?.is_some_and(|led| 0 < led.n))
}

/// Saves a change: the row, its audit row and its event. Returns the issue as it is now.
pub(crate) async fn save(tx: &mut Tx, change: Change, frame: &Frame) -> Result<Issue, StoreError> {
    let Change { before, issue, event, reason } = change;
    let version = before.as_ref().map_or(0, |before| before.version);
    let saved = Issue { version: version + 1, updated_at: tx.ctx().now, ..issue };
    let mut set = WriteSet::new();
    if before.is_some() {
        set.update(update(&saved, version));
    } else {
        set.insert(insert(&saved));
    }
    tx.write(set).await?;
    submission::follow(tx, before.as_ref(), &saved).await?;
    let kind = kind_of(event);
    let entry = Entry::new(kind, "issue", saved.id.0).because(reason);
    let entry = match &before {
        Some(before) => entry.change(audited(before), audited(&saved)),
        None => entry.after(audited(&saved)),
    };
    let told = notice::of_change(before.as_ref(), &saved, event, tx.ctx().member());
    let state = state(&saved, frame, event);
    let event = tx.record(entry, kind, state);
    let told: Vec<_> = told.map(|notice| (event, notice)).into_iter().collect();
    notification::write(tx, told).await?;
    Ok(saved)
}

fn kind_of(event: Event) -> &'static str {
    match event {
        Event::Created => kind::ISSUE_CREATED,
        Event::Updated => kind::ISSUE_UPDATED,
        Event::Triaged => kind::ISSUE_TRIAGED,
        Event::Approved => kind::ISSUE_APPROVED,
        Event::Rejected => kind::ISSUE_REJECTED,
        Event::Verified => kind::ISSUE_VERIFIED,
        Event::Unverified { .. } => kind::ISSUE_UNVERIFIED,
        Event::Closed => kind::ISSUE_CLOSED,
    }
}

/// What an auditor wants to see of an issue: decisions, not texts.
fn audited(issue: &Issue) -> String {
    serde_json::json!({
        "status": issue.status.as_str(),
        "review": issue.review.stand().word().as_str(),
        "amountMinor": issue.review.amount().map(quittance_kernel::Money::minor),
        "currency": issue.review.amount().map(|amount| amount.currency().code()),
        "rule": issue.review.rule(),
        "points": issue.review.points(),
        "duplicateOf": issue.duplicate_of.map(|original| original.to_string()),
        "verifiedBy": issue.verification.as_ref().map(|known| known.by.to_string()),
        "version": issue.version,
    })
    .to_string()
}

/// The whole state as it is now, without what has just happened.
pub(super) fn told(issue: &Issue, frame: &Frame) -> IssueState {
    state(issue, frame, Event::Updated)
}

/// The whole state, as consumers keep it.
fn state(issue: &Issue, frame: &Frame, event: Event) -> IssueState {
    let amount = issue.review.amount();
    let decision = issue.review.decision();
    IssueState {
        issue_id: issue.id.0,
        version: issue.version,
        number: view::number(frame, issue),
        product_id: issue.product.0,
        cycle_id: issue.cycle.0,
        reporter_id: issue.reporter.0,
        title: issue.title.clone(),
        severity: issue.severity,
        status: issue.status,
        review: issue.review.stand().word(),
        amount_minor: amount.map(quittance_kernel::Money::minor),
        currency: amount.map(|amount| amount.currency().code().to_owned()),
        rule: issue.review.rule().map(str::to_owned),
        decided_by: decision.map(|decision| decision.by.0),
        decided_at: decision.map(|decision| decision.at),
        reason: decision.and_then(|decision| decision.reason.clone()),
        verified_by: issue.verification.as_ref().map(|known| known.by.0),
        resolved_at: issue.verification.as_ref().map(|known| known.at),
        reverted_to_status: match event {
            Event::Unverified { to } => Some(to),
            Event::Created
            | Event::Updated
            | Event::Triaged
            | Event::Approved
            | Event::Rejected
            | Event::Verified
            | Event::Closed => None,
        },
        filed_at: issue.created_at,
        duplicate_of: issue.duplicate_of.map(|original| original.0),
        bounty_id: issue.bounty.map(|bounty| bounty.0),
        points: issue.review.points(),
    }
}

fn insert(issue: &Issue) -> Insert {
    let fixed = Insert::into("issues")
        .column("id", Column::same_uuid(Some(issue.id.0)))
        .column("organization_id", Column::same_uuid(Some(issue.organization.0)))
        .column("product_id", Column::same_uuid(Some(issue.product.0)))
        .column("cycle_id", Column::same_uuid(Some(issue.cycle.0)))
        .column("reporter_id", Column::same_uuid(Some(issue.reporter.0)))
        .column("number", Column::same_i64(Some(issue.number)))
        .column("title", Column::same_text(Some(&issue.title)))
        .column("body", Column::same_text(Some(&issue.body)))
        .column("words", Column::same_text(Some(&search::indexed(&issue.title, &issue.body))))
        .column("severity", Column::same_i64(Some(rank(issue.severity))))
        .column("bounty_id", Column::same_uuid(issue.bounty.map(|bounty| bounty.0)))
        .column("pay_version", Column::same_i64(Some(0)))
        .column("version", Column::same_i64(Some(issue.version)))
        .column("created_at", Column::same_time(Some(issue.created_at)));
    changing(issue).into_iter().fold(fixed, |insert, (name, value)| insert.column(name, value))
}

/// The payment is not among the columns: it is written by [`super::mirror`] alone.
fn update(issue: &Issue, version: i64) -> Update {
    let update = Update::of("issues", "id", vec![issue.id.0], vec![version]);
    changing(issue).into_iter().fold(update, |update, (name, value)| update.set(name, value))
}

fn changing(issue: &Issue) -> Vec<(&'static str, Column)> {
    let amount = issue.review.amount();
    let decision = issue.review.decision();
    let known = issue.verification.as_ref();
    vec![
        ("status", Column::same_text(Some(issue.status.as_str()))),
        ("review", Column::same_text(Some(issue.review.stand().word().as_str()))),
        ("amount_minor", Column::same_i64(amount.map(quittance_kernel::Money::minor))),
        ("currency", Column::same_text(amount.map(|amount| amount.currency().code()))),
        ("rule", Column::same_text(issue.review.rule())),
        ("points", Column::same_i64(issue.review.points())),
        ("decided_by", Column::same_uuid(decision.map(|decision| decision.by.0))),
        ("decided_at", Column::same_time(decision.map(|decision| decision.at))),
        ("reason", Column::same_text(decision.and_then(|decision| decision.reason.as_deref()))),
        ("verified_by", Column::same_uuid(known.map(|known| known.by.0))),
        ("resolved_at", Column::same_time(known.map(|known| known.at))),
        ("duplicate_of", Column::same_uuid(issue.duplicate_of.map(|original| original.0))),
        ("updated_at", Column::same_time(Some(issue.updated_at))),
    ]
}
