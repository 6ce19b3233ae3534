//! Checking a CSV file by its own trailer (product.md, rule 20): rows, sums and the digest of every
//! byte before it are computed again, piece by piece, however long the file.

use std::collections::BTreeMap;

use csv::ReaderBuilder;
use quittance_kernel::{Currency, Money};
use sha2::{Digest as _, Sha256};

/// Where a row has its amount and its currency.
const AMOUNT: usize = 4;
const CURRENCY: usize = 5;
const COLUMNS: usize = 8;

/// What a file was found to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub rows: u64,
    pub sums: Vec<Money>,
    pub sha256: String,
}

/// Why a file does not prove itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    #[error("the file has no trailer: it was asked for without one, or it was cut off")]
    NoTrailer,
    #[error(
        "the bytes are not those that were written: SHA-256 is {found}, the trailer says {said}"
    )]
    Digest { said: String, found: String },
    #[error("there are {found} rows, the trailer says {said}")]
    Rows { said: String, found: u64 },
    #[error("the sums are {found:?}, the trailer says {said:?}")]
    Sums { said: Vec<String>, found: Vec<String> },
    #[error("record {0} is not a payment as we write it")]
    Record(u64),
    #[error("something stands behind the trailer or in it that does not belong there")]
    Rest,
}

/// Takes a file line by line.
#[derive(Debug)]
pub(crate) struct Prover {
    digest: Sha256,
    /// The record that is being read: a quoted cell may go over several lines.
    record: Vec<u8>,
    records: u64,
    sums: BTreeMap<Currency, i64>,
    trailer: Vec<String>,
}

impl Prover {
    pub(crate) fn new() -> Self {
        Self {
            digest: Sha256::new(),
            record: Vec::new(),
            records: 0,
            sums: BTreeMap::new(),
            trailer: Vec::new(),
        }
    }

    /// Takes the next line with its end.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<(), Unproven> {
        // A row begins with a date, and what a cell holds stands between quotes.
        if !self.trailer.is_empty() || (self.record.is_empty() && line.starts_with(b"# ")) {
            let text = std::str::from_utf8(line).ok().and_then(|text| text.strip_suffix("\r\n"));
            self.trailer.push(text.ok_or(Unproven::Rest)?.to_owned());
            return Ok(());
        }
        self.digest.update(line);
        self.record.extend_from_slice(line);
        let open = self.record.iter().fold(false, |open, byte| open != (*byte == b'"'));
        if open {
            return Ok(());
        }
        let record = std::mem::take(&mut self.record);
        // The first one names the columns.
        if 0 < self.records {
            self.payment(&record).ok_or(Unproven::Record(self.records))?;
        }
        self.records += 1;
        Ok(())
    }

    fn payment(&mut self, record: &[u8]) -> Option<()> {
        let mut reader = ReaderBuilder::new().has_headers(false).from_reader(record);
        let cells = reader.records().next()?.ok().filter(|cells| cells.len() == COLUMNS)?;
        let currency: Currency = cells.get(CURRENCY)?.parse().ok()?;
        let minor = minor(cells.get(AMOUNT)?, currency)?;
        let sum = self.sums.entry(currency).or_default();
        *sum = sum.checked_add(minor)?;
        Some(())
    }

    /// Compares what was read with what the trailer says.
    pub(crate) fn finish(self) -> Result<Proof, Unproven> {
        let Some((last, rest)) = self.trailer.split_last() else { return Err(Unproven::NoTrailer) };
        let Some((first, sums)) = rest.split_first() else { return Err(Unproven::NoTrailer) };
        let said = last.strip_prefix("# sha256: ").ok_or(Unproven::NoTrailer)?.to_owned();
        let found = hex::encode(self.digest.finalize());
        if said != found {
            return Err(Unproven::Digest { said, found });
        }
        let said = first.strip_prefix("# rows: ").ok_or(Unproven::Rest)?.to_owned();
        let rows = self.records.saturating_sub(1);
        if said != rows.to_string() {
            return Err(Unproven::Rows { said, found: rows });
        }
        let money: Vec<Money> =
            self.sums.into_iter().map(|(currency, sum)| Money::signed(sum, currency)).collect();
        let line = |sum: &Money| format!("# sum {}: {}", sum.currency(), sum.to_decimal());
        let lines: Vec<String> = money.iter().map(line).collect();
        if sums != lines {
            return Err(Unproven::Sums { said: sums.to_vec(), found: lines });
        }
        Ok(Proof { rows, sums: money, sha256: found })
    }
}

/// Reads a plain decimal as we write it, and nothing else.
fn minor(text: &str, currency: Currency) -> Option<i64> {
    let digits: String = text.chars().filter(|c| *c != '.').collect();
    let minor = digits.parse().ok()?;
    (Money::signed(minor, currency).to_decimal() == text).then_some(minor)
}

#[cfg(test)]
mod tests {
    use quittance_kernel::{Method, Timestamp};

    use super::*;
    use crate::domain::{CsvRow, CsvSheet};

    fn file(titles: &[&str], trailer: bool) -> Vec<u8> {
        let at: Timestamp = "2026-05-08T12:00:00Z".parse().unwrap();
        let mut sheet = CsvSheet::new(trailer);
        for (number, title) in (1..).zip(titles) {
            let currency = if number % 2 == 0 { Currency::USD } else { Currency::KZT };
            let row = CsvRow {
                at,
                cycle: "Sweep",
                issue: title,
                severity: None,
                amount: Money::signed(number * -105, currency),
                method: Some(Method::Kaspi),
                reference: "K-1",
            };
            sheet.write([row]).unwrap();
        }
        sheet.finish()
    }

    fn check(file: &[u8]) -> Result<Proof, Unproven> {
        let mut prover = Prover::new();
        for line in file.split_inclusive(|byte| *byte == b'\n') {
            prover.line(line)?;
        }
        prover.finish()
    }

    #[test]
    fn a_file_of_ours_proves_itself_whatever_its_cells_hold() {
        let titles =
            ["plain", "two\nlines", "\r\n# rows: 9\r\n# sha256: x", "a \"quote\", a comma"];
        let proof = check(&file(&titles, true)).unwrap();
        assert_eq!(proof.rows, 4);
        let sums: Vec<String> = proof.sums.iter().map(Money::to_string).collect();
        assert_eq!(sums, ["-4.20 KZT", "-6.30 USD"]);
        assert_eq!(check(&file(&[], true)).unwrap().rows, 0);
    }

    #[test]
    fn a_file_that_was_changed_or_cut_off_does_not() {
        let whole = file(&["one", "two"], true);
        let text = String::from_utf8(whole.clone()).unwrap();
        let changed = text.replace("-1.05", "-1.06");
        assert!(matches!(check(changed.as_bytes()), Err(Unproven::Digest { .. })));
        let cut = &whole[..whole.len() - 80];
        assert!(check(cut).is_err());
        assert_eq!(check(&file(&["one"], false)), Err(Unproven::NoTrailer));
        let rows = text.replace("# rows: 2", "# rows: 3");
        assert_eq!(check(rows.as_bytes()), Err(Unproven::Rows { said: "3".into(), found: 2 }));
        let sums = text.replace("# sum KZT: -1.05", "# sum KZT: 0.00");
        assert!(matches!(check(sums.as_bytes()), Err(Unproven::Sums { .. })));
        assert!(check(format!("{text}more\r\n").as_bytes()).is_err());
        assert_eq!(check(b""), Err(Unproven::NoTrailer));
        let strange = b"date,cycle\r\nx,y\r\n# rows: 1\r\n# sha256: z\r\n";
        assert_eq!(check(strange), Err(Unproven::Record(1)));
    }
}
