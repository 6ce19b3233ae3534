//! A statement of a bank or a provider: read, matched with payouts, kept.

use std::collections::BTreeSet;

use bytes::Bytes;
use chrono::{Days, NaiveDate, NaiveTime};
use quittance_chassis::db::{Entry, Tx, WriteError};
use quittance_events::{self as events, PayoutState};
use quittance_kernel::{Ctx, Method, Money, PageError, PageRequest, Timestamp, token};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::owners::{Owners, OwnersError};
use super::{Balances, ReconciliationError};
use crate::domain::bank::{
    BankStatement, Columns, Judged, Payment, match_lines, read_camt, read_sheet,
};
use crate::store::{self, Imported, MatchedLine, UnmatchedPayout};

/// How many days before and after the statement a payout may have been paid.
const AROUND: u64 = 10;

/// The most payouts that a statement is held against.
const MAX_PAYMENTS: usize = 100_000;

/// The most payouts that are named as unmatched.
const MAX_UNMATCHED: usize = 1_000;

/// How often a statement is matched anew when another one took a payout meanwhile.
const TRIES: u32 = 3;

/// How a file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Csv(Columns),
    Camt053,
}

impl Format {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Camt053 => "camt053",
        }
    }
}

/// A statement with its lines, and whether it was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) imported: Imported,
    pub(crate) lines: Vec<MatchedLine>,
    pub(crate) already: bool,
}

/// A payout, how it was paid, and how that is seen by a bank.
struct Known {
    method: Option<Method>,
    payment: Payment,
}

impl Balances {
    /// Imports a file. The same file again changes nothing and has the same answer. Must run in a
    /// task that is not cancelled with its request.
    #[tracing::instrument(name = "balance.import_statement", skip_all)]
    pub(crate) async fn import_statement(
        &self,
        ctx: &Ctx,
        format: &Format,
        content: &Bytes,
        method: Option<Method>,
    ) -> Result<Statement, ReconciliationError> {
        let digest = hex::encode(Sha256::digest(content));
        if let Some(known) = self.known_statement(ctx, &digest).await? {
            return Ok(known);
        }
        let read = match format {
            Format::Csv(columns) => read_sheet(content, columns)?,
            Format::Camt053 => read_camt(content)?,
        };
        let days = || read.lines.iter().map(|line| line.booked_on);
        let (Some(first), Some(last)) = (days().min(), days().max()) else {
            return Err(crate::domain::BankError::Empty.into());
        };
        let owners = self.owners.clone().ok_or(OwnersError::Nobody)?;
        let known = payments(owners.as_ref(), ctx, (first, last)).await?;
        let known: Vec<Known> =
            known.into_iter().filter(|known| method.is_none() || known.method == method).collect();
        for _ in 0..TRIES {
            let file = File { digest: &digest, format: format.as_str(), read: &read };
            match self.keep_statement(ctx, &file, (first, last), &known).await {
                // The same file, or another one with a line about the same payout, was faster.
                Ok(()) | Err(WriteError::Duplicate(_)) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(mut kept) = self.known_statement(ctx, &digest).await? {
                kept.already = false;
                return Ok(kept);
            }
        }
        Err(WriteError::Stale.into())
    }

    async fn known_statement(
        &self,
        ctx: &Ctx,
        digest: &str,
    ) -> Result<Option<Statement>, ReconciliationError> {
        let organization = ctx.organization();
        let Some(imported) = store::statement_of(&self.db, organization, digest).await? else {
            return Ok(None);
        };
        let lines = store::statement_lines(&self.db, organization, imported.id).await?;
        Ok(Some(Statement { imported, lines, already: true }))
    }

    async fn keep_statement(
        &self,
        ctx: &Ctx,
        file: &File<'_>,
        (first, last): (NaiveDate, NaiveDate),
        known: &[Known],
    ) -> Result<(), WriteError> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let before = store::matched_before(&tx, ctx.organization()).await?;
        let free: Vec<Payment> = known
            .iter()
            .map(|known| &known.payment)
            .filter(|payment| !before.contains(&(payment.id, false)))
            .cloned()
            .collect();
        let found = match_lines(&file.read.lines, &free);
        let lines: Vec<Judged> = file.read.lines.iter().cloned().zip(found).collect();
        let matched: BTreeSet<Uuid> = lines
            .iter()
            .filter_map(|(_, found)| found.as_ref())
            .flat_map(|(_, ids)| ids.clone())
            .collect();
        let currencies: BTreeSet<_> =
            lines.iter().map(|(line, _)| line.amount.currency()).collect();
        let unmatched = free
            .iter()
            .filter(|payment| (first..=last).contains(&payment.paid_on))
            .filter(|payment| currencies.contains(&payment.amount.currency()))
            .filter(|payment| !matched.contains(&payment.id));
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let imported = Imported {
            id: Uuid::now_v7(),
            format: file.format.to_owned(),
            digest: file.digest.to_owned(),
            account: file.read.account.clone(),
            first_day: first.to_string(),
            last_day: last.to_string(),
            line_count: count(lines.len()),
            matched_count: count(lines.iter().filter(|(_, found)| found.is_some()).count()),
            unmatched: unmatched.take(MAX_UNMATCHED).map(unmatched_payout).collect(),
            member: ctx.member(),
            at: ctx.now,
        };
        store::keep_statement(&tx, &imported, &lines).await?;
        let after = format!(
            "{{\"digest\":\"{}\",\"lines\":{},\"matched\":{}}}",
            imported.digest, imported.line_count, imported.matched_count
        );
        let entry = Entry::new("statement.imported", "bank_statement", imported.id);
        tx.note(entry.after(after));
        tx.commit().await
    }

    /// Lists statements, the newest first, and the token of the next page.
    pub(crate) async fn imported_statements(
        &self,
        ctx: &Ctx,
        page_size: i32,
        page_token: &str,
    ) -> Result<(Vec<Imported>, String), ReconciliationError> {
        let query = "bank-statements";
        let page = PageRequest::parse(page_size, page_token, query)?;
        let before = match page.after.as_deref() {
            None => Uuid::max(),
            Some([id]) => id.parse().map_err(|_| PageError::BadToken)?,
            Some(_) => return Err(PageError::BadToken.into()),
        };
        let organization = ctx.organization();
        let mut found = store::statements(&self.db, organization, before, page.size + 1).await?;
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let more = size < found.len();
        found.truncate(size);
        let last = found.last().filter(|_| more);
        let next = last.map(|last| token::encode(&[last.id.to_string()], query));
        Ok((found, next.unwrap_or_default()))
    }

    /// One statement with its lines.
    pub(crate) async fn imported_statement(
        &self,
        ctx: &Ctx,
        id: Uuid,
    ) -> Result<Statement, ReconciliationError> {
        let organization = ctx.organization();
        let found = store::statement_by_id(&self.db, organization, id).await?;
        let imported = found.ok_or(ReconciliationError::NoStatement(id))?;
        let lines = store::statement_lines(&self.db, organization, id).await?;
        Ok(Statement { imported, lines, already: true })
    }
}

/// A file, as it is kept.
struct File<'a> {
    digest: &'a str,
    format: &'static str,
    read: &'a BankStatement,
}

fn unmatched_payout(payment: &Payment) -> UnmatchedPayout {
    UnmatchedPayout {
        id: payment.id,
        paid_on: payment.paid_on.to_string(),
        minor: payment.amount.minor(),
        currency: payment.amount.currency().code().to_owned(),
        reference: payment.reference.clone(),
    }
}

/// The payouts of a period and some days around it, as their owner knows them.
async fn payments(
    owners: &dyn Owners,
    ctx: &Ctx,
    (first, last): (NaiveDate, NaiveDate),
) -> Result<Vec<Known>, ReconciliationError> {
    let start = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let period: Option<(Timestamp, Timestamp)> = first
        .checked_sub_days(Days::new(AROUND))
        .zip(last.checked_add_days(Days::new(AROUND + 1)))
        .map(|(from, to)| (start(from), start(to)));
    // Days beyond the calendar are no days of any payout.
    let Some(period) = period else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    let mut after = Uuid::nil();
    loop {
        let page = owners.paid_between(ctx.organization(), period, after).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.id;
        for snapshot in &page {
            let told = events::decode::<PayoutState>(&snapshot.told.body);
            let garbled = |problem: &str| OwnersError::Garbled {
                owner: "payouts",
                problem: problem.to_owned(),
            };
            let state = told.map_err(|_| garbled("a payout is none"))?.data;
            let Some(paid_at) = state.paid_at else { continue };
            let currency = state.currency.parse().map_err(|_| garbled("a currency is none"))?;
            all.push(Known {
                method: state.method,
                payment: Payment {
                    id: state.payout_id,
                    paid_on: paid_at.date_naive(),
                    amount: Money::signed(state.amount_minor, currency),
                    reference: state.reference,
                    returned: state.status == "returned",
                },
            });
        }
        if all.len() > MAX_PAYMENTS {
            return Err(ReconciliationError::TooManyPayouts);
        }
    }
}
