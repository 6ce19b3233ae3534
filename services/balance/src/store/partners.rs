//! Commissions and payouts of partners, and what they add up to.

use std::collections::BTreeMap;

use quittance_chassis::db::{Column, Db, Insert};
use quittance_kernel::{Currency, MemberId, OrganizationId};
use sea_orm::{ConnectionTrait as _, DbErr};
use uuid::Uuid;

use super::{corrupt, statement};
use crate::domain::Sums;
use crate::domain::partner::{Entry, EntryKind};

/// Whose entry, and which.
pub(crate) type EntryKey = (OrganizationId, Uuid);

/// Adds entries, or what is newer of them. Version 0 of a part means that nothing is known of it.
pub(crate) fn partner_rows(entries: &BTreeMap<EntryKey, Entry>) -> Insert {
    let standing = |of: fn(&Entry) -> i64| Column::I64(entries.values().map(of).collect());
    let text =
        |of: fn(&Entry) -> &str| Column::Text(entries.values().map(|e| of(e).to_owned()).collect());
    Insert::into("partner_entries")
        .column("organization_id", Column::Uuid(entries.keys().map(|key| key.0.0).collect()))
        .column("entity_id", Column::Uuid(entries.keys().map(|key| key.1).collect()))
        .column("member_id", Column::Uuid(entries.values().map(|e| e.member.0).collect()))
        .column("currency", text(|e| e.currency.code()))
        .column("version", standing(|e| e.standing.as_ref().map_or(0, |s| s.version)))
        .column(
            "kind",
            text(|e| e.standing.as_ref().map_or(EntryKind::Manual, |s| s.kind).as_str()),
        )
        .column("amount_minor", standing(|e| e.standing.as_ref().map_or(0, |s| s.minor)))
        .column("status", text(|e| e.standing.as_ref().map_or("", |s| s.status.as_str())))
        .column("owed_version", standing(|e| e.owed.map_or(0, |owed| owed.version)))
        .column("owed_minor", standing(|e| e.owed.map_or(0, |owed| owed.minor)))
        .on_conflict(
            "ON CONFLICT (organization_id, entity_id) DO UPDATE SET \
             kind = CASE WHEN partner_entries.version < excluded.version \
             THEN excluded.kind ELSE partner_entries.kind END, \
             amount_minor = CASE WHEN partner_entries.version < excluded.version \
             THEN excluded.amount_minor ELSE partner_entries.amount_minor END, \
             status = CASE WHEN partner_entries.version < excluded.version \
             THEN excluded.status ELSE partner_entries.status END, \
             version = CASE WHEN partner_entries.version < excluded.version \
             THEN excluded.version ELSE partner_entries.version END, \
             owed_minor = CASE WHEN partner_entries.owed_version < excluded.owed_version \
             THEN excluded.owed_minor ELSE partner_entries.owed_minor END, \
             owed_version = CASE WHEN partner_entries.owed_version < excluded.owed_version \
             THEN excluded.owed_version ELSE partner_entries.owed_version END",
        )
}

/// Earned: what was paid. Pending: commissions less those that paid or voided payouts cover, and
/// payouts of agreed sums until they are paid. Owed back: voided payouts, less what was kept back.
const SUMS: &str = concat!(
    "SELECT currency, \
     CAST(SUM(CASE WHEN kind <> 'commission' AND status = 'paid' THEN amount_minor ELSE 0 END) \
     AS BIGINT), \
     count(CASE WHEN kind <> 'commission' AND status = 'paid' THEN 1 END), \
     CAST(SUM(CASE WHEN kind = 'commission' THEN amount_minor \
     WHEN kind = 'covering' AND status IN ('paid', 'void') THEN -amount_minor \
     WHEN kind = 'manual' AND status IN \
     ('pending_approval', 'approved', 'processing', 'unknown', 'failed') THEN amount_minor \
     ELSE 0 END) AS BIGINT), \
     CAST(SUM(CASE WHEN status = 'void' THEN amount_minor ELSE 0 END) AS BIGINT), \
     count(CASE WHEN status = 'void' THEN 1 END), \
     CAST(SUM(CASE WHEN status <> 'void' THEN 0 WHEN owed_version > 0 THEN owed_minor \
     ELSE amount_minor END) AS BIGINT) \
     FROM partner_entries WHERE organization_id = ",
    current!(),
    " AND member_id = $2 GROUP BY currency ORDER BY currency"
);

/// What a member has earned and is owed as a partner, by currency.
pub(crate) async fn partner_sums(
    db: &Db,
    organization: OrganizationId,
    member: MemberId,
) -> Result<Vec<(Currency, Sums)>, DbErr> {
    let statement = statement(db, SUMS, [organization.0.into(), member.0.into()]);
    let rows = db.conn().query_all_raw(statement).await?;
    let read = |row: &sea_orm::QueryResult| {
        let code: String = row.try_get_by_index(0)?;
        let currency = code.parse().map_err(|_| corrupt("partner_entries", "currency"))?;
        let sums = Sums {
            earned: row.try_get_by_index(1)?,
            earned_count: row.try_get_by_index(2)?,
            pending: row.try_get_by_index(3)?,
            pending_count: 0,
            voided: row.try_get_by_index(4)?,
            voided_count: row.try_get_by_index(5)?,
            receivable: row.try_get_by_index(6)?,
        };
        Ok((currency, sums))
    };
    rows.iter().map(read).collect()
}
