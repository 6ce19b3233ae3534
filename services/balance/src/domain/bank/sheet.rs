//! Statements as CSV, with the names of the columns given.

use chrono::NaiveDate;
use quittance_kernel::{Currency, Money};

use super::{BankError, BankLine, BankStatement, MAX_BYTES, MAX_LINES, amount, tidy};

/// How the columns are called, and how they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) date: String,
    pub(crate) amount: String,
    pub(crate) reference: String,
    /// Empty: all lines are in `default_currency`.
    pub(crate) currency: String,
    pub(crate) default_currency: String,
    /// Empty: none.
    pub(crate) counterparty: String,
    /// Empty: a comma.
    pub(crate) delimiter: String,
    /// Empty: `%Y-%m-%d`.
    pub(crate) date_format: String,
    pub(crate) decimal_comma: bool,
    /// What went out is written as a positive amount.
    pub(crate) outgoing_positive: bool,
}

/// Where the columns are in the file.
struct Places {
    date: usize,
    amount: usize,
    reference: usize,
    currency: Option<usize>,
    counterparty: Option<usize>,
}

/// Reads a file.
pub(crate) fn read_sheet(content: &[u8], columns: &Columns) -> Result<BankStatement, BankError> {
    if content.len() > MAX_BYTES {
        return Err(BankError::TooLarge);
    }
    let text = std::str::from_utf8(content).map_err(|_| BankError::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let delimiter = match columns.delimiter.as_bytes() {
        [] => b',',
        [one] if one.is_ascii() && !matches!(one, b'"' | b'\r' | b'\n') => *one,
        _ => {
            let problem = "must be one ASCII character";
            return Err(BankError::Mapping { field: "delimiter", problem });
        }
    };
    let default = match columns.default_currency.as_str() {
        "" => None,
        code => Some(code.parse::<Currency>().map_err(|_| BankError::Mapping {
            field: "currency",
            problem: "must be an ISO 4217 code",
        })?),
    };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let broken = |line| BankError::Line { line, problem: "is not CSV" };
    let headers = reader.headers().map_err(|_| broken(1))?.clone();
    let places = places(&headers, columns)?;
    let mut lines = Vec::new();
    for (number, record) in (2..).zip(reader.into_records()) {
        let record = record.map_err(|_| broken(number))?;
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        if lines.len() == MAX_LINES {
            return Err(BankError::TooManyLines);
        }
        let read = line(&record, &places, columns, default);
        lines.push(read.map_err(|problem| BankError::Line { line: number, problem })?);
    }
    if lines.is_empty() {
        return Err(BankError::Empty);
    }
    Ok(BankStatement { account: String::new(), lines })
}

fn places(headers: &csv::StringRecord, columns: &Columns) -> Result<Places, BankError> {
    let find = |name: &str| {
        let found = headers.iter().position(|header| header.trim() == name.trim());
        found.ok_or_else(|| BankError::NoColumn(name.chars().take(64).collect()))
    };
    let perhaps = |name: &str| if name.is_empty() { Ok(None) } else { find(name).map(Some) };
    Ok(Places {
        date: find(&columns.date)?,
        amount: find(&columns.amount)?,
        reference: find(&columns.reference)?,
        currency: perhaps(&columns.currency)?,
        counterparty: perhaps(&columns.counterparty)?,
    })
}

fn line(
    record: &csv::StringRecord,
    places: &Places,
    columns: &Columns,
    default: Option<Currency>,
) -> Result<BankLine, &'static str> {
    let field = |place: usize| record.get(place).unwrap_or_default().trim();
    let format =
        if columns.date_format.is_empty() { "%Y-%m-%d" } else { columns.date_format.as_str() };
    let booked_on = NaiveDate::parse_from_str(field(places.date), format)
        .map_err(|_| "the date is not written as the mapping says")?;
    let code = places.currency.map(field).filter(|code| !code.is_empty());
    let currency = match code {
        Some(code) => code.parse().map_err(|_| "the currency is no ISO 4217 code")?,
        None => default.ok_or("no currency is given")?,
    };
    let decimal = if columns.decimal_comma { ',' } else { '.' };
    let amount = amount::read(field(places.amount), decimal, currency)
        .ok_or("the amount is not written as the mapping says")?;
    let minor = amount.minor();
    let minor = if columns.outgoing_positive { -minor } else { minor };
    Ok(BankLine {
        booked_on,
        amount: Money::signed(minor, currency),
        reference: tidy(field(places.reference)),
        counterparty: tidy(places.counterparty.map(field).unwrap_or_default()),
    })
}
