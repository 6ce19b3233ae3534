use proptest::prelude::*;
use quittance_kernel::{Currency, Money};
use uuid::Uuid;

use super::*;

const CAMT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>
<Acct><Id><IBAN>KZ86125KZT5004100100</IBAN></Id></Acct>
<Ntry><Amt Ccy="KZT">24000.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><BookgDt><Dt>2026-05-09</Dt></BookgDt>
<NtryDtls>
<TxDtls><Refs><EndToEndId>KASPI-1</EndToEndId></Refs><Amt Ccy="KZT">8000.00</Amt>
<RltdPties><Cdtr><Pty><Nm>Aibek &amp; Co</Nm></Pty></Cdtr></RltdPties></TxDtls>
<TxDtls><Refs><EndToEndId>KASPI-2</EndToEndId></Refs><Amt Ccy="KZT">16000.00</Amt></TxDtls>
</NtryDtls></Ntry>
<Ntry><Amt Ccy="BHD">1.250</Amt><CdtDbtInd>CRDT</CdtDbtInd><BookgDt><DtTm>2026-05-10T08:00:00</DtTm></BookgDt>
<NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs><RmtInf><Ustrd>Returned R-77</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
</Stmt></BkToCstmrStmt></Document>"#;

fn money(minor: i64, code: &str) -> Money {
    Money::signed(minor, code.parse().unwrap())
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

#[test]
fn a_camt_053_is_read_transaction_by_transaction() {
    let read = read_camt(CAMT.as_bytes()).unwrap();
    assert_eq!(read.account, "KZ86125KZT5004100100");
    let lines: Vec<(Money, &str, &str)> = read
        .lines
        .iter()
        .map(|line| (line.amount, line.reference.as_str(), line.counterparty.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (money(-800_000, "KZT"), "KASPI-1", "Aibek & Co"),
            (money(-1_600_000, "KZT"), "KASPI-2", ""),
            (money(1_250, "BHD"), "Returned R-77", ""),
        ]
    );
    assert_eq!(read.lines[0].booked_on, day("2026-05-09"));
    assert_eq!(read.lines[2].booked_on, day("2026-05-10"));
}

#[test]
fn entities_document_types_depth_and_size_are_bounded() {
    let bomb = r#"<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]><Document><BkToCstmrStmt>&lol2;</BkToCstmrStmt></Document>"#;
    assert_eq!(read_camt(bomb.as_bytes()), Err(BankError::Xml("a document type is not accepted")));
    let entity = "<Document><BkToCstmrStmt>&lol;</BkToCstmrStmt></Document>";
    assert_eq!(read_camt(entity.as_bytes()), Err(BankError::Xml("an entity is not accepted")));
    let deep = "<a>".repeat(100);
    assert_eq!(
        read_camt(deep.as_bytes()),
        Err(BankError::Xml("elements lie too deep in each other"))
    );
    assert_eq!(read_camt(&vec![b' '; MAX_BYTES + 1]), Err(BankError::TooLarge));
    assert!(read_camt(b"<Document/>").is_err());
    assert_eq!(read_camt(&[0xff, 0xfe]), Err(BankError::NotUtf8));
    let many = format!("date,amount,reference\n{}", "2026-05-09,1,R\n".repeat(MAX_LINES + 1));
    let columns = Columns { default_currency: "KZT".into(), ..columns() };
    assert_eq!(read_sheet(many.as_bytes(), &columns), Err(BankError::TooManyLines));
}

fn columns() -> Columns {
    Columns {
        date: "date".into(),
        amount: "amount".into(),
        reference: "reference".into(),
        ..Columns::default()
    }
}

#[test]
fn a_sheet_is_read_as_its_mapping_says() {
    let text = "Дата;Сумма;Назначение;Валюта;Кому\n09.05.2026;1 234,50;KASPI-1;KZT;Aibek\n\
                10.05.2026;7;R-2;JPY;\n";
    let mapping = Columns {
        date: "Дата".into(),
        amount: "Сумма".into(),
        reference: "Назначение".into(),
        currency: "Валюта".into(),
        counterparty: "Кому".into(),
        delimiter: ";".into(),
        date_format: "%d.%m.%Y".into(),
        decimal_comma: true,
        outgoing_positive: true,
        ..Columns::default()
    };
    let read = read_sheet(text.as_bytes(), &mapping).unwrap();
    assert_eq!(read.lines[0].amount, money(-123_450, "KZT"));
    assert_eq!(read.lines[0].counterparty, "Aibek");
    assert_eq!(read.lines[1].amount, money(-7, "JPY"));
    let missing = Columns { amount: "Betrag".into(), ..mapping.clone() };
    assert_eq!(read_sheet(text.as_bytes(), &missing), Err(BankError::NoColumn("Betrag".into())));
    let wrong = Columns { decimal_comma: false, date_format: String::new(), ..mapping };
    let refused = read_sheet(text.as_bytes(), &wrong);
    assert!(matches!(refused, Err(BankError::Line { line: 2, .. })), "{refused:?}");
}

#[test]
fn amounts_are_exact_in_every_currency() {
    let read = |text: &str, code: &str| {
        amount::read(text, '.', code.parse::<Currency>().unwrap()).map(Money::minor)
    };
    assert_eq!(read("-1,234.56", "USD"), Some(-123_456));
    assert_eq!(read("0.1", "USD"), Some(10));
    assert_eq!(read("1.2300", "USD"), Some(123));
    assert_eq!(read("1.234", "USD"), None);
    assert_eq!(read("5", "JPY"), Some(5));
    assert_eq!(read("5.5", "JPY"), None);
    assert_eq!(read("1.234", "BHD"), Some(1_234));
    assert_eq!(read("92233720368547758.07", "USD"), Some(i64::MAX));
    assert_eq!(read("92233720368547758.08", "USD"), None);
    for nothing in ["", "-", ".", "abc", "1e5", ".5"] {
        assert_eq!(read(nothing, "USD"), None, "{nothing}");
    }
}

fn line(booked_on: &str, minor: i64, reference: &str) -> BankLine {
    BankLine {
        booked_on: day(booked_on),
        amount: money(minor, "KZT"),
        reference: reference.into(),
        counterparty: String::new(),
    }
}

fn payment(number: u128, paid_on: &str, minor: i64, reference: &str) -> Payment {
    Payment {
        id: Uuid::from_u128(number),
        paid_on: day(paid_on),
        amount: money(minor, "KZT"),
        reference: reference.into(),
        returned: false,
    }
}

#[test]
fn lines_find_their_payouts_by_reference_by_sum_and_by_amount_and_date() {
    let payments = [
        payment(1, "2026-05-08", 500, "KASPI-2026-1"),
        payment(2, "2026-05-08", 500, "KASPI-2026-2"),
        payment(3, "2026-05-08", 300, "RUN-7"),
        payment(4, "2026-05-08", 400, "RUN-7"),
        payment(5, "2026-05-08", 999, "forgotten"),
        payment(6, "2026-05-08", 100, "x"),
        payment(7, "2026-05-08", 100, "y"),
        Payment { returned: true, ..payment(8, "2026-05-08", 777, "RT-1") },
    ];
    let lines = [
        line("2026-05-09", -500, "payment kaspi 2026 2 thank you"),
        line("2026-05-09", -700, "run 7"),
        line("2026-05-10", -999, "no reference at all"),
        // Two of the same amount: nobody can tell which.
        line("2026-05-09", -100, ""),
        line("2026-05-09", -500, "KASPI-2026-1"),
        line("2026-05-12", 777, "RT-1"),
        line("2026-05-12", 778, "RT-1"),
        line("2026-06-30", -999, "forgotten"),
    ];
    let found = match_lines(&lines, &payments);
    let ids = |numbers: &[u128]| numbers.iter().map(|n| Uuid::from_u128(*n)).collect::<Vec<_>>();
    assert_eq!(
        found,
        [
            Some((MatchedBy::Reference, ids(&[2]))),
            Some((MatchedBy::Sum, ids(&[3, 4]))),
            Some((MatchedBy::Amount, ids(&[5]))),
            None,
            Some((MatchedBy::Reference, ids(&[1]))),
            Some((MatchedBy::Reference, ids(&[8]))),
            None,
            None,
        ]
    );
}

proptest! {
    #[test]
    fn whatever_bytes_are_sent_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = read_camt(&bytes);
        let columns = Columns { default_currency: "KZT".into(), ..columns() };
        let _ = read_sheet(&bytes, &columns);
    }

    #[test]
    fn a_statement_with_any_piece_changed_never_panics(
        at in 0_usize..CAMT.len(),
        with in prop::collection::vec(any::<u8>(), 0..20),
        without in 0_usize..40,
    ) {
        let mut bytes = CAMT.as_bytes().to_vec();
        let end = (at + without).min(bytes.len());
        bytes.splice(at..end, with);
        let _ = read_camt(&bytes);
    }

    #[test]
    fn a_sheet_of_any_words_never_panics(rows in prop::collection::vec("[-0-9,.;\"a-z \u{a0}]{0,40}", 0..30)) {
        let text = format!("date,amount,reference\n{}", rows.join("\n"));
        let _ = read_sheet(text.as_bytes(), &Columns { default_currency: "USD".into(), ..columns() });
    }

    #[test]
    fn no_payout_is_matched_twice(
        lines in prop::collection::vec((0_i64..5, 0_usize..4, 0_u64..12), 0..40),
        paid in prop::collection::vec((1_i64..5, 0_usize..4, 0_u64..12), 0..40),
    ) {
        let words = ["", "RUN-777", "KASPI-1", "x"];
        let on = |days: u64| day("2026-05-01") + chrono::Days::new(days);
        let lines: Vec<BankLine> = lines
            .iter()
            .map(|(minor, word, days)| BankLine { booked_on: on(*days), ..line("2026-05-01", -minor, words[*word]) })
            .collect();
        let payments: Vec<Payment> = (1_u128..)
            .zip(&paid)
            .map(|(n, (minor, word, days))| Payment { paid_on: on(*days), ..payment(n, "2026-05-01", *minor, words[*word]) })
            .collect();
        let mut seen = std::collections::HashSet::new();
        for (line, found) in lines.iter().zip(match_lines(&lines, &payments)) {
            let Some((_, ids)) = found else { continue };
            let sum: i64 = payments.iter().filter(|p| ids.contains(&p.id)).map(|p| p.amount.minor()).sum();
            prop_assert_eq!(sum, -line.amount.minor());
            for id in ids {
                prop_assert!(seen.insert(id));
            }
        }
    }
}
