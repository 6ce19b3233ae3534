//! A statement as a page to print, and as CSV.

use std::borrow::Cow;
use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use csv::{Terminator, WriterBuilder};
use quittance_kernel::{Money, csv_cell};

use super::{Statement, StatementFigures, StatementLine};

pub(in crate::rest) const STYLE: &str = "body{font:14px/1.4 system-ui,sans-serif;margin:2rem auto;max-width:70rem;\
    padding:0 1rem;color:#111}h1{font-size:1.3rem}table{border-collapse:collapse;width:100%}\
    th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc;vertical-align:top}\
    td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
    tr.sum td{font-weight:600}thead{display:table-header-group}tr{break-inside:avoid}\
    @media print{body{margin:0;max-width:none}}";

const COLUMNS: [&str; 10] = [
    "date",
    "cycle",
    "issue",
    "event",
    "why",
    "currency",
    "owed",
    "paid",
    "owed back",
    "reference",
];

/// Makes a text harmless wherever a page shows text.
pub(in crate::rest) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// An amount as people read it; the code behind it where we do not know the currency.
pub(in crate::rest) fn amount(minor: i64, code: &str) -> String {
    code.parse().map_or_else(
        |_| format!("{minor} {code}"),
        |currency| Money::signed(minor, currency).to_text(),
    )
}

fn decimal(minor: i64, code: &str) -> String {
    code.parse()
        .map_or_else(|_| minor.to_string(), |currency| Money::signed(minor, currency).to_decimal())
}

pub(in crate::rest) fn instant(time: Option<DateTime<Utc>>) -> String {
    time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)).unwrap_or_default()
}

/// What people call what happened.
fn event(line: &StatementLine) -> &str {
    match line.event_type.as_str() {
        "issue.approved" | "earning.approved" => "approved",
        "issue.rejected" | "earning.rejected" => "rejected",
        "payout.issue_paid" => "paid",
        "earning.voided" => "void",
        "earning.returned" => "payment returned",
        "earning.netted" => "kept back",
        other => other,
    }
}

/// The page. It has no script, and every text in it is escaped.
pub(super) fn html(statement: &Statement) -> String {
    let title = escape(&format!("Statement {}", statement.period));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>\n<p>{} &middot; {} until {} (UTC)</p>\n\
         <table><thead><tr><th>Date</th><th>Cycle</th><th>Issue</th><th>Event</th><th>Why</th>\
         <th class=\"n\">Owed</th><th class=\"n\">Paid</th><th class=\"n\">Owed back</th>\
         <th>Reference</th></tr></thead>\n<tbody>\n",
        escape(statement.member.as_deref().unwrap_or_default()),
        instant(statement.from),
        instant(statement.to),
    );
    sums(&mut page, "Opening", &statement.opening);
    for line in &statement.lines {
        let texts = [
            instant(line.time),
            line.cycle.clone(),
            line.title.clone(),
            event(line).to_owned(),
            line.why.clone().unwrap_or_default(),
        ];
        page.push_str("<tr>");
        for text in texts {
            let _ = write!(page, "<td>{}</td>", escape(&text));
        }
        figures(&mut page, &line.change);
        let reference = escape(line.reference.as_deref().unwrap_or_default());
        let _ = writeln!(page, "<td>{reference}</td></tr>");
    }
    sums(&mut page, "Closing", &statement.closing);
    page.push_str("</tbody></table></body></html>\n");
    page
}

fn sums(page: &mut String, name: &str, all: &[StatementFigures]) {
    if all.is_empty() {
        let _ = writeln!(page, "<tr class=\"sum\"><td colspan=\"9\">{name}: nothing</td></tr>");
    }
    for sum in all {
        let _ = write!(page, "<tr class=\"sum\"><td colspan=\"5\">{name}</td>");
        figures(page, sum);
        page.push_str("<td></td></tr>\n");
    }
}

fn figures(page: &mut String, of: &StatementFigures) {
    for minor in [of.owed_minor, of.paid_minor, of.receivable_minor] {
        let text = if minor == 0 { String::new() } else { amount(minor, &of.currency) };
        let _ = write!(page, "<td class=\"n\">{}</td>", escape(&text));
    }
}

/// RFC 4180, with cells that a spreadsheet cannot run (product.md, rule 20).
pub(super) fn csv(statement: &Statement) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(&mut file);
    // Writing ten cells to memory cannot fail.
    let _ = writer.write_record(COLUMNS);
    let mut row = |texts: [&str; 5], of: &StatementFigures, reference: &str| {
        let mut cells: Vec<Cow<'_, str>> = texts.into_iter().map(csv_cell).collect();
        cells.push(of.currency.as_str().into());
        for minor in [of.owed_minor, of.paid_minor, of.receivable_minor] {
            cells.push(decimal(minor, &of.currency).into());
        }
        cells.push(csv_cell(reference));
        let _ = writer.write_record(cells.iter().map(|cell| cell.as_bytes()));
    };
    let (from, to) = (instant(statement.from), instant(statement.to));
    for sum in &statement.opening {
        row([&from, "", "", "opening", ""], sum, "");
    }
    for line in &statement.lines {
        let why = line.why.as_deref().unwrap_or_default();
        let texts = [&instant(line.time), line.cycle.as_str(), &line.title, event(line), why];
        row(texts, &line.change, line.reference.as_deref().unwrap_or_default());
    }
    for sum in &statement.closing {
        row([&to, "", "", "closing", ""], sum, "");
    }
    let _ = writer.flush();
    drop(writer);
    file
}
