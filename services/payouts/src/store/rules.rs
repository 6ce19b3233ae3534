//! What an organization's rules say about a payment, in one look: it is read before each of them.

use quittance_chassis::db::Db;
use quittance_kernel::{MemberId, OrganizationId, Timestamp};
use sea_orm::QueryResult;
use uuid::Uuid;

use super::account::method;
use super::sql::Sql;
use super::{StoreError, money};
use crate::domain::approval::PayoutPolicy;
use crate::domain::limits::Limits;

/// Whether a row is a policy, an account that was changed lately, or a minimum amount.
const POLICY: i64 = 0;
const COOLING: i64 = 1;

/// Reads accounts that were changed after `since`, minimum amounts, and from which sum on approvals
/// are needed.
pub(crate) async fn read(
    db: &Db,
    organization: OrganizationId,
    since: Timestamp,
) -> Result<(Limits, Vec<PayoutPolicy>), StoreError> {
    let sql = Sql::new(db.backend(), "")
        .bind(
            "SELECT CAST(0 AS bigint), id, '' AS method, currency, above_minor, approvers, version, \
             updated_by, updated_at FROM payout_policies WHERE organization_id = ",
            organization.0,
        )
        .bind(
            " UNION ALL SELECT 1, member_id, method, '', 0, 0, 0, member_id, changed_at \
             FROM payout_accounts WHERE organization_id = ",
            organization.0,
        )
        .bind(" AND changed_at > ", since)
        .bind(
            " UNION ALL SELECT 2, organization_id, method, currency, amount_minor, 0, 0, NULL, NULL \
             FROM minimum_amounts WHERE amount_minor > 0 AND organization_id = ",
            organization.0,
        );
    let (mut limits, mut policies) = (Limits::default(), Vec::new());
    for row in sql.rows(db.conn()).await? {
        match row.try_get_by_index::<i64>(0)? {
            POLICY => policies.push(policy(&row)?),
            COOLING => {
                let member = MemberId(row.try_get_by_index(1)?);
                limits.cooling.insert((member, by(&row)?));
            }
            _ => {
                let (code, minor): (String, i64) =
                    (row.try_get_by_index(3)?, row.try_get_by_index(4)?);
                let amount = money("minimum_amounts", Uuid::nil(), minor, &code)?;
                limits.minimums.insert((amount.currency(), by(&row)?), minor);
            }
        }
    }
    Ok((limits, policies))
}

fn by(row: &QueryResult) -> Result<quittance_kernel::Method, StoreError> {
    let word: String = row.try_get_by_index(2)?;
    method("payout_accounts", Uuid::nil(), &word)
}

fn policy(row: &QueryResult) -> Result<PayoutPolicy, StoreError> {
    let id: Uuid = row.try_get_by_index(1)?;
    let code: String = row.try_get_by_index(3)?;
    let corrupt = StoreError::Corrupt { table: "payout_policies", id, column: "currency" };
    Ok(PayoutPolicy {
        id,
        currency: code.parse().map_err(|_| corrupt)?,
        above_minor: row.try_get_by_index(4)?,
        approvers: row.try_get_by_index(5)?,
        version: row.try_get_by_index(6)?,
        updated_by: MemberId(row.try_get_by_index(7)?),
        updated_at: row.try_get_by_index(8)?,
    })
}
