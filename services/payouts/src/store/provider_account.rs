//! How payees' accounts stand with their provider, as it was last asked.

use std::collections::HashMap;

use quittance_chassis::db::{Column, Db, Entry, Insert, Journal, Update, WriteSet};
use quittance_kernel::{Ctx, MemberId, OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::StoreError;
use super::account::Kept;
use super::sql::Sql;
use crate::domain::onboarding::{ProviderAccount, Seen, Standing};
use crate::rail::{SANDBOX, STRIPE};

const TABLE: &str = "provider_accounts";

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    member_id: Uuid,
    rail: String,
    account_id: String,
    standing: String,
    reason: String,
    asked: i64,
    version: i64,
    updated_at: Timestamp,
}

const SELECT: &str = "SELECT id, organization_id, member_id, rail, account_id, standing, reason, \
    asked, version, updated_at FROM provider_accounts";

/// Somebody's account.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    pub(crate) organization: OrganizationId,
    pub(crate) member: MemberId,
    pub(crate) account: ProviderAccount,
}

fn owned(row: &Row) -> Result<Owned, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: TABLE, id: row.id, column };
    let rail = [SANDBOX, STRIPE].into_iter().find(|rail| *rail == row.rail);
    let standing = Standing::read(&row.standing).ok_or_else(|| corrupt("standing"))?;
    Ok(Owned {
        organization: OrganizationId(row.organization_id),
        member: MemberId(row.member_id),
        account: ProviderAccount {
            id: row.id,
            rail: rail.ok_or_else(|| corrupt("rail"))?,
            account: row.account_id.clone(),
            seen: Seen { standing, reason: row.reason.clone() },
            asked: row.asked,
            version: row.version,
            updated_at: row.updated_at,
        },
    })
}

/// Reads how these payout accounts stand, by their ids.
pub(crate) async fn of<C: ConnectionTrait>(
    conn: &C,
    accounts: Vec<Uuid>,
) -> Result<HashMap<Uuid, ProviderAccount>, StoreError> {
    if accounts.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = Sql::new(conn.get_database_backend(), SELECT).one_of(" WHERE id", accounts);
    let rows = sql.all::<Row, _>(conn).await?;
    rows.iter()
        .map(owned)
        .map(|owned| owned.map(|owned| (owned.account.id, owned.account)))
        .collect()
}

/// Accounts of all organizations that their provider is to be asked about, at most `limit`.
pub(crate) async fn due(db: &Db, now: Timestamp, limit: i64) -> Result<Vec<Owned>, StoreError> {
    let sql = Sql::new(db.backend(), SELECT)
        .bind(" WHERE rail = ", STRIPE)
        .bind(" AND next_at <= ", now)
        .bind(" ORDER BY next_at, id LIMIT ", limit);
    sql.all::<Row, _>(db.conn()).await?.iter().map(owned).collect()
}

/// Whose account this is: more than one member's, if they share it.
pub(crate) async fn owners(db: &Db, account: &str) -> Result<Vec<Owned>, StoreError> {
    let sql = Sql::new(db.backend(), SELECT)
        .bind(" WHERE rail = ", STRIPE)
        .bind(" AND account_id = ", account)
        .push(" ORDER BY organization_id, id");
    sql.all::<Row, _>(db.conn()).await?.iter().map(owned).collect()
}

/// Reads one, whosever it is.
pub(crate) async fn owner(db: &Db, id: Uuid) -> Result<Option<Owned>, StoreError> {
    let sql = Sql::new(db.backend(), SELECT).bind(" WHERE id = ", id);
    sql.one::<Row, _>(db.conn()).await?.as_ref().map(owned).transpose()
}

/// Payout accounts that Stripe was never asked about, those after `after`: they were named before it
/// was connected.
pub(crate) async fn unasked(db: &Db, after: Uuid, limit: i64) -> Result<Vec<Kept>, StoreError> {
    super::account::of_stripe_without_standing(db, STRIPE, after, limit).await
}

/// The row of an account that is new, or has another number: nothing is known of it yet.
pub(crate) fn expect(
    owner: (OrganizationId, MemberId),
    id: Uuid,
    rail: &'static str,
    account: &str,
    standing: Standing,
    now: Timestamp,
) -> Insert {
    // Only Stripe is asked; the sandbox knows nothing that is not in this row.
    let next_at = (rail == STRIPE).then_some(now);
    Insert::into(TABLE)
        .column("id", Column::Uuid(vec![id]))
        .column("organization_id", Column::same_uuid(Some(owner.0.0)))
        .column("member_id", Column::same_uuid(Some(owner.1.0)))
        .column("rail", Column::same_text(Some(rail)))
        .column("account_id", Column::same_text(Some(account)))
        .column("standing", Column::same_text(Some(standing.as_str())))
        .column("reason", Column::same_text(Some("")))
        .column("asked", Column::same_i64(Some(0)))
        .column("next_at", Column::same_time(next_at))
        .column("version", Column::same_i64(Some(1)))
        .column("created_at", Column::same_time(Some(now)))
        .column("updated_at", Column::same_time(Some(now)))
        .on_conflict(
            "ON CONFLICT (id) DO UPDATE SET rail = excluded.rail, \
             account_id = excluded.account_id, standing = excluded.standing, reason = '', \
             asked = 0, next_at = excluded.next_at, version = provider_accounts.version + 1, \
             updated_at = excluded.updated_at",
        )
}

/// Rows of what was said of accounts of one organization. What changed is in the audit log.
pub(crate) fn see(ctx: &Ctx, service: &'static str, seen: &[(ProviderAccount, Seen)]) -> WriteSet {
    let mut set = WriteSet::new();
    let ids = seen.iter().map(|(account, _)| account.id).collect();
    let versions = seen.iter().map(|(account, _)| account.version).collect();
    let asked = |(account, now): &(ProviderAccount, Seen)| {
        if account.seen == *now { account.asked + 1 } else { 1 }
    };
    let next_at = |(account, now): &(ProviderAccount, Seen)| {
        (account.rail == STRIPE).then(|| account.again_at(now, ctx.now))
    };
    let standing = seen.iter().map(|(_, now)| now.standing.as_str().to_owned()).collect();
    let reason = seen.iter().map(|(_, now)| now.reason.clone()).collect();
    set.update(
        Update::of(TABLE, "id", ids, versions)
            .set("standing", Column::Text(standing))
            .set("reason", Column::Text(reason))
            .set("asked", Column::I64(seen.iter().map(asked).collect()))
            .set("next_at", Column::OptTime(seen.iter().map(next_at).collect()))
            .set("updated_at", Column::same_time(Some(ctx.now))),
    );
    let mut journal = Journal::new(service);
    for (account, now) in seen.iter().filter(|(account, now)| account.seen != *now) {
        let json = |of: &Seen| {
            serde_json::json!({ "standing": of.standing.as_str(), "reason": of.reason }).to_string()
        };
        let action = format!("payout_account.{}", now.standing.as_str());
        let entry = Entry::new(action, "payout_account", account.id);
        journal.note(ctx, entry.change(json(&account.seen), json(now)));
    }
    journal.write_to(ctx, &mut set);
    set
}

/// Has accounts asked about at once. In a new version: an answer that is on its way may be older than
/// what it is asked for, and is thrown away.
pub(crate) async fn ask_now<C: ConnectionTrait>(
    conn: &C,
    accounts: Vec<Uuid>,
    now: Timestamp,
) -> Result<(), StoreError> {
    Sql::new(conn.get_database_backend(), "UPDATE provider_accounts SET version = version + 1,")
        .bind(" next_at = ", now)
        .one_of(" WHERE id", accounts)
        .execute(conn)
        .await?;
    Ok(())
}
