use proptest::prelude::*;
use quittance_kernel::Currency;

use super::*;

fn noon() -> Timestamp {
    "2026-05-08T12:00:00Z".parse().unwrap()
}

fn row<'a>(title: &'a str, reference: &'a str, minor: i64) -> CsvRow<'a> {
    CsvRow {
        at: noon(),
        cycle: "Sweep",
        issue: title,
        severity: Some(Severity::High),
        amount: Money::signed(minor, Currency::KZT),
        method: Some(Method::Kaspi),
        reference,
    }
}

fn read(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(bytes);
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), HEADER);
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn a_file_has_the_columns_of_the_seed_and_plain_numbers() {
    let mut sheet = CsvSheet::new(false);
    sheet
        .write([row("Payment fails", "K-1", 1_500_000), row("Payment fails", "K-1", -50_000)])
        .unwrap();

    let text = String::from_utf8(sheet.finish()).unwrap();

    assert_eq!(
        text,
        "date,cycle,issue,severity,amount,currency,method,reference\r\n\
         2026-05-08T12:00:00Z,Sweep,Payment fails,high,15000.00,KZT,kaspi,K-1\r\n\
         2026-05-08T12:00:00Z,Sweep,Payment fails,high,-500.00,KZT,kaspi,K-1\r\n"
    );
}

#[test]
fn formulas_are_neutralised_and_everything_else_is_kept() {
    let dangerous = [
        "=HYPERLINK(\"http://x\",\"y\")",
        "+1",
        "-500",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "\nx",
        "  =1+1",
        "\u{feff}=1",
        "\u{a0}\u{feff} @x",
        "\u{200b}=1",
        "\u{ff1d}1",
        "\u{ff0b}1",
        "\u{ff0d}1",
        "\u{ff20}x",
    ];
    let harmless = [
        "a=b",
        "",
        "'=1",
        "#1",
        "say \"hi\", twice",
        "two\r\nlines",
        "Қазақша — 漢字 🦀",
        "a,b",
        "1-2",
    ];
    let mut sheet = CsvSheet::new(true);
    sheet.write(dangerous.iter().chain(&harmless).map(|text| row(text, text, 5))).unwrap();

    let rows = read(&sheet.finish());

    let cells: Vec<_> = rows.iter().map(|row| (row[2].as_str(), row[7].as_str())).collect();
    let neutralised: Vec<String> = dangerous.iter().map(|text| format!("'{text}")).collect();
    let expected: Vec<_> =
        neutralised.iter().map(String::as_str).chain(harmless).map(|text| (text, text)).collect();
    assert_eq!(cells, expected);
    assert!(rows.iter().all(|row| row[4] == "0.05"));
}

#[test]
fn the_trailer_proves_the_file() {
    let mut sheet = CsvSheet::new(true);
    sheet.write([row("a", "1", 1_500_000)]).unwrap();
    let mut file = sheet.take();
    let dollars = CsvRow { amount: Money::signed(-5, Currency::USD), ..row("b", "2", 0) };
    sheet.write([dollars]).unwrap();
    file.extend(sheet.finish());

    let text = String::from_utf8(file).unwrap();
    let (body, trailer) = text.split_once("# rows: ").unwrap();

    let digest = hex::encode(Sha256::digest(body.as_bytes()));
    let sums = "# sum KZT: 15000.00\r\n# sum USD: -0.05\r\n";
    assert_eq!(trailer, format!("2\r\n{sums}# sha256: {digest}\r\n"));
    assert_eq!(read(text.as_bytes()).len(), 2);
}

proptest! {
    #[test]
    fn any_text_is_read_back(title in any::<String>(), reference in any::<String>()) {
        let mut sheet = CsvSheet::new(false);
        sheet.write([row(&title, &reference, -1)]).unwrap();

        let rows = read(&sheet.finish());

        prop_assert_eq!(rows.len(), 1);
        prop_assert_eq!(rows[0][2].strip_prefix('\'').unwrap_or(&rows[0][2]),
            title.strip_prefix('\'').unwrap_or(&title));
        prop_assert_eq!(&rows[0][4], "-0.01");
    }
}
