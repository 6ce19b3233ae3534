//! Statements of banks and providers, their lines, and the payouts that they are about.

use std::collections::{BTreeMap, BTreeSet};

use quittance_chassis::db::{Column, Db, Insert, Tx, WriteError, WriteSet};
use quittance_kernel::{MemberId, Money, OrganizationId, Timestamp};
use sea_orm::{ConnectionTrait as _, DbErr, FromQueryResult, Statement};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{corrupt, statement};
use crate::domain::bank::{BankLine, Judged};

/// A payout that no line is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnmatchedPayout {
    pub(crate) id: Uuid,
    pub(crate) paid_on: String,
    pub(crate) minor: i64,
    pub(crate) currency: String,
    pub(crate) reference: String,
}

/// A statement that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) id: Uuid,
    pub(crate) format: String,
    pub(crate) digest: String,
    pub(crate) account: String,
    pub(crate) first_day: String,
    pub(crate) last_day: String,
    pub(crate) line_count: i64,
    pub(crate) matched_count: i64,
    pub(crate) unmatched: Vec<UnmatchedPayout>,
    pub(crate) member: MemberId,
    pub(crate) at: Timestamp,
}

/// A line, and the payouts that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MatchedLine {
    pub(crate) number: i64,
    pub(crate) booked_on: String,
    pub(crate) amount: Money,
    pub(crate) reference: String,
    pub(crate) counterparty: String,
    /// Empty if it is about none.
    pub(crate) matched_by: String,
    pub(crate) payouts: Vec<Uuid>,
}

#[derive(FromQueryResult)]
struct StatementRow {
    id: Uuid,
    format: String,
    digest: String,
    account: Option<String>,
    first_day: String,
    last_day: String,
    line_count: i64,
    matched_count: i64,
    unmatched_payouts: String,
    imported_by: Uuid,
    imported_at: Timestamp,
}

impl StatementRow {
    fn imported(self) -> Result<Imported, DbErr> {
        let unmatched = serde_json::from_str(&self.unmatched_payouts);
        Ok(Imported {
            id: self.id,
            format: self.format,
            digest: self.digest,
            account: self.account.unwrap_or_default(),
            first_day: self.first_day,
            last_day: self.last_day,
            line_count: self.line_count,
            matched_count: self.matched_count,
            unmatched: unmatched.map_err(|_| corrupt("bank_statements", "unmatched_payouts"))?,
            member: MemberId(self.imported_by),
            at: self.imported_at,
        })
    }
}

const SELECT: &str = "SELECT id, format, digest, account, first_day, last_day, line_count, \
     matched_count, unmatched_payouts, imported_by, imported_at FROM bank_statements \
     WHERE organization_id = $1";

/// The statement that a file was imported as.
pub(crate) async fn statement_of(
    db: &Db,
    organization: OrganizationId,
    digest: &str,
) -> Result<Option<Imported>, DbErr> {
    let sql = format!("{SELECT} AND digest = $2");
    let statement = statement(db, &sql, [organization.0.into(), digest.into()]);
    let row = StatementRow::find_by_statement(statement).one(db.conn()).await?;
    row.map(StatementRow::imported).transpose()
}

/// One statement.
pub(crate) async fn statement_by_id(
    db: &Db,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<Imported>, DbErr> {
    let sql = format!("{SELECT} AND id = $2");
    let statement = statement(db, &sql, [organization.0.into(), id.into()]);
    let row = StatementRow::find_by_statement(statement).one(db.conn()).await?;
    row.map(StatementRow::imported).transpose()
}

/// Statements before one of them, the newest first.
pub(crate) async fn statements(
    db: &Db,
    organization: OrganizationId,
    before: Uuid,
    limit: u32,
) -> Result<Vec<Imported>, DbErr> {
    let sql = format!("{SELECT} AND id < $2 ORDER BY id DESC LIMIT {limit}");
    let statement = statement(db, &sql, [organization.0.into(), before.into()]);
    let rows = StatementRow::find_by_statement(statement).all(db.conn()).await?;
    rows.into_iter().map(StatementRow::imported).collect()
}

#[derive(FromQueryResult)]
struct LineRow {
    number: i64,
    booked_on: String,
    amount_minor: i64,
    currency: String,
    reference: Option<String>,
    counterparty: Option<String>,
    matched_by: Option<String>,
}

/// The lines of a statement, in their order.
pub(crate) async fn statement_lines(
    db: &Db,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Vec<MatchedLine>, DbErr> {
    let sql = "SELECT number, payout_id FROM bank_matches WHERE organization_id = $1 \
               AND statement_id = $2 ORDER BY number, payout_id";
    let binds = || [organization.0.into(), id.into()];
    let mut matches: BTreeMap<i64, Vec<Uuid>> = BTreeMap::new();
    for row in db.conn().query_all_raw(statement(db, sql, binds())).await? {
        matches.entry(row.try_get_by_index(0)?).or_default().push(row.try_get_by_index(1)?);
    }
    let sql = "SELECT number, booked_on, amount_minor, currency, reference, counterparty, \
               matched_by FROM bank_lines WHERE organization_id = $1 AND statement_id = $2 \
               ORDER BY number";
    let rows = LineRow::find_by_statement(statement(db, sql, binds())).all(db.conn()).await?;
    rows.into_iter()
        .map(|row| {
            let currency = row.currency.parse().map_err(|_| corrupt("bank_lines", "currency"))?;
            Ok(MatchedLine {
                payouts: matches.remove(&row.number).unwrap_or_default(),
                number: row.number,
                booked_on: row.booked_on,
                amount: Money::signed(row.amount_minor, currency),
                reference: row.reference.unwrap_or_default(),
                counterparty: row.counterparty.unwrap_or_default(),
                matched_by: row.matched_by.unwrap_or_default(),
            })
        })
        .collect()
}

/// What earlier statements were about: payouts and the way that their money went.
pub(crate) async fn matched_before(
    tx: &Tx,
    organization: OrganizationId,
) -> Result<BTreeSet<(Uuid, bool)>, DbErr> {
    let sql = "SELECT payout_id, direction FROM bank_matches WHERE organization_id = $1";
    let backend = tx.conn().get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, [organization.0.into()]);
    let rows = tx.conn().query_all_raw(statement).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index::<String>(1)? == "back")))
        .collect()
}

/// Writes a statement with its lines. Refused if the file, or a match, is there already.
pub(crate) async fn keep_statement(
    tx: &Tx,
    imported: &Imported,
    lines: &[Judged],
) -> Result<(), WriteError> {
    let unmatched = serde_json::to_string(&imported.unmatched)
        .map_err(|error| DbErr::Custom(error.to_string()))?;
    let organization = || Column::same_uuid(Some(tx.ctx().organization().0));
    let text = |text: &str| Column::Text(vec![text.to_owned()]);
    let mut set = WriteSet::new();
    set.insert(
        Insert::into("bank_statements")
            .column("id", Column::Uuid(vec![imported.id]))
            .column("organization_id", organization())
            .column("format", text(&imported.format))
            .column("digest", text(&imported.digest))
            .column("account", Column::OptText(vec![Some(imported.account.clone())]))
            .column("first_day", text(&imported.first_day))
            .column("last_day", text(&imported.last_day))
            .column("line_count", Column::same_i64(Some(imported.line_count)))
            .column("matched_count", Column::same_i64(Some(imported.matched_count)))
            .column("unmatched_payouts", text(&unmatched))
            .column("imported_by", Column::Uuid(vec![imported.member.0]))
            .column("imported_at", Column::same_time(Some(imported.at))),
    );
    tx.write(set).await?;
    let mut set = WriteSet::new();
    set.insert(line_rows(imported, lines).column("organization_id", organization()));
    set.insert(match_rows(imported, lines).column("organization_id", organization()));
    tx.write(set).await
}

fn line_rows(imported: &Imported, lines: &[Judged]) -> Insert {
    let all = || lines.iter().map(|(line, _)| line);
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let by = lines.iter().map(|(_, found)| found.as_ref().map(|(by, _)| by.as_str().to_owned()));
    let currency = all().map(|line| line.amount.currency().code().to_owned());
    Insert::into("bank_lines")
        .column("statement_id", Column::same_uuid(Some(imported.id)))
        .column("number", Column::I64((1..).take(lines.len()).collect()))
        .column("booked_on", Column::Text(all().map(|line| line.booked_on.to_string()).collect()))
        .column("amount_minor", Column::I64(all().map(|line| line.amount.minor()).collect()))
        .column("currency", Column::Text(currency.collect()))
        .column("reference", Column::OptText(all().map(|line| some(&line.reference)).collect()))
        .column(
            "counterparty",
            Column::OptText(all().map(|line| some(&line.counterparty)).collect()),
        )
        .column("matched_by", Column::OptText(by.collect()))
}

fn match_rows(imported: &Imported, lines: &[Judged]) -> Insert {
    let matches: Vec<(i64, &BankLine, Uuid)> = (1..)
        .zip(lines)
        .filter_map(|(number, (line, found))| Some((number, line, &found.as_ref()?.1)))
        .flat_map(|(number, line, ids)| ids.iter().map(move |id| (number, line, *id)))
        .collect();
    let way = |line: &BankLine| if line.amount.minor() < 0 { "out" } else { "back" };
    Insert::into("bank_matches")
        .column("payout_id", Column::Uuid(matches.iter().map(|(_, _, id)| *id).collect()))
        .column(
            "direction",
            Column::Text(matches.iter().map(|(_, line, _)| way(line).to_owned()).collect()),
        )
        .column("statement_id", Column::same_uuid(Some(imported.id)))
        .column("number", Column::I64(matches.iter().map(|(number, _, _)| *number).collect()))
}
