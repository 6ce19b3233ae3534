use http::HeaderValue;

use super::*;

fn statement(title: &str) -> Statement {
    let figures = |owed, paid| StatementFigures {
        currency: "KZT".into(),
        owed_minor: owed,
        paid_minor: paid,
        receivable_minor: 0,
    };
    let line = StatementLine {
        time: "2026-05-08T10:00:00Z".parse().ok(),
        event_id: Id::new("e".into()),
        event_type: "payout.issue_paid".into(),
        issue_id: Id::new("i".into()),
        title: title.into(),
        cycle: "Sweep, \"one\"".into(),
        change: figures(-800_000, 800_000),
        why: Some("default rate, high".into()),
        method: None,
        reference: Some("=1+1".into()),
    };
    Statement {
        period: "2026-05".into(),
        from: "2026-05-01T00:00:00Z".parse().ok(),
        to: "2026-06-01T00:00:00Z".parse().ok(),
        member: Some("<b>Dana</b>".into()),
        opening: vec![figures(800_000, 0)],
        lines: vec![line],
        closing: vec![figures(0, 800_000)],
    }
}

#[test]
fn no_text_of_a_statement_becomes_markup() {
    let page = render::html(&statement("<script>alert('x')</script> & \"more\""));
    assert!(!page.contains("<script"), "{page}");
    assert!(
        page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;more&quot;")
    );
    assert!(page.contains("&lt;b&gt;Dana&lt;/b&gt;"));
    assert!(page.contains("-₸8,000.00"), "{page}");
}

#[test]
fn a_statement_as_csv_has_an_opening_and_a_closing_row() {
    let file = String::from_utf8(render::csv(&statement("@SUM(A1)"))).unwrap();
    let rows: Vec<&str> = file.split_terminator("\r\n").collect();
    assert_eq!(rows[0], "date,cycle,issue,event,why,currency,owed,paid,owed back,reference");
    assert_eq!(rows[1], "2026-05-01T00:00:00Z,,,opening,,KZT,8000.00,0.00,0.00,");
    assert!(rows[2].contains("\"Sweep, \"\"one\"\"\",'@SUM(A1),paid,\"default rate, high\""));
    assert!(rows[2].ends_with("KZT,-8000.00,8000.00,0.00,'=1+1"), "{}", rows[2]);
    assert_eq!(rows[3], "2026-06-01T00:00:00Z,,,closing,,KZT,0.00,8000.00,0.00,");
    assert_eq!(rows.len(), 4);
}

#[test]
fn the_first_known_type_of_accept_decides() {
    let of = |accept: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        accepted(&headers)
    };
    assert_eq!(of("text/csv"), StatementFormat::Csv);
    assert_eq!(of("image/png, application/json;q=0.9, text/html"), StatementFormat::Json);
    assert_eq!(of("text/html,application/xhtml+xml"), StatementFormat::Html);
    assert_eq!(of("*/*"), StatementFormat::Html);
    assert_eq!(accepted(&HeaderMap::new()), StatementFormat::Html);
}
