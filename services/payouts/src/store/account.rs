//! Payout accounts: sealed numbers, what they were before, and minimum amounts.

use quittance_chassis::db::{Column, Db, Entry, Insert, Journal, Update, WriteSet};
use quittance_kernel::{Ctx, Currency, MemberId, Method, Money, OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, money};
use crate::domain::account::PayoutAccount;
use crate::domain::limits::Minimum;
use crate::keyring::Sealed;

const TABLE: &str = "payout_accounts";

/// An account with its number, which is not to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) organization: OrganizationId,
    pub(crate) account: PayoutAccount,
    pub(crate) sealed: Sealed,
}

impl Kept {
    /// The row that the number is bound to.
    pub(crate) fn bound(&self) -> String {
        bound(self.organization, self.account.member, self.account.method)
    }
}

/// The row that a number is bound to.
pub(crate) fn bound(organization: OrganizationId, member: MemberId, method: Method) -> String {
    format!("{organization}|{member}|{method}")
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    member_id: Uuid,
    method: String,
    sealed: String,
    key_id: String,
    masked: String,
    version: i64,
    changed_at: Option<Timestamp>,
    created_at: Timestamp,
}

const SELECT: &str = "SELECT id, organization_id, member_id, method, sealed, key_id, masked, \
    version, changed_at, created_at FROM payout_accounts";

fn kept(row: Row) -> Result<Kept, StoreError> {
    let method = method(TABLE, row.id, &row.method)?;
    Ok(Kept {
        organization: OrganizationId(row.organization_id),
        account: PayoutAccount {
            id: row.id,
            member: MemberId(row.member_id),
            method,
            masked: row.masked,
            version: row.version,
            changed_at: row.changed_at,
            created_at: row.created_at,
        },
        sealed: Sealed { key: row.key_id, text: row.sealed },
    })
}

/// Reads a method back.
pub(super) fn method(table: &'static str, id: Uuid, word: &str) -> Result<Method, StoreError> {
    word.parse().map_err(|_| StoreError::Corrupt { table, id, column: "method" })
}

/// Reads the accounts of a member, by method.
pub(crate) async fn of_member(
    db: &Db,
    organization: OrganizationId,
    member: MemberId,
) -> Result<Vec<Kept>, StoreError> {
    let sql = Sql::new(db.backend(), SELECT)
        .bind(" WHERE organization_id = ", organization.0)
        .bind(" AND member_id = ", member.0)
        .push(" ORDER BY method");
    sql.all::<Row, _>(db.conn()).await?.into_iter().map(kept).collect()
}

/// Reads the accounts of these members by one method.
pub(crate) async fn of_method<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    method: Method,
    members: Vec<Uuid>,
) -> Result<Vec<Kept>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), SELECT)
        .bind(" WHERE organization_id = ", organization.0)
        .bind(" AND method = ", method.as_str())
        .one_of(" AND member_id", members);
    sql.all::<Row, _>(conn).await?.into_iter().map(kept).collect()
}

/// Reads the accounts of these members in these organizations, by whatever method.
pub(crate) async fn of_members<C: ConnectionTrait>(
    conn: &C,
    organizations: Vec<Uuid>,
    members: Vec<Uuid>,
) -> Result<Vec<Kept>, StoreError> {
    let sql = Sql::new(conn.get_database_backend(), SELECT)
        .one_of(" WHERE organization_id", organizations)
        .one_of(" AND member_id", members);
    sql.all::<Row, _>(conn).await?.into_iter().map(kept).collect()
}

/// Reads accounts that another key than this one has sealed, of all organizations: rotation is the
/// installation's. At most `limit`, those after `after`.
pub(crate) async fn sealed_otherwise(
    db: &Db,
    key: &str,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Kept>, StoreError> {
    let sql = Sql::new(db.backend(), SELECT)
        .bind(" WHERE key_id <> ", key)
        .bind(" AND id > ", after)
        .bind(" ORDER BY id LIMIT ", limit);
    sql.all::<Row, _>(db.conn()).await?.into_iter().map(kept).collect()
}

/// How many accounts another key than this one has sealed.
pub(crate) async fn count_otherwise(db: &Db, key: &str) -> Result<i64, StoreError> {
    let text = "SELECT count(*) FROM payout_accounts WHERE key_id <> ";
    let rows = Sql::new(db.backend(), "").bind(text, key).rows(db.conn()).await?;
    Ok(rows.first().map_or(Ok(0), |row| row.try_get_by_index(0))?)
}

/// Rows of an account that is set: `before` is what it was. Only its mask is told and kept.
pub(crate) fn set(
    ctx: &Ctx,
    service: &'static str,
    after: &PayoutAccount,
    sealed: &Sealed,
    before: Option<&PayoutAccount>,
) -> WriteSet {
    let mut set = WriteSet::new();
    let (organization, now) = (ctx.organization().0, ctx.now);
    match before {
        None => set.insert(
            Insert::into(TABLE)
                .column("id", Column::Uuid(vec![after.id]))
                .column("organization_id", Column::same_uuid(Some(organization)))
                .column("member_id", Column::same_uuid(Some(after.member.0)))
                .column("method", Column::same_text(Some(after.method.as_str())))
                .column("sealed", Column::same_text(Some(&sealed.text)))
                .column("key_id", Column::same_text(Some(&sealed.key)))
                .column("masked", Column::same_text(Some(&after.masked)))
                .column("version", Column::same_i64(Some(after.version)))
                .column("created_at", Column::same_time(Some(now)))
                .column("updated_at", Column::same_time(Some(now))),
        ),
        Some(before) => set.update(
            Update::of(TABLE, "id", vec![after.id], vec![before.version])
                .set("sealed", Column::same_text(Some(&sealed.text)))
                .set("key_id", Column::same_text(Some(&sealed.key)))
                .set("masked", Column::same_text(Some(&after.masked)))
                .set("changed_at", Column::same_time(Some(now)))
                .set("updated_at", Column::same_time(Some(now))),
        ),
    }
    set.insert(
        Insert::into("payout_account_history")
            .column("account_id", Column::Uuid(vec![after.id]))
            .column("version", Column::same_i64(Some(after.version)))
            .column("organization_id", Column::same_uuid(Some(organization)))
            .column("member_id", Column::same_uuid(Some(after.member.0)))
            .column("method", Column::same_text(Some(after.method.as_str())))
            .column("masked", Column::same_text(Some(&after.masked)))
            .column("actor_id", Column::same_uuid(Some(ctx.member().0)))
            .column("created_at", Column::same_time(Some(now))),
    );
    let json = |of: &PayoutAccount| {
        serde_json::json!({ "method": of.method.as_str(), "masked": of.masked }).to_string()
    };
    let action = if before.is_some() { "payout_account.changed" } else { "payout_account.created" };
    let entry = Entry::new(action, "payout_account", after.id);
    let entry = match before {
        Some(before) => entry.change(json(before), json(after)),
        None => entry.after(json(after)),
    };
    let mut journal = Journal::new(service);
    journal.note(ctx, entry);
    journal.write_to(ctx, &mut set);
    set
}

/// Rows of accounts that are sealed anew: refused if one was changed meanwhile.
pub(crate) fn reseal(now: Timestamp, accounts: &[(Kept, Sealed)]) -> WriteSet {
    let mut set = WriteSet::new();
    let ids = accounts.iter().map(|(kept, _)| kept.account.id).collect();
    let versions = accounts.iter().map(|(kept, _)| kept.account.version).collect();
    let texts = |of: fn(&Sealed) -> &str| {
        Column::Text(accounts.iter().map(|(_, sealed)| of(sealed).to_owned()).collect())
    };
    set.update(
        Update::of(TABLE, "id", ids, versions)
            .set("sealed", texts(|sealed| &sealed.text))
            .set("key_id", texts(|sealed| &sealed.key))
            .set("updated_at", Column::same_time(Some(now))),
    );
    set
}

#[derive(FromQueryResult)]
struct MinimumRow {
    method: String,
    currency: String,
    amount_minor: i64,
}

/// Reads the minimum amounts of an organization.
pub(crate) async fn minimums(
    db: &Db,
    organization: OrganizationId,
) -> Result<Vec<Minimum>, StoreError> {
    let text = "SELECT method, currency, amount_minor FROM minimum_amounts \
                WHERE amount_minor > 0 AND organization_id = ";
    let sql =
        Sql::new(db.backend(), "").bind(text, organization.0).push(" ORDER BY currency, method");
    let table = "minimum_amounts";
    let read = |row: MinimumRow| {
        Ok(Minimum {
            method: method(table, Uuid::nil(), &row.method)?,
            amount: money(table, Uuid::nil(), row.amount_minor, &row.currency)?,
        })
    };
    sql.all::<MinimumRow, _>(db.conn()).await?.into_iter().map(read).collect()
}

/// Rows of a minimum that is set; `before` is what it was.
pub(crate) fn set_minimum(
    ctx: &Ctx,
    service: &'static str,
    minimum: &Minimum,
    before: i64,
) -> WriteSet {
    let mut set = WriteSet::new();
    let currency: Currency = minimum.amount.currency();
    set.insert(
        Insert::into("minimum_amounts")
            .column("organization_id", Column::Uuid(vec![ctx.organization().0]))
            .column("currency", Column::same_text(Some(currency.code())))
            .column("method", Column::same_text(Some(minimum.method.as_str())))
            .column("amount_minor", Column::same_i64(Some(minimum.amount.minor())))
            .column("updated_by", Column::same_uuid(Some(ctx.member().0)))
            .column("updated_at", Column::same_time(Some(ctx.now)))
            .on_conflict(
                "ON CONFLICT (organization_id, currency, method) DO UPDATE SET \
                 amount_minor = excluded.amount_minor, updated_by = excluded.updated_by, \
                 updated_at = excluded.updated_at",
            ),
    );
    let json = |minor: i64| {
        let method = minimum.method.as_str();
        serde_json::json!({ "method": method, "currency": currency.code(), "amountMinor": minor })
            .to_string()
    };
    // One list per organization: it has no id of its own.
    let entry = Entry::new("minimum_amount.set", "organization", ctx.organization().0)
        .change(json(before), json(minimum.amount.minor()));
    let mut journal = Journal::new(service);
    journal.note(ctx, entry);
    journal.write_to(ctx, &mut set);
    set
}

/// A minimum as it is; zero if there is none.
pub(crate) fn minor_of(all: &[Minimum], method: Method, currency: Currency) -> i64 {
    let same = |one: &&Minimum| one.method == method && one.amount.currency() == currency;
    all.iter().find(same).map_or(0, |one: &Minimum| Money::minor(one.amount))
}
