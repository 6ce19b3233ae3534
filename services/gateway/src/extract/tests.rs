use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Order {
    #[expect(dead_code, reason = "only read")]
    amount_minor: i64,
    #[serde(default)]
    #[expect(dead_code, reason = "only read")]
    lines: Vec<Line>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[expect(dead_code, reason = "only read")]
    method: crate::words::Method,
}

#[test]
fn each_mistake_names_its_field() {
    for (body, code, field) in [
        (r#"{"amountMinor":1,"colour":2}"#, "UNKNOWN_FIELD", "colour"),
        (r#"{"amountMinor":1,"lines":[{"method":"cash","x":1}]}"#, "UNKNOWN_FIELD", "lines[0].x"),
        (r#"{"amountMinor":1.5}"#, "INVALID_FIELD", "amountMinor"),
        (r#"{"amountMinor":"1"}"#, "INVALID_FIELD", "amountMinor"),
        (r#"{"amountMinor":9223372036854775808}"#, "INVALID_FIELD", "amountMinor"),
        (r#"{"amountMinor":1e3}"#, "INVALID_FIELD", "amountMinor"),
        (r#"{"lines":[]}"#, "INVALID_FIELD", "amountMinor"),
        (r#"{"amountMinor":1,"amountMinor":2}"#, "INVALID_FIELD", "amountMinor"),
        (r#"{"amountMinor":1,"lines":[{"method":"barter"}]}"#, "INVALID_FIELD", "lines[0].method"),
        (r#"{"amountMinor":1,"lines":[{}]}"#, "INVALID_FIELD", "lines[0].method"),
    ] {
        let problem = parse::<Order>(body.as_bytes()).unwrap_err();
        assert_eq!((&*problem.code, problem.status.as_u16()), (code, 400), "{body}");
        assert_eq!(problem.errors[0].field, field, "{body} {problem:?}");
    }
}

#[test]
fn what_is_no_json_is_called_so() {
    for body in ["", "{", "{]", "nonsense", r#"{"amountMinor":1} {}"#, "\u{0}"] {
        let problem = parse::<Order>(body.as_bytes()).unwrap_err();
        assert_eq!(problem.code, "MALFORMED_JSON", "{body}");
    }
}

#[test]
fn a_deep_body_is_refused() {
    let body = "[".repeat(100_000);
    assert!(parse::<serde_json::Value>(body.as_bytes()).is_err());
}
