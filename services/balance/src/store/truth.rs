//! The sums once more, computed by the database from the lines, to be held against the kept ones.

use std::collections::BTreeMap;

use quittance_chassis::db::Db;
use quittance_kernel::OrganizationId;
use sea_orm::{ConnectionTrait as _, DbErr, QueryResult, Statement};
use uuid::Uuid;

/// What money follows in the end: what payouts say once it moved, before that the review.
const STANDING: &str = "SELECT lines.*, \
     CASE WHEN earning_status IN ('paid', 'void') THEN earning_status \
     WHEN issue_version > 0 THEN review ELSE earning_status END AS standing FROM lines";

const COUNTS: &str = "SELECT organization_id, reporter_id AS member_id, \
     issue_cycle_id AS cycle_id, count(*) AS issues, \
     count(CASE WHEN standing IN ('approved', 'paid') THEN 1 END) AS approved, \
     count(CASE WHEN standing = 'paid' THEN 1 END) AS paid, \
     count(CASE WHEN standing <> 'pending' THEN 1 END) AS decided, \
     count(CASE WHEN standing = 'pending' AND severity = 'critical' THEN 1 END) AS a, \
     count(CASE WHEN standing = 'pending' AND severity = 'high' THEN 1 END) AS b, \
     count(CASE WHEN standing = 'pending' AND severity = 'medium' THEN 1 END) AS c, \
     count(CASE WHEN standing = 'pending' AND severity = 'low' THEN 1 END) AS d \
     FROM standing WHERE issue_version > 0 AND status <> 'draft' \
     GROUP BY organization_id, reporter_id, issue_cycle_id";

/// Whose money a line is: the payee's, or while it is only approved the reporter's.
const MOVES: &str = "SELECT organization_id, payee_id AS member_id, \
     earning_cycle_id AS cycle_id, currency, standing, amount_minor AS minor, receivable_minor \
     FROM standing WHERE standing IN ('paid', 'void') \
     OR (standing = 'approved' AND issue_version = 0) \
     UNION ALL SELECT organization_id, reporter_id, issue_cycle_id, price_currency, standing, \
     price_minor, 0 FROM standing \
     WHERE standing = 'approved' AND issue_version > 0 AND price_currency IS NOT NULL";

const SUMS: &str = "CAST(coalesce(sum(CASE WHEN standing = 'paid' THEN minor END), 0) AS BIGINT), \
     count(CASE WHEN standing = 'paid' THEN 1 END), \
     CAST(coalesce(sum(CASE WHEN standing = 'approved' THEN minor END), 0) AS BIGINT), \
     count(CASE WHEN standing = 'approved' THEN 1 END), \
     CAST(coalesce(sum(CASE WHEN standing = 'void' THEN minor END), 0) AS BIGINT), \
     count(CASE WHEN standing = 'void' THEN 1 END), \
     CAST(coalesce(sum(CASE WHEN standing = 'void' THEN receivable_minor END), 0) AS BIGINT)";

/// Where a sum stands: table, organization, member, cycle (nil over all of them), currency.
type Place = (String, Uuid, Uuid, Uuid, String);

/// Kept and recomputed sums in one statement, hence of one moment. The first two columns tell
/// which of the two a row is and of which table; counts are filled up with zeros.
fn sql(of: &str) -> String {
    let kept_money = "earned, earned_count, pending, pending_count, voided, voided_count, \
         receivable, 0";
    format!(
        "WITH standing AS ({STANDING} {of}), moves AS ({MOVES}) \
         SELECT 'kept' AS side, 'cycle_counts' AS place, organization_id, member_id, cycle_id, \
         '' AS currency, issues, approved, paid, decided, pending_critical, pending_high, \
         pending_medium, pending_low FROM cycle_counts {of} \
         UNION ALL SELECT 'true', 'cycle_counts', organization_id, member_id, cycle_id, '', \
         issues, approved, paid, decided, a, b, c, d FROM ({COUNTS}) AS counts \
         UNION ALL SELECT 'kept', 'cycle_money', organization_id, member_id, cycle_id, currency, \
         {kept_money} FROM cycle_money {of} \
         UNION ALL SELECT 'true', 'cycle_money', organization_id, member_id, cycle_id, currency, \
         {SUMS}, 0 FROM moves GROUP BY organization_id, member_id, cycle_id, currency \
         UNION ALL SELECT 'kept', 'member_money', organization_id, member_id, NULL, currency, \
         {kept_money} FROM member_money {of} \
         UNION ALL SELECT 'true', 'member_money', organization_id, member_id, NULL, currency, \
         {SUMS}, 0 FROM moves GROUP BY organization_id, member_id, currency"
    )
}

/// Compares the kept sums with the lines and tells each difference; none is right. Of all generations
/// or of one.
pub(crate) async fn drift(db: &Db, of: Option<OrganizationId>) -> Result<Vec<String>, DbErr> {
    let statement = match of {
        None => Statement::from_string(db.backend(), sql("")),
        Some(id) => {
            let narrowed = sql("WHERE organization_id = $1");
            Statement::from_sql_and_values(db.backend(), narrowed, [id.0.into()])
        }
    };
    let rows = db.conn().query_all_raw(statement).await?;
    let mut places: BTreeMap<Place, [[i64; 8]; 2]> = BTreeMap::new();
    for row in &rows {
        let (side, place, sums) = read(row)?;
        places.entry(place).or_default()[side] = sums;
    }
    Ok(places
        .into_iter()
        .filter(|(_, [kept, lines])| kept != lines)
        .map(|((table, organization, member, cycle, currency), [kept, lines])| {
            format!(
                "{table} of {organization}/{member}/{cycle} {currency}: kept {kept:?}, \
                 the lines say {lines:?}"
            )
        })
        .collect())
}

fn read(row: &QueryResult) -> Result<(usize, Place, [i64; 8]), DbErr> {
    let side: String = row.try_get_by_index(0)?;
    let place = (
        row.try_get_by_index(1)?,
        row.try_get_by_index(2)?,
        row.try_get_by_index(3)?,
        row.try_get_by_index::<Option<Uuid>>(4)?.unwrap_or_default(),
        row.try_get_by_index(5)?,
    );
    let mut sums = [0; 8];
    for (index, sum) in sums.iter_mut().enumerate() {
        *sum = row.try_get_by_index(6 + index)?;
    }
    Ok((usize::from(side == "true"), place, sums))
}
