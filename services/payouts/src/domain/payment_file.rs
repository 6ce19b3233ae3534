//! What a plan pays, as a file for a bank: ISO 20022 pain.001.001.09. Pure.

use std::fmt::Write as _;

use chrono::{NaiveDate, SecondsFormat};
use iban::IbanLike as _;
use quittance_kernel::{MemberId, Method, Money, PlanId, Timestamp};

/// The most payments of one file.
pub(crate) const MAX_PAYMENTS: usize = 10_000;

/// How many payees a refusal names.
const MAX_NAMED: usize = 50;

/// The lengths that the schema allows.
const MAX_NAME: usize = 140;
const MAX_TEXT: usize = 140;

/// Why there is no file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentFileError {
    #[error("{field}: {detail}")]
    Field { field: &'static str, detail: &'static str },
    #[error("a file is made of plans by bank; this one pays by {0}")]
    Method(Method),
    #[error("the plan is {0}")]
    State(&'static str),
    #[error("the plan pays nothing")]
    Empty,
    #[error("a file has at most {MAX_PAYMENTS} payments; run a smaller plan")]
    TooLarge,
    #[error("{} payees have no bank account that can be paid now", .0.len())]
    NoAccount(Vec<MemberId>),
    #[error("the sum is out of range")]
    OutOfRange,
}

impl PaymentFileError {
    /// The first payees that cannot be paid.
    pub(crate) fn named(&self) -> String {
        let Self::NoAccount(members) = self else { return String::new() };
        let named: Vec<String> = members.iter().take(MAX_NAMED).map(ToString::to_string).collect();
        named.join(",")
    }
}

/// Whose account is debited, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Debtor {
    name: String,
    iban: String,
    bic: Option<String>,
    pub(crate) day: NaiveDate,
}

impl Debtor {
    /// Checks what was given.
    pub(crate) fn parse(
        name: &str,
        iban: &str,
        bic: &str,
        day: &str,
        now: Timestamp,
    ) -> Result<Self, PaymentFileError> {
        let refused = |field, detail| PaymentFileError::Field { field, detail };
        let name = tidy(name, MAX_NAME);
        if name.is_empty() {
            return Err(refused("debtor_name", "must be given"));
        }
        let plain: String = iban.chars().filter(|letter| *letter != ' ').collect();
        let read: iban::Iban = plain
            .to_ascii_uppercase()
            .parse()
            .map_err(|_| refused("debtor_iban", "must be an IBAN"))?;
        let bic = Some(bic.trim().to_ascii_uppercase()).filter(|bic| !bic.is_empty());
        if bic.as_deref().is_some_and(|bic| !is_bic(bic)) {
            return Err(refused("debtor_bic", "must be a BIC of 8 or 11 characters"));
        }
        let day = match day {
            "" => now.date_naive(),
            text => NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .map_err(|_| refused("execution_date", "must be a day such as 2026-05-08"))?,
        };
        if day < now.date_naive() {
            return Err(refused("execution_date", "must not be in the past"));
        }
        Ok(Self { name, iban: read.electronic_str().to_owned(), bic, day })
    }
}

fn is_bic(text: &str) -> bool {
    let (bank, rest) = text.split_at(text.len().min(6));
    matches!(text.len(), 8 | 11)
        && bank.bytes().all(|byte| byte.is_ascii_uppercase())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// One payment of a file. It has no `Debug`: the number is not to be printed.
#[derive(Clone)]
pub(crate) struct FilePayment {
    pub(crate) payee: MemberId,
    pub(crate) name: String,
    pub(crate) iban: String,
    pub(crate) amount: Money,
}

/// Without ends and control characters, and no longer than the schema allows.
fn tidy(text: &str, most: usize) -> String {
    text.trim().chars().filter(|letter| !letter.is_control()).take(most).collect()
}

fn escaped(text: &str, most: usize) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in tidy(text, most).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // No document may contain these, however they are written.
            '\u{fffe}' | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}

/// The sum of amounts as the schema wants it: of whatever currencies, a control and no amount.
fn control_sum<'a>(
    amounts: impl Iterator<Item = &'a FilePayment>,
) -> Result<String, PaymentFileError> {
    /// No currency has more digits after the point.
    const DIGITS: u32 = 4;
    let mut sum: i128 = 0;
    for payment in amounts {
        let missing = DIGITS.saturating_sub(payment.amount.currency().exponent());
        let scaled = i128::from(payment.amount.minor()) * 10_i128.pow(missing);
        sum = sum.checked_add(scaled).ok_or(PaymentFileError::OutOfRange)?;
    }
    let one = 10_i128.pow(DIGITS);
    let text = format!("{}.{:04}", sum / one, sum % one);
    // 18 digits in all.
    if text.len() > 19 {
        return Err(PaymentFileError::OutOfRange);
    }
    Ok(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// Writes the file: one block for each currency, the payments in the order that they come in.
pub(crate) fn write(
    plan: PlanId,
    reference: &str,
    debtor: &Debtor,
    payments: &[FilePayment],
    now: Timestamp,
) -> Result<String, PaymentFileError> {
    let mut currencies: Vec<_> = payments.iter().map(|payment| payment.amount.currency()).collect();
    currencies.sort_unstable();
    currencies.dedup();
    let id = plan.0.simple();
    let name = escaped(&debtor.name, MAX_NAME);
    // Writing to a text cannot fail.
    let mut xml = String::with_capacity(1024 + payments.len() * 512);
    let _ = write!(
        xml,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09\">\n\
         <CstmrCdtTrfInitn>\n<GrpHdr><MsgId>{id}</MsgId><CreDtTm>{}</CreDtTm>\
         <NbOfTxs>{}</NbOfTxs><CtrlSum>{}</CtrlSum><InitgPty><Nm>{name}</Nm></InitgPty></GrpHdr>\n",
        now.to_rfc3339_opts(SecondsFormat::Secs, true),
        payments.len(),
        control_sum(payments.iter())?,
    );
    for currency in currencies {
        let of_currency =
            || payments.iter().filter(|payment| payment.amount.currency() == currency);
        let bank = match &debtor.bic {
            Some(bic) => format!("<BICFI>{bic}</BICFI>"),
            None => "<Othr><Id>NOTPROVIDED</Id></Othr>".to_owned(),
        };
        let _ = writeln!(
            xml,
            "<PmtInf><PmtInfId>{id}{currency}</PmtInfId><PmtMtd>TRF</PmtMtd>\
             <BtchBookg>false</BtchBookg><NbOfTxs>{}</NbOfTxs><CtrlSum>{}</CtrlSum>\
             <ReqdExctnDt><Dt>{}</Dt></ReqdExctnDt><Dbtr><Nm>{name}</Nm></Dbtr>\
             <DbtrAcct><Id><IBAN>{}</IBAN></Id></DbtrAcct>\
             <DbtrAgt><FinInstnId>{bank}</FinInstnId></DbtrAgt>",
            of_currency().count(),
            control_sum(of_currency())?,
            debtor.day,
            debtor.iban,
        );
        for payment in of_currency() {
            let _ = writeln!(
                xml,
                "<CdtTrfTxInf><PmtId><EndToEndId>{}</EndToEndId></PmtId>\
                 <Amt><InstdAmt Ccy=\"{currency}\">{}</InstdAmt></Amt>\
                 <Cdtr><Nm>{}</Nm></Cdtr><CdtrAcct><Id><IBAN>{}</IBAN></Id></CdtrAcct>\
                 <RmtInf><Ustrd>{}</Ustrd></RmtInf></CdtTrfTxInf>",
                payment.payee.0.simple(),
                payment.amount.to_decimal(),
                escaped(&payment.name, MAX_NAME),
                payment.iban,
                escaped(reference, MAX_TEXT),
            );
        }
        xml.push_str("</PmtInf>\n");
    }
    xml.push_str("</CstmrCdtTrfInitn>\n</Document>\n");
    Ok(xml)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn noon() -> Timestamp {
        "2026-05-08T12:00:00Z".parse().unwrap()
    }

    fn payment(number: u128, minor: i64, code: &str) -> FilePayment {
        FilePayment {
            payee: MemberId(Uuid::from_u128(number)),
            name: "Aibek <\u{7}&> Sons".to_owned(),
            iban: "DE89370400440532013000".to_owned(),
            amount: Money::signed(minor, code.parse().unwrap()),
        }
    }

    fn debtor() -> Debtor {
        Debtor::parse("Hackorda", "kz86 125k zt50 0410 0100", "HSBKKZKX", "", noon()).unwrap()
    }

    #[test]
    fn a_file_is_exact_to_the_letter() {
        let plan = PlanId(Uuid::from_u128(7));
        let payments = [payment(1, 800_050, "KZT"), payment(2, 1_250, "BHD"), payment(3, 7, "JPY")];
        let xml = write(plan, "RUN \"7\"", &debtor(), &payments, noon()).unwrap();
        let wanted = include_str!("payment_file/golden.xml");
        assert_eq!(xml, wanted);
    }

    #[test]
    fn sums_of_any_currencies_are_exact_or_refused() {
        let sum = |payments: &[FilePayment]| control_sum(payments.iter());
        assert_eq!(sum(&[payment(1, 1, "USD"), payment(2, 1, "BHD")]), Ok("0.011".to_owned()));
        assert_eq!(sum(&[payment(1, 500, "JPY")]), Ok("500".to_owned()));
        let most = payment(1, i64::MAX, "JPY");
        assert_eq!(sum(&[most.clone(), most]), Err(PaymentFileError::OutOfRange));
    }

    #[test]
    fn who_pays_is_checked() {
        let refused = |name, iban, bic, day| {
            let Err(PaymentFileError::Field { field, .. }) =
                Debtor::parse(name, iban, bic, day, noon())
            else {
                panic!("{name} {iban} {bic} {day}")
            };
            field
        };
        let iban = "DE89370400440532013000";
        assert_eq!(refused(" ", iban, "", ""), "debtor_name");
        assert_eq!(refused("A", "DE00370400440532013000", "", ""), "debtor_iban");
        assert_eq!(refused("A", iban, "short", ""), "debtor_bic");
        assert_eq!(refused("A", iban, "ÄÖÜ", ""), "debtor_bic");
        assert_eq!(refused("A", iban, "", "2026-05-07"), "execution_date");
        assert_eq!(refused("A", iban, "", "tomorrow"), "execution_date");
    }
}
