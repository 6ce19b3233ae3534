//! Payments as CSV (product.md, rule 20): RFC 4180, cells that a spreadsheet cannot run, and a
//! trailer by which the file proves itself.

use std::borrow::Cow;
use std::fmt::Write as _;

use chrono::SecondsFormat;
use csv::{Terminator, WriterBuilder};
use quittance_kernel::{Method, Money, MoneyError, Severity, Timestamp, Totals, csv_cell};
use sha2::{Digest as _, Sha256};

const HEADER: [&str; 8] =
    ["date", "cycle", "issue", "severity", "amount", "currency", "method", "reference"];

/// One movement of money: a payment, or with a negative amount what was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CsvRow<'a> {
    pub(crate) at: Timestamp,
    pub(crate) cycle: &'a str,
    pub(crate) issue: &'a str,
    pub(crate) severity: Option<Severity>,
    pub(crate) amount: Money,
    pub(crate) method: Option<Method>,
    pub(crate) reference: &'a str,
}

/// Writes rows, and remembers what the trailer will say of them.
#[derive(Debug)]
pub(crate) struct CsvSheet {
    written: Vec<u8>,
    rows: u64,
    sums: Totals,
    digest: Option<Sha256>,
}

impl CsvSheet {
    /// Begins with the line of column names.
    pub(crate) fn new(trailer: bool) -> Self {
        let mut written = HEADER.join(",").into_bytes();
        written.extend(b"\r\n");
        let digest = trailer.then(Sha256::new);
        Self { written, rows: 0, sums: Totals::default(), digest }
    }

    /// Writes rows.
    pub(crate) fn write<'a>(
        &mut self,
        rows: impl IntoIterator<Item = CsvRow<'a>>,
    ) -> Result<(), MoneyError> {
        let mut writer =
            WriterBuilder::new().terminator(Terminator::CRLF).from_writer(&mut self.written);
        for row in rows {
            self.sums.add(row.amount)?;
            self.rows += 1;
            let cells = [
                Cow::from(row.at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
                csv_cell(row.cycle),
                csv_cell(row.issue),
                row.severity.map_or("", Severity::as_str).into(),
                row.amount.to_decimal().into(),
                row.amount.currency().code().into(),
                row.method.map_or("", Method::as_str).into(),
                csv_cell(row.reference),
            ];
            // Writing eight cells to memory cannot fail.
            let _ = writer.write_record(cells.iter().map(|cell| cell.as_bytes()));
        }
        let _ = writer.flush();
        Ok(())
    }

    /// Hands over what has been written since the last time.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        if let Some(digest) = &mut self.digest {
            digest.update(&self.written);
        }
        std::mem::take(&mut self.written)
    }

    /// Ends the file. The last lines, if they were asked for, begin with `#` and tell the number
    /// of rows, the sum of each currency, and the SHA-256 of every byte before them.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let mut written = self.take();
        if let Some(digest) = self.digest {
            let mut trailer = format!("# rows: {}\r\n", self.rows);
            for (sum, _) in self.sums.iter() {
                let _ = write!(trailer, "# sum {}: {}\r\n", sum.currency(), sum.to_decimal());
            }
            let _ = write!(trailer, "# sha256: {}\r\n", hex::encode(digest.finalize()));
            written.extend(trailer.as_bytes());
        }
        written
    }
}

#[cfg(test)]
mod tests;
