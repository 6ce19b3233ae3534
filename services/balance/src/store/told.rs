//! What was told of lines, version by version.

use std::collections::BTreeMap;

use quittance_chassis::db::{Column, Db, Insert};
use quittance_kernel::{
    CycleId, IssueId, MemberId, Method, Money, OrganizationId, PayoutStatus, Timestamp,
};
use sea_orm::{DbErr, FromQueryResult};
use uuid::Uuid;

use super::{LineKey, corrupt, statement};
use crate::domain::{Earning, EarningState, Filing, Part, Payment, Told};

const ISSUE: &str = "issue";
const EARNING: &str = "earning";

/// Notes what was told; what is known already is left as it is.
pub(crate) fn told_rows(told: &[(LineKey, Told)]) -> Insert {
    rows(told).on_conflict("ON CONFLICT DO NOTHING")
}

/// Notes what owners know now; what was noted of the same version is corrected, but for the event
/// that told it first.
pub(crate) fn told_again_rows(told: &[(LineKey, Told)]) -> Insert {
    rows(told).on_conflict(
        "ON CONFLICT (organization_id, issue_id, part, version) DO UPDATE SET \
         member_id = excluded.member_id, cycle_id = excluded.cycle_id, \
         standing = excluded.standing, status = excluded.status, severity = excluded.severity, \
         minor = excluded.minor, currency = excluded.currency, rule = excluded.rule, \
         method = excluded.method, reference = excluded.reference, paid_at = excluded.paid_at, \
         void_at = excluded.void_at, receivable_minor = excluded.receivable_minor",
    )
}

fn rows(told: &[(LineKey, Told)]) -> Insert {
    let all = || told.iter().map(|(_, told)| told);
    let filing = |told: &Told| match &told.part {
        Part::Issue(filing) => Some(filing.clone()),
        Part::Earning(_) => None,
    };
    let earning = |told: &Told| match &told.part {
        Part::Issue(_) => None,
        Part::Earning(earning) => Some(earning.clone()),
    };
    let filings: Vec<Option<Filing>> = all().map(filing).collect();
    let earnings: Vec<Option<Earning>> = all().map(earning).collect();
    let keys = Insert::into("line_events")
        .column("organization_id", Column::Uuid(told.iter().map(|(key, _)| key.0.0).collect()))
        .column("issue_id", Column::Uuid(told.iter().map(|(key, _)| key.1.0).collect()))
        .column("version", Column::I64(all().map(|told| told.part.version()).collect()))
        .column("event_id", Column::Uuid(all().map(|told| told.event).collect()))
        .column("kind", Column::Text(all().map(|told| told.kind.clone()).collect()))
        .column("at", Column::Time(all().map(|told| told.at).collect()));
    what(who(keys, told), &filings, &earnings)
}

fn who(insert: Insert, told: &[(LineKey, Told)]) -> Insert {
    let all = || told.iter().map(|(_, told)| &told.part);
    let texts = |pick: fn(&Part) -> &str| Column::Text(all().map(|p| pick(p).to_owned()).collect());
    let money = |part: &Part| match part {
        Part::Issue(filing) => filing.price,
        Part::Earning(earning) => Some(earning.amount),
    };
    let code = |part: &Part| money(part).map(|money| money.currency().code().to_owned());
    let member = |part: &Part| match part {
        Part::Issue(filing) => filing.reporter.0,
        Part::Earning(earning) => earning.payee.0,
    };
    let cycle = |part: &Part| match part {
        Part::Issue(filing) => filing.cycle.0,
        Part::Earning(earning) => earning.cycle.0,
    };
    insert
        .column(
            "part",
            texts(|part| match part {
                Part::Issue(_) => ISSUE,
                Part::Earning(_) => EARNING,
            }),
        )
        .column("member_id", Column::Uuid(all().map(member).collect()))
        .column("cycle_id", Column::Uuid(all().map(cycle).collect()))
        .column(
            "standing",
            texts(|part| match part {
                Part::Issue(filing) => filing.review.as_str(),
                Part::Earning(earning) => earning.status().as_str(),
            }),
        )
        .column("minor", Column::I64(all().map(|p| money(p).map_or(0, Money::minor)).collect()))
        .column("currency", Column::OptText(all().map(code).collect()))
}

fn what(insert: Insert, filings: &[Option<Filing>], earnings: &[Option<Earning>]) -> Insert {
    let filed = || filings.iter().map(Option::as_ref);
    let owed = || earnings.iter().map(Option::as_ref);
    let text = |text: &str| Some(text.to_owned());
    let method = |earning: &Earning| earning.payment()?.method.map(Method::as_str);
    insert
        .column("status", Column::OptText(filed().map(|f| text(f?.status.as_str())).collect()))
        .column("severity", Column::OptText(filed().map(|f| text(f?.severity.as_str())).collect()))
        .column("rule", Column::OptText(filed().map(|f| f?.rule.clone()).collect()))
        .column("method", Column::OptText(owed().map(|e| text(method(e?)?)).collect()))
        .column(
            "reference",
            Column::OptText(owed().map(|e| e?.payment()?.reference.clone()).collect()),
        )
        .column("paid_at", Column::OptTime(owed().map(|e| Some(e?.payment()?.at)).collect()))
        .column("void_at", Column::OptTime(owed().map(|e| e?.void_at()).collect()))
        .column(
            "receivable_minor",
            Column::I64(owed().map(|e| e.map_or(0, Earning::receivable)).collect()),
        )
}

/// An issue with everything that was told of it, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToldLine {
    pub(crate) issue: IssueId,
    /// As it is called now.
    pub(crate) title: String,
    pub(crate) told: Vec<Told>,
}

#[derive(FromQueryResult)]
struct ToldRow {
    issue_id: Uuid,
    part: String,
    version: i64,
    event_id: Uuid,
    kind: String,
    at: Timestamp,
    member_id: Uuid,
    cycle_id: Uuid,
    standing: String,
    status: Option<String>,
    severity: Option<String>,
    minor: i64,
    currency: Option<String>,
    rule: Option<String>,
    method: Option<String>,
    reference: Option<String>,
    paid_at: Option<Timestamp>,
    void_at: Option<Timestamp>,
    receivable_minor: i64,
    title: Option<String>,
    filed_at: Option<Timestamp>,
}

/// The issues of a member after one of them, in the order of their ids: a page by an index.
pub(super) fn told_sql(limit: u32) -> String {
    let current = current!();
    format!(
        "SELECT e.issue_id, e.part, e.version, e.event_id, e.kind, e.at, e.member_id, e.cycle_id, \
         e.standing, e.status, e.severity, e.minor, e.currency, e.rule, e.method, e.reference, \
         e.paid_at, e.void_at, e.receivable_minor, l.title, l.filed_at FROM (\
         SELECT DISTINCT issue_id FROM line_events WHERE organization_id = $1 AND member_id = $2 \
         AND issue_id > $3 ORDER BY issue_id LIMIT {limit}) AS mine \
         JOIN line_events e ON e.organization_id = $1 AND e.issue_id = mine.issue_id \
         JOIN lines l ON l.organization_id = {current} AND l.issue_id = mine.issue_id \
         ORDER BY e.issue_id, e.at, e.part DESC, e.version"
    )
}

/// Reads a page of a member's issues.
pub(crate) async fn told_of(
    db: &Db,
    organization: OrganizationId,
    member: MemberId,
    after: IssueId,
    limit: u32,
) -> Result<Vec<ToldLine>, DbErr> {
    let binds = [organization.0.into(), member.0.into(), after.0.into()];
    let statement = statement(db, &told_sql(limit), binds);
    let rows = ToldRow::find_by_statement(statement).all(db.conn()).await?;
    let mut lines: BTreeMap<Uuid, ToldLine> = BTreeMap::new();
    for row in rows {
        let line = lines.entry(row.issue_id).or_insert_with(|| ToldLine {
            issue: IssueId(row.issue_id),
            title: row.title.clone().unwrap_or_default(),
            told: Vec::new(),
        });
        line.told.push(row.told()?);
    }
    Ok(lines.into_values().collect())
}

fn word<T: std::str::FromStr>(text: Option<&str>, column: &str) -> Result<T, DbErr> {
    text.and_then(|text| text.parse().ok()).ok_or_else(|| corrupt("line_events", column))
}

impl ToldRow {
    fn told(self) -> Result<Told, DbErr> {
        let part = if self.part == ISSUE {
            Part::Issue(self.filing()?)
        } else {
            Part::Earning(self.earning()?)
        };
        Ok(Told { event: self.event_id, kind: self.kind, at: self.at, part })
    }

    fn money(&self) -> Result<Option<Money>, DbErr> {
        let Some(code) = self.currency.as_deref() else { return Ok(None) };
        Ok(Some(Money::signed(self.minor, word(Some(code), "currency")?)))
    }

    fn filing(&self) -> Result<Filing, DbErr> {
        Ok(Filing {
            version: self.version,
            reporter: MemberId(self.member_id),
            cycle: CycleId(self.cycle_id),
            title: self.title.clone().unwrap_or_default(),
            severity: word(self.severity.as_deref(), "severity")?,
            status: word(self.status.as_deref(), "status")?,
            review: word(Some(&self.standing), "standing")?,
            price: self.money()?,
            rule: self.rule.clone(),
            filed_at: self.filed_at.unwrap_or(self.at),
        })
    }

    fn earning(&self) -> Result<Earning, DbErr> {
        let method = self.method.as_deref().map(|text| word(Some(text), "method")).transpose()?;
        let reference = self.reference.clone();
        let payment = self.paid_at.map(|at| Payment { at, method, reference });
        let standing: PayoutStatus = word(Some(&self.standing), "standing")?;
        let wrong = || corrupt("line_events", "standing");
        let state = match standing {
            PayoutStatus::Pending => EarningState::Pending,
            PayoutStatus::Approved => EarningState::Approved,
            PayoutStatus::Rejected => EarningState::Rejected,
            PayoutStatus::Paid => EarningState::Paid(payment.ok_or_else(wrong)?),
            PayoutStatus::Void => EarningState::Void {
                at: self.void_at.ok_or_else(wrong)?,
                payment,
                receivable: self.receivable_minor,
            },
        };
        Ok(Earning {
            version: self.version,
            payee: MemberId(self.member_id),
            cycle: CycleId(self.cycle_id),
            amount: self.money()?.ok_or_else(|| corrupt("line_events", "currency"))?,
            state,
        })
    }
}
