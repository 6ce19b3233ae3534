//! Many issues: lists, inboxes and snapshots, page by page.

use quittance_chassis::snapshots::Wanted;
use quittance_kernel::{
    CycleId, IssueId, IssueStatus, MemberId, OrganizationId, PayoutStatus, ProductId, Severity,
    Timestamp,
};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};

use super::issue_row::{COLUMNS, Row, TABLES, rank};
use super::sql::Sql;
use super::{After, StoreError};
use crate::domain::issue::Issue;
use crate::domain::search::words;
use crate::domain::sight::Sight;
use crate::domain::view::Frame;

/// What a list is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub cycle: Option<CycleId>,
    pub product: Option<ProductId>,
    pub reporter: Option<MemberId>,
    pub status: Option<IssueStatus>,
    pub payout_status: Option<PayoutStatus>,
    pub severity: Option<Severity>,
    /// Words that the title or the body contains, each of them; the last one may only be begun.
    pub words: Vec<String>,
}

/// The position in the triage inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Urgency {
    pub(crate) severity: Severity,
    pub(crate) created_at: Timestamp,
}

pub(crate) type Found = Vec<(Issue, Frame)>;

/// What the inbox shows, without the columns.
const INBOX: &str = " AND i.status = 'open' AND i.review = 'pending' AND c.status = 'open' \
     AND i.bounty_id IS NULL";

const UNDECIDED: &str = " AND i.review = 'pending' AND i.status <> 'draft'";

fn begin(backend: sea_orm::DbBackend, organization: OrganizationId, sight: Sight) -> Sql {
    let mut sql = Sql::new(backend, COLUMNS);
    sql.push(TABLES).bind(" WHERE i.organization_id = ", organization.0).seen_by(sight);
    sql
}

async fn read<C: ConnectionTrait>(sql: Sql, conn: &C) -> Result<Found, StoreError> {
    sql.all::<Row, C>(conn).await?.into_iter().map(Row::read).collect()
}

fn newest_first(sql: &mut Sql, after: Option<&After<Timestamp>>, limit: u32) {
    if let Some(after) = after {
        sql.bind(" AND (i.created_at, i.id) < (", after.key).bind(", ", after.id).push(")");
    }
    sql.bind(" ORDER BY i.created_at DESC, i.id DESC LIMIT ", i64::from(limit));
}

/// The number of an issue: the key of its product, and where it counts in it.
pub(crate) type Number = (String, i64);

/// Finds an issue by its number, if the rest of the filter fits it too.
pub(crate) async fn by_number<C: ConnectionTrait>(
    conn: &C,
    (organization, sight): (OrganizationId, Sight),
    filter: &Filter,
    (key, number): &Number,
) -> Result<Option<(Issue, Frame)>, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization, sight);
    // Two unique indexes: the key leads to one product, product and number to one issue.
    sql.bind(
        " AND i.product_id = (SELECT id FROM products WHERE organization_id = ",
        organization.0,
    )
    .bind(" AND key = ", key.as_str())
    .bind(") AND i.number = ", *number);
    narrow(&mut sql, &Filter { words: Vec::new(), ..filter.clone() });
    Ok(read(sql, conn).await?.pop())
}

/// Lists issues, the newest first, all but the one that has this number.
pub(crate) async fn list<C: ConnectionTrait>(
    conn: &C,
    (organization, sight): (OrganizationId, Sight),
    filter: &Filter,
    but: Option<&Number>,
    after: Option<After<Timestamp>>,
    limit: u32,
) -> Result<Found, StoreError> {
    let backend = conn.get_database_backend();
    if let (Sight::OwnAndLed(lead), DbBackend::Postgres, None) = (sight, backend, filter.cycle) {
        let sql = merged((organization, lead), |sql| {
            narrow(sql, filter);
            all_but(sql, organization, but);
            newest_first(sql, after.as_ref(), limit);
        });
        return read(sql, conn).await;
    }
    let mut sql = begin(backend, organization, sight);
    narrow(&mut sql, filter);
    all_but(&mut sql, organization, but);
    newest_first(&mut sql, after.as_ref(), limit);
    read(sql, conn).await
}

/// What a lead sees, put together from the pages of each of their cycles and of their own. As one
/// condition it would be looked for among all issues, and cycles of long ago are far down there.
fn merged((organization, lead): (OrganizationId, MemberId), page: impl Fn(&mut Sql)) -> Sql {
    let mut sql = Sql::new(DbBackend::Postgres, "WITH seen AS MATERIALIZED ((SELECT i.id");
    sql.bind(" FROM issues i WHERE i.organization_id = ", organization.0)
        .bind(" AND i.reporter_id = ", lead.0);
    page(&mut sql);
    sql.push(") UNION SELECT led.id FROM cycle_members s CROSS JOIN LATERAL (SELECT i.id")
        .bind(" FROM issues i WHERE i.organization_id = ", organization.0)
        .push(" AND i.cycle_id = s.cycle_id");
    page(&mut sql);
    sql.bind(") led WHERE s.lead AND s.organization_id = ", organization.0)
        .bind(" AND s.member_id = ", lead.0)
        .push(") ")
        .push(COLUMNS)
        .push(TABLES)
        .bind(" WHERE i.organization_id = ", organization.0)
        .push(" AND i.id IN (SELECT id FROM seen)");
    page(&mut sql);
    sql
}

fn all_but(sql: &mut Sql, organization: OrganizationId, but: Option<&Number>) {
    if let Some((key, number)) = but {
        sql.bind(" AND NOT (i.number = ", *number)
            .push(" AND i.product_id IN (SELECT id FROM products")
            .bind(" WHERE organization_id = ", organization.0)
            .bind(" AND key = ", key.as_str())
            .push("))");
    }
}

fn narrow(sql: &mut Sql, filter: &Filter) {
    if let Some(cycle) = filter.cycle {
        sql.bind(" AND i.cycle_id = ", cycle.0);
    }
    if let Some(product) = filter.product {
        sql.bind(" AND i.product_id = ", product.0);
    }
    if let Some(reporter) = filter.reporter {
        sql.bind(" AND i.reporter_id = ", reporter.0);
    }
    if let Some(status) = filter.status {
        sql.bind(" AND i.status = ", status.as_str());
    }
    if let Some(severity) = filter.severity {
        sql.bind(" AND i.severity = ", rank(severity));
    }
    if let Some(status) = filter.payout_status {
        // A payment, live or void, is what shows; the index has the same expression.
        sql.bind(" AND COALESCE(i.pay_status, i.review) = ", status.as_str());
    }
    if !filter.words.is_empty() {
        matching(sql, &words(&filter.words.join(" ")));
    }
}

/// Limits the issues `i` to those that have all these words; the last one may only be begun.
/// Signs alone are no words, and nothing has them.
fn matching(sql: &mut Sql, words: &[String]) {
    match match_all(sql.backend(), words) {
        None => {
            sql.push(" AND 1 = 0");
        }
        Some(query) if sql.backend() == DbBackend::Postgres => {
            sql.typed(" AND i.search @@ ", query, "tsquery");
        }
        Some(query) => {
            let found = "SELECT issue_id FROM issues_search WHERE issues_search MATCH ";
            sql.push(" AND i.id IN (").bind(found, query).push(")");
        }
    }
}

/// Writes a query as the database reads it. Words hold letters and digits only.
fn match_all(backend: DbBackend, words: &[String]) -> Option<String> {
    let (last, others) = words.split_last()?;
    let (quote, and, prefix) =
        if backend == DbBackend::Postgres { ("'", " & ", ":*") } else { ("\"", " AND ", " *") };
    let mut query = String::new();
    for word in others {
        query.extend([quote, word, quote, and]);
    }
    query.extend([quote, last, quote, prefix]);
    Some(query)
}

/// How many issues are compared with one in detail.
const CANDIDATES: i64 = 50;

/// Lists issues of a product that share words with one of them, those that share the most first.
pub(crate) async fn alike<C: ConnectionTrait>(
    conn: &C,
    sight: Sight,
    issue: &Issue,
    terms: &[String],
) -> Result<Found, StoreError> {
    if terms.is_empty() {
        return Ok(Vec::new());
    }
    let backend = conn.get_database_backend();
    let mut sql = Sql::new(backend, COLUMNS);
    sql.push(TABLES);
    if backend == DbBackend::Postgres {
        let query: Vec<String> = terms.iter().map(|term| format!("'{term}'")).collect();
        sql.typed(" CROSS JOIN (SELECT ", query.join(" | "), "tsquery")
            .push(" AS q) f")
            .bind(" WHERE i.search @@ f.q AND i.organization_id = ", issue.organization.0);
    } else {
        let query: Vec<String> = terms.iter().map(|term| format!("\"{term}\"")).collect();
        sql.push(" JOIN issues_search f ON f.issue_id = i.id")
            .bind(" WHERE f.issues_search MATCH ", query.join(" OR "))
            .bind(" AND i.organization_id = ", issue.organization.0);
    }
    sql.bind(" AND i.product_id = ", issue.product.0)
        .bind(" AND i.status <> 'draft' AND i.id <> ", issue.id.0)
        .seen_by(sight)
        .push(" ORDER BY ");
    sql.push(if backend == DbBackend::Postgres { "ts_rank(i.search, f.q) DESC" } else { "f.rank" });
    sql.bind(", i.created_at DESC, i.id DESC LIMIT ", CANDIDATES);
    read(sql, conn).await
}

/// Lists the inbox: worst first, then newest.
pub(crate) async fn inbox<C: ConnectionTrait>(
    conn: &C,
    (organization, sight): (OrganizationId, Sight),
    after: Option<After<Urgency>>,
    limit: u32,
) -> Result<Found, StoreError> {
    let begin = || {
        let mut sql = begin(conn.get_database_backend(), organization, sight);
        sql.push(INBOX);
        sql
    };
    let page = async |mut sql: Sql, limit: u32| {
        sql.bind(" ORDER BY i.severity, i.created_at DESC, i.id DESC LIMIT ", i64::from(limit));
        read(sql, conn).await
    };
    let Some(After { key: Urgency { severity, created_at }, id }) = after else {
        return page(begin(), limit).await;
    };
    // One severity after the other: both directions of the order in one condition would have the index
    // read again what earlier pages have shown of this severity.
    let mut same = begin();
    same.bind(" AND i.severity = ", rank(severity))
        .bind(" AND (i.created_at, i.id) < (", created_at)
        .bind(", ", id)
        .push(")");
    let mut found = page(same, limit).await?;
    let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(limit));
    if left > 0 {
        let mut milder = begin();
        milder.bind(" AND i.severity > ", rank(severity));
        found.extend(page(milder, left).await?);
    }
    Ok(found)
}

#[derive(FromQueryResult)]
struct Counted {
    issues: i64,
    cycles: i64,
}

async fn count<C: ConnectionTrait>(
    conn: &C,
    (organization, sight): (OrganizationId, Sight),
    condition: &str,
) -> Result<(i64, i64), StoreError> {
    let text = "SELECT count(*) AS issues, count(DISTINCT i.cycle_id) AS cycles \
        FROM issues i JOIN cycles c ON c.id = i.cycle_id WHERE i.organization_id = ";
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(text, organization.0).seen_by(sight).push(condition);
    let counted = sql.one::<Counted, C>(conn).await?;
    Ok(counted.map_or((0, 0), |counted| (counted.issues, counted.cycles)))
}

/// Counts the issues of the inbox, and the cycles that they belong to. For those who see
/// everything, the database keeps the numbers; what a lead sees is little.
pub(crate) async fn inbox_size<C: ConnectionTrait>(
    conn: &C,
    (organization, sight): (OrganizationId, Sight),
) -> Result<(i64, i64), StoreError> {
    if sight != Sight::All {
        return count(conn, (organization, sight), INBOX).await;
    }
    let text = "SELECT CAST(COALESCE(SUM(b.undecided), 0) AS bigint) AS issues, \
        count(*) AS cycles FROM cycle_inbox b JOIN cycles c ON c.id = b.cycle_id \
        WHERE b.undecided > 0 AND c.status = 'open' AND b.organization_id = ";
    let mut sql = Sql::new(conn.get_database_backend(), "");
    sql.bind(text, organization.0);
    let counted = sql.one::<Counted, C>(conn).await?;
    Ok(counted.map_or((0, 0), |counted| (counted.issues, counted.cycles)))
}

/// Lists what is undecided, the newest first.
pub(crate) async fn undecided<C: ConnectionTrait>(
    conn: &C,
    (organization, sight): (OrganizationId, Sight),
    after: Option<After<Timestamp>>,
    limit: u32,
) -> Result<Found, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization, sight);
    sql.push(UNDECIDED);
    newest_first(&mut sql, after.as_ref(), limit);
    read(sql, conn).await
}

/// Counts what is undecided.
pub(crate) async fn undecided_size<C: ConnectionTrait>(
    conn: &C,
    whose: (OrganizationId, Sight),
) -> Result<i64, StoreError> {
    Ok(count(conn, whose, UNDECIDED).await?.0)
}

/// Lists issues in the order of their ids.
pub(crate) async fn snapshots<C: ConnectionTrait>(
    conn: &C,
    organization: OrganizationId,
    after: Option<IssueId>,
    limit: u32,
) -> Result<Found, StoreError> {
    let mut sql = begin(conn.get_database_backend(), organization, Sight::All);
    if let Some(after) = after {
        sql.bind(" AND i.id > ", after.0);
    }
    sql.bind(" ORDER BY i.id LIMIT ", i64::from(limit));
    read(sql, conn).await
}

/// Reads issues in the order of their ids, or some of them, for those who keep projections.
pub(super) async fn wanted<C: ConnectionTrait>(
    conn: &C,
    wanted: &Wanted,
) -> Result<Found, StoreError> {
    let mut sql = begin(conn.get_database_backend(), wanted.organization, Sight::All);
    super::snapshot::page(&mut sql, "i.id", wanted);
    read(sql, conn).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_and_the_beginning_of_the_last_one() {
        let words: Vec<String> = ["pay", "saf"].map(str::to_owned).into();
        let query = |backend| match_all(backend, &words).unwrap();
        assert_eq!(query(DbBackend::Postgres), "'pay' & 'saf':*");
        assert_eq!(query(DbBackend::Sqlite), "\"pay\" AND \"saf\" *");
        assert_eq!(match_all(DbBackend::Sqlite, &[]), None);
    }
}
