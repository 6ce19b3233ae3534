//! Commission rules, attributions, commissions and the payouts that cover them.

use quittance_chassis::db::{Column, Db, Entry, Insert, Journal, Update, WriteSet};
use quittance_events::{CommissionState, kind};
use quittance_kernel::{Ctx, MemberId, OrganizationId, ProductId, Timestamp};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::sql::Sql;
use super::{StoreError, money};
use crate::domain::commission::{Attribution, Group, Pending, Rate, Rule};

/// The most rules that are shown.
const MAX_RULES: i64 = 1_000;

/// `(kind, value, currency)` of a rate.
fn columns(rate: Rate) -> (&'static str, i64, &'static str) {
    match rate {
        Rate::BasisPoints(points) => ("basis_points", points, ""),
        Rate::Flat(amount) => ("flat", amount.minor(), amount.currency().code()),
    }
}

fn rate(
    table: &'static str,
    id: Uuid,
    kind: &str,
    value: i64,
    currency: &str,
) -> Result<Rate, StoreError> {
    match kind {
        "basis_points" => Ok(Rate::BasisPoints(value)),
        "flat" => Ok(Rate::Flat(money(table, id, value, currency)?)),
        _ => Err(StoreError::Corrupt { table, id, column: "rate_kind" }),
    }
}

/// The nil id is any.
fn any<T>(id: Uuid, some: fn(Uuid) -> T) -> Option<T> {
    (!id.is_nil()).then(|| some(id))
}

fn nil(product: Option<ProductId>) -> Uuid {
    product.map_or(Uuid::nil(), |id| id.0)
}

#[derive(FromQueryResult)]
struct RuleRow {
    id: Uuid,
    partner_id: Uuid,
    product_id: Uuid,
    rate_kind: String,
    rate_value: i64,
    rate_currency: String,
    holding_days: i64,
    created_at: Timestamp,
}

/// Reads the rules that hold, the most specific first: all, or those that a sale could fall under.
pub(crate) async fn rules(
    db: &Db,
    organization: OrganizationId,
    sale: Option<(MemberId, Option<ProductId>)>,
) -> Result<Vec<Rule>, StoreError> {
    let text = "SELECT r.id, r.partner_id, r.product_id, r.rate_kind, r.rate_value, \
                r.rate_currency, r.holding_days, r.created_at FROM commission_rules r \
                WHERE r.organization_id = ";
    let sql = Sql::new(db.backend(), "").bind(text, organization.0);
    let sql = match sale {
        Some((partner, product)) => sql
            .one_of(" AND r.partner_id", vec![partner.0, Uuid::nil()])
            .one_of(" AND r.product_id", vec![nil(product), Uuid::nil()]),
        None => sql,
    };
    // A flat rule and a share, or flat rules in several currencies, hold beside each other.
    let sql = sql
        .push(
            " AND NOT EXISTS (SELECT 1 FROM commission_rules l WHERE l.organization_id = \
             r.organization_id AND l.partner_id = r.partner_id AND l.product_id = r.product_id \
             AND l.rate_currency = r.rate_currency AND l.id > r.id) \
             ORDER BY r.partner_id DESC, r.product_id DESC, r.id DESC",
        )
        .bind(" LIMIT ", MAX_RULES);
    let read = |row: RuleRow| {
        let table = "commission_rules";
        Ok(Rule {
            id: row.id,
            partner: any(row.partner_id, MemberId),
            product: any(row.product_id, ProductId),
            rate: rate(table, row.id, &row.rate_kind, row.rate_value, &row.rate_currency)?,
            holding_days: row.holding_days,
            created_at: row.created_at,
        })
    };
    sql.all::<RuleRow, _>(db.conn()).await?.into_iter().map(read).collect()
}

/// Rows of a new rule.
pub(crate) fn create_rule(ctx: &Ctx, set: &mut WriteSet, journal: &mut Journal, rule: &Rule) {
    let (kind, value, currency) = columns(rule.rate);
    let partner = rule.partner.map_or(Uuid::nil(), |id| id.0);
    set.insert(
        Insert::into("commission_rules")
            .column("id", Column::Uuid(vec![rule.id]))
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("partner_id", Column::same_uuid(Some(partner)))
            .column("product_id", Column::same_uuid(Some(nil(rule.product))))
            .column("rate_kind", Column::same_text(Some(kind)))
            .column("rate_value", Column::same_i64(Some(value)))
            .column("rate_currency", Column::same_text(Some(currency)))
            .column("holding_days", Column::same_i64(Some(rule.holding_days)))
            .column("created_by", Column::same_uuid(Some(ctx.member().0)))
            .column("created_at", Column::same_time(Some(ctx.now))),
    );
    let after = format!(
        "{{\"rate\":\"{kind}\",\"value\":{value},\"currency\":\"{currency}\",\"holdingDays\":{}}}",
        rule.holding_days
    );
    journal
        .note(ctx, Entry::new("commission_rule.created", "commission_rule", rule.id).after(after));
}

#[derive(FromQueryResult)]
struct AttributionRow {
    id: Uuid,
    external_id: String,
    partner_id: Uuid,
    product_id: Uuid,
    amount_minor: i64,
    currency: String,
    occurred_at: Timestamp,
    payable_at: Timestamp,
    rate_kind: String,
    rate_value: i64,
    rate_currency: String,
    commission_minor: i64,
    refunded_minor: i64,
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Reads one attribution.
pub(crate) async fn attribution(
    db: &Db,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<Attribution>, StoreError> {
    let text = "SELECT id, external_id, partner_id, product_id, amount_minor, currency, \
                occurred_at, payable_at, rate_kind, rate_value, rate_currency, commission_minor, \
                refunded_minor, version, created_at, updated_at FROM attributions \
                WHERE organization_id = ";
    let sql = Sql::new(db.backend(), "").bind(text, organization.0).bind(" AND id = ", id);
    let read = |row: AttributionRow| {
        let table = "attributions";
        Ok(Attribution {
            id: row.id,
            external_id: row.external_id,
            partner: MemberId(row.partner_id),
            product: any(row.product_id, ProductId),
            amount: money(table, row.id, row.amount_minor, &row.currency)?,
            occurred_at: row.occurred_at,
            payable_at: row.payable_at,
            rate: rate(table, row.id, &row.rate_kind, row.rate_value, &row.rate_currency)?,
            commission: row.commission_minor,
            refunded: row.refunded_minor,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    };
    sql.one::<AttributionRow, _>(db.conn()).await?.map(read).transpose()
}

/// Rows of a sale and of the commission that it earns.
pub(crate) fn create(ctx: &Ctx, set: &mut WriteSet, journal: &mut Journal, new: &Attribution) {
    let (kind, value, currency) = columns(new.rate);
    set.insert(
        Insert::into("attributions")
            .column("id", Column::Uuid(vec![new.id]))
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("external_id", Column::same_text(Some(&new.external_id)))
            .column("partner_id", Column::same_uuid(Some(new.partner.0)))
            .column("product_id", Column::same_uuid(Some(nil(new.product))))
            .column("amount_minor", Column::same_i64(Some(new.amount.minor())))
            .column("currency", Column::same_text(Some(new.amount.currency().code())))
            .column("occurred_at", Column::same_time(Some(new.occurred_at)))
            .column("payable_at", Column::same_time(Some(new.payable_at)))
            .column("rate_kind", Column::same_text(Some(kind)))
            .column("rate_value", Column::same_i64(Some(value)))
            .column("rate_currency", Column::same_text(Some(currency)))
            .column("commission_minor", Column::same_i64(Some(new.commission)))
            .column("refunded_minor", Column::same_i64(Some(0)))
            .column("version", Column::same_i64(Some(1)))
            .column("created_at", Column::same_time(Some(ctx.now)))
            .column("updated_at", Column::same_time(Some(ctx.now))),
    );
    commission(ctx, set, journal, new, new.commission, new.occurred_at);
}

/// Rows of a refund, and of what it takes back.
pub(crate) fn refund(
    ctx: &Ctx,
    set: &mut WriteSet,
    journal: &mut Journal,
    before: &Attribution,
    after: &Attribution,
    clawback: i64,
) {
    set.update(
        Update::of("attributions", "id", vec![before.id], vec![before.version])
            .set("refunded_minor", Column::same_i64(Some(after.refunded)))
            .set("updated_at", Column::same_time(Some(ctx.now))),
    );
    commission(ctx, set, journal, after, clawback, ctx.now);
}

/// A commission or a clawback; one of nothing leaves only its trace.
fn commission(
    ctx: &Ctx,
    set: &mut WriteSet,
    journal: &mut Journal,
    of: &Attribution,
    minor: i64,
    at: Timestamp,
) {
    let (id, currency) = (Uuid::now_v7(), of.amount.currency().code());
    let action = if of.version == 1 { "attribution.created" } else { "attribution.refunded" };
    let after = format!(
        "{{\"amountMinor\":{},\"refundedMinor\":{},\"commissionMinor\":{minor},\
         \"currency\":\"{currency}\"}}",
        of.amount.minor(),
        of.refunded
    );
    let entry = Entry::new(action, "attribution", of.id).after(after);
    if minor == 0 {
        journal.note(ctx, entry);
        return;
    }
    // Nothing is taken back before it could be paid.
    let payable_at = of.payable_at.max(at);
    set.insert(
        Insert::into("commissions")
            .column("id", Column::Uuid(vec![id]))
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("attribution_id", Column::same_uuid(Some(of.id)))
            .column("part", Column::same_i64(Some(of.version)))
            .column("partner_id", Column::same_uuid(Some(of.partner.0)))
            .column("amount_minor", Column::same_i64(Some(minor)))
            .column("currency", Column::same_text(Some(currency)))
            .column("occurred_at", Column::same_time(Some(at)))
            .column("payable_at", Column::same_time(Some(payable_at)))
            .column("version", Column::same_i64(Some(1)))
            .column("created_at", Column::same_time(Some(ctx.now)))
            .column("updated_at", Column::same_time(Some(ctx.now))),
    );
    let state = CommissionState {
        commission_id: id,
        version: 1,
        attribution_id: of.id,
        external_id: of.external_id.clone(),
        partner_id: of.partner.0,
        product_id: of.product.map(|id| id.0),
        amount_minor: minor,
        currency: currency.to_owned(),
        occurred_at: at,
        payable_at,
    };
    journal.record(ctx, entry, kind::COMMISSION_CREATED, state);
}

#[derive(FromQueryResult)]
struct PendingRow {
    id: Uuid,
    version: i64,
    partner_id: Uuid,
    amount_minor: i64,
    currency: String,
}

/// Reads what no payout covers and can be paid at `now`: sales before `end`, and every clawback, so
/// that nobody is paid what is to be taken back. Clawbacks come first: what a limit cuts off is owed.
pub(crate) async fn pending(
    db: &Db,
    organization: OrganizationId,
    partners: &[MemberId],
    end: Option<Timestamp>,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Pending>, StoreError> {
    let text = "SELECT id, version, partner_id, amount_minor, currency FROM commissions \
                WHERE payout_id IS NULL AND organization_id = ";
    let sql =
        Sql::new(db.backend(), "").bind(text, organization.0).bind(" AND payable_at <= ", now);
    let sql = match end {
        Some(end) => sql.bind(" AND (amount_minor < 0 OR occurred_at < ", end).push(")"),
        None => sql,
    };
    let sql = if partners.is_empty() {
        sql
    } else {
        sql.one_of(" AND partner_id", partners.iter().map(|partner| partner.0).collect())
    };
    let sql = sql
        .push(" ORDER BY partner_id, CASE WHEN amount_minor < 0 THEN 0 ELSE 1 END, id")
        .bind(" LIMIT ", i64::try_from(limit).unwrap_or(i64::MAX));
    let read = |row: PendingRow| {
        Ok(Pending {
            id: row.id,
            version: row.version,
            partner: MemberId(row.partner_id),
            amount: money("commissions", row.id, row.amount_minor, &row.currency)?,
        })
    };
    sql.all::<PendingRow, _>(db.conn()).await?.into_iter().map(read).collect()
}

/// Rows that count commissions as covered by their payouts. The version of each, and the unique
/// index of live items, refuse a second payout.
pub(crate) fn cover(ctx: &Ctx, set: &mut WriteSet, covered: &[(Uuid, &Group)]) {
    let all: Vec<(Uuid, Pending)> = covered
        .iter()
        .flat_map(|(payout, group)| group.commissions.iter().map(|one| (*payout, *one)))
        .collect();
    let ids = || all.iter().map(|(_, one)| one.id).collect::<Vec<_>>();
    let payouts = || Column::Uuid(all.iter().map(|(payout, _)| *payout).collect());
    set.update(
        Update::of("commissions", "id", ids(), all.iter().map(|(_, one)| one.version).collect())
            .set("payout_id", payouts())
            .set("updated_at", Column::same_time(Some(ctx.now)))
            .only_where("t.payout_id IS NULL"),
    );
    set.insert(
        Insert::into("commission_items")
            .column("id", Column::Uuid(all.iter().map(|_| Uuid::now_v7()).collect()))
            .column("organization_id", Column::same_uuid(Some(ctx.organization().0)))
            .column("payout_id", payouts())
            .column("commission_id", Column::Uuid(ids()))
            .column(
                "amount_minor",
                Column::I64(all.iter().map(|(_, one)| one.amount.minor()).collect()),
            )
            .column("live", Column::Same(true.into(), "boolean")),
    );
}
