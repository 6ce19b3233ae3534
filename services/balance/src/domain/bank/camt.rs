//! ISO 20022 camt.053, any version: the entries of a statement, and the transactions of a batched one.
//!
//! Elements are known by their local names, so that the version of the namespace does not matter. A
//! document type is refused, and with it every entity of its own: nothing is ever expanded.

use chrono::NaiveDate;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use quittance_kernel::{Currency, Money};

use super::{BankError, BankLine, BankStatement, MAX_BYTES, MAX_LINES, amount, tidy};

/// How deep elements may lie in each other.
const MAX_DEPTH: usize = 64;

/// What is known so far of an entry, or of a transaction of it.
#[derive(Clone, Debug, Default)]
struct Draft {
    amount: String,
    currency: String,
    credit: Option<bool>,
    booked_on: String,
    /// The most telling of the references.
    reference: String,
    rank: u8,
    text: String,
    counterparty: String,
}

/// How telling a reference is: what the payer gave, before what the banks gave.
fn rank(element: &str) -> u8 {
    match element {
        "EndToEndId" => 4,
        "InstrId" | "PmtInfId" => 3,
        "TxId" | "MsgId" => 2,
        "AcctSvcrRef" | "NtryRef" => 1,
        _ => 0,
    }
}

#[derive(Debug, Default)]
struct Walk {
    path: Vec<String>,
    text: String,
    statement: BankStatement,
    entry: Option<Draft>,
    transactions: Vec<Draft>,
    transaction: Option<Draft>,
    seen_statement: bool,
}

/// Reads a document.
pub(crate) fn read_camt(content: &[u8]) -> Result<BankStatement, BankError> {
    if content.len() > MAX_BYTES {
        return Err(BankError::TooLarge);
    }
    let text = std::str::from_utf8(content).map_err(|_| BankError::NotUtf8)?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut walk = Walk::default();
    loop {
        match reader.read_event().map_err(|_| BankError::Xml("the file is not well-formed XML"))? {
            Event::Eof => break,
            Event::DocType(_) => return Err(BankError::Xml("a document type is not accepted")),
            Event::Start(start) => walk.open(&start)?,
            Event::Empty(start) => {
                walk.open(&start)?;
                walk.close()?;
            }
            Event::End(_) => walk.close()?,
            Event::Text(text) => {
                let text = text.decode().map_err(|_| BankError::NotUtf8)?;
                walk.text.push_str(&text);
            }
            Event::CData(data) => {
                let text = data.decode().map_err(|_| BankError::NotUtf8)?;
                walk.text.push_str(&text);
            }
            Event::GeneralRef(entity) => walk.entity(&entity)?,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if !walk.path.is_empty() {
        return Err(BankError::Xml("the file ends in the middle"));
    }
    if !walk.seen_statement {
        return Err(BankError::Xml("there is no statement (BkToCstmrStmt) in the file"));
    }
    if walk.statement.lines.is_empty() {
        return Err(BankError::Empty);
    }
    Ok(walk.statement)
}

impl Walk {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), BankError> {
        if self.path.len() == MAX_DEPTH {
            return Err(BankError::Xml("elements lie too deep in each other"));
        }
        let name = std::str::from_utf8(start.local_name().into_inner())
            .map_err(|_| BankError::NotUtf8)?
            .to_owned();
        match name.as_str() {
            "BkToCstmrStmt" => self.seen_statement = true,
            "Ntry" => self.entry = Some(Draft::default()),
            "TxDtls" if self.entry.is_some() => self.transaction = Some(Draft::default()),
            "Amt" => {
                let code = currency_of(start)?;
                let parent = self.path.last().map(String::as_str);
                let tells = matches!(parent, Some("Ntry" | "TxDtls" | "TxAmt"));
                let of_transaction = self.transaction.is_some();
                if let Some(draft) = self.draft(of_transaction).filter(|_| tells) {
                    draft.currency = code;
                }
            }
            _ => {}
        }
        self.path.push(name);
        self.text.clear();
        Ok(())
    }

    /// The transaction if the element is one of its own, otherwise the entry.
    fn draft(&mut self, of_transaction: bool) -> Option<&mut Draft> {
        if of_transaction { self.transaction.as_mut() } else { self.entry.as_mut() }
    }

    /// `&amp;` and the like, and characters by number; nothing else has a meaning here.
    fn entity(&mut self, entity: &quick_xml::events::BytesRef<'_>) -> Result<(), BankError> {
        let refused = BankError::Xml("an entity is not accepted");
        if let Some(letter) = entity.resolve_char_ref().map_err(|_| refused.clone())? {
            self.text.push(letter);
            return Ok(());
        }
        let name = entity.decode().map_err(|_| BankError::NotUtf8)?;
        let text = quick_xml::escape::resolve_xml_entity(&name).ok_or(refused)?;
        self.text.push_str(text);
        Ok(())
    }

    fn close(&mut self) -> Result<(), BankError> {
        let Some(name) = self.path.pop() else {
            return Err(BankError::Xml("the file is not well-formed XML"));
        };
        let text = std::mem::take(&mut self.text);
        let parent = self.path.last().cloned().unwrap_or_default();
        match name.as_str() {
            "Ntry" => return self.finish(),
            "TxDtls" => {
                self.transactions.extend(self.transaction.take());
                return Ok(());
            }
            _ => {}
        }
        if self.entry.is_none() {
            let grand = self.path.iter().rev().nth(1).map(String::as_str);
            let of_account = parent == "Id" && grand == Some("Acct")
                || parent == "Othr" && self.path.iter().any(|element| element == "Acct");
            if of_account && matches!(name.as_str(), "IBAN" | "Id") && !text.trim().is_empty() {
                self.statement.account = tidy(&text);
            }
            return Ok(());
        }
        self.take(&name, &parent, &text);
        Ok(())
    }

    fn take(&mut self, name: &str, parent: &str, text: &str) {
        let of_transaction = self.transaction.is_some();
        let in_date = parent == "BookgDt" || parent == "ValDt";
        let Some(draft) = self.draft(of_transaction) else { return };
        match name {
            "Amt" if matches!(parent, "Ntry" | "TxDtls" | "TxAmt") => draft.amount = tidy(text),
            "CdtDbtInd" if matches!(parent, "Ntry" | "TxDtls") => {
                draft.credit = match text.trim() {
                    "CRDT" => Some(true),
                    "DBIT" => Some(false),
                    _ => None,
                };
            }
            "Dt" | "DtTm" if in_date && (parent == "BookgDt" || draft.booked_on.is_empty()) => {
                draft.booked_on = text.trim().chars().take(10).collect();
            }
            "Ustrd" => {
                draft.text.push_str(text.trim());
                draft.text.push(' ');
            }
            "Nm" if draft.counterparty.is_empty() => draft.counterparty = tidy(text),
            element if draft.rank < rank(element) && text.trim() != "NOTPROVIDED" => {
                draft.rank = rank(element);
                draft.reference = tidy(text);
            }
            _ => {}
        }
    }

    /// An entry is one line, or one for each of its transactions when these say how much they are.
    fn finish(&mut self) -> Result<(), BankError> {
        let Some(entry) = self.entry.take() else { return Ok(()) };
        let transactions = std::mem::take(&mut self.transactions);
        let number = self.statement.lines.len() + 1;
        let whole = |problem| BankError::Line { line: number, problem };
        let each = transactions.len() > 1 && transactions.iter().all(|one| !one.amount.is_empty());
        let drafts = if each {
            transactions.into_iter().map(|one| one.over(&entry)).collect()
        } else {
            let one = transactions.into_iter().next().unwrap_or_default();
            // The entry says how much; the transaction says what for.
            let said =
                Draft { amount: String::new(), currency: String::new(), credit: None, ..one };
            vec![said.over(&entry)]
        };
        for draft in drafts {
            if self.statement.lines.len() == MAX_LINES {
                return Err(BankError::TooManyLines);
            }
            self.statement.lines.push(draft.line().map_err(whole)?);
        }
        Ok(())
    }
}

impl Draft {
    /// What is not said here is as the entry says it.
    fn over(self, entry: &Self) -> Self {
        let or = |own: String, other: &String| if own.is_empty() { other.clone() } else { own };
        let (reference, rank) = if self.rank < entry.rank {
            (entry.reference.clone(), entry.rank)
        } else {
            (self.reference, self.rank)
        };
        Self {
            amount: or(self.amount, &entry.amount),
            currency: or(self.currency, &entry.currency),
            credit: self.credit.or(entry.credit),
            booked_on: or(self.booked_on, &entry.booked_on),
            reference,
            rank,
            text: or(self.text, &entry.text),
            counterparty: or(self.counterparty, &entry.counterparty),
        }
    }

    fn line(self) -> Result<BankLine, &'static str> {
        let currency: Currency =
            self.currency.parse().map_err(|_| "the currency is no ISO 4217 code")?;
        let amount = amount::read(&self.amount, '.', currency).ok_or("the amount is none")?;
        let credit = self.credit.ok_or("it does not say whether it is a credit or a debit")?;
        let minor = if credit { amount.minor() } else { -amount.minor() };
        let booked_on = NaiveDate::parse_from_str(&self.booked_on, "%Y-%m-%d")
            .map_err(|_| "the booking date is none")?;
        let said = format!("{} {}", self.reference, self.text);
        Ok(BankLine {
            booked_on,
            amount: Money::signed(minor, currency),
            reference: tidy(&said),
            counterparty: self.counterparty,
        })
    }
}

fn currency_of(start: &BytesStart<'_>) -> Result<String, BankError> {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| BankError::Xml("the file is not well-formed XML"))?;
        if attribute.key.local_name().into_inner() == b"Ccy" {
            return Ok(String::from_utf8_lossy(&attribute.value).chars().take(3).collect());
        }
    }
    Ok(String::new())
}
