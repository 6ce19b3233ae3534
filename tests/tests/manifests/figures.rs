//! Dashboards and alerts ask for figures that the programs have.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::read::{text, texts, yaml};

/// Words of the query language.
const LANGUAGE: &[&str] = &[
    "and",
    "by",
    "delta",
    "histogram_quantile",
    "increase",
    "max",
    "or",
    "rate",
    "sum",
    "time",
    "topk",
];

/// As Prometheus calls what the sources make by `counter("a.b")`, `u64_gauge("a.b")` and so on.
fn instruments() -> BTreeSet<String> {
    // Of Prometheus itself.
    let mut found = BTreeSet::from(["up".to_owned()]);
    for (path, text) in texts(&["crates", "services"]) {
        let is_source = path.extension().is_some_and(|ending| ending == "rs");
        if !is_source || path.to_string_lossy().contains("tests") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap();
        for kind in ["counter(\"", "gauge(\"", "histogram(\""] {
            for part in code.split(kind).skip(1) {
                let (name, rest) = part.split_once('"').unwrap();
                let made = rest.split("build()").next().unwrap();
                let unit = if made.contains("with_unit(\"s\")") { "_seconds" } else { "" };
                let name = format!("{}{unit}", name.replace('.', "_"));
                let ends: &[&str] = match kind {
                    "counter(\"" => &["_total"],
                    "gauge(\"" => &[""],
                    _ => &["_bucket", "_count", "_sum"],
                };
                found.extend(ends.iter().map(|end| format!("{name}{end}")));
            }
        }
    }
    found
}

/// The figures of a query: what is left without labels, durations and the words of the language.
fn figures(query: &str) -> Vec<String> {
    let mut left = String::new();
    let mut depth = 0;
    let mut labels = false;
    for (index, c) in query.char_indices() {
        let before = query[..index].trim_end();
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            '(' if before.ends_with(" by") || before.ends_with("(by") => labels = true,
            ')' if labels => labels = false,
            _ if depth == 0 && !labels => left.push(c),
            _ => {}
        }
        if !c.is_ascii_alphanumeric() && c != '_' {
            left.push(' ');
        }
    }
    assert_eq!(depth, 0, "{query}");
    let words = left.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
    words
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
        .filter(|word| !LANGUAGE.contains(word))
        .map(str::to_owned)
        .collect()
}

fn alerts() -> Vec<Value> {
    let groups = yaml("deploy/alerts.yaml").remove(0);
    groups["groups"][0]["rules"].as_array().unwrap().clone()
}

#[test]
fn dashboards_and_alerts_ask_for_figures_that_exist() {
    let there = instruments();
    assert!(there.contains("outbox_oldest_age_seconds"), "{there:?}");
    let mut queries: Vec<String> =
        alerts().iter().map(|alert| alert["expr"].as_str().unwrap().to_owned()).collect();
    for (_, text) in texts(&["deploy/grafana/dashboards"]) {
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            let targets = panel["targets"].as_array().unwrap();
            queries.extend(targets.iter().map(|t| t["expr"].as_str().unwrap().to_owned()));
        }
    }
    assert!(queries.len() > 20, "the queries were not found");
    for query in queries {
        let asked = figures(&query);
        assert!(!asked.is_empty(), "{query}");
        for figure in asked {
            assert!(there.contains(&figure), "`{query}` asks for {figure}");
        }
    }
}

#[test]
fn a_query_is_taken_apart() {
    let query = r#"sum by (le, x_y) (rate(a_b_count{c_d=~"5.."}[5m])) / max(up) > 0.01"#;
    assert_eq!(figures(query), ["a_b_count", "up"]);
}

#[test]
fn every_alert_names_a_part_of_the_runbook() {
    let runbook = text("docs/operations.md");
    let parts: BTreeSet<String> = runbook
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .collect();
    for alert in alerts() {
        let place = alert["annotations"]["runbook"].as_str().unwrap();
        let (file, part) = place.split_once('#').unwrap();
        assert!(file == "docs/operations.md" && parts.contains(part), "{place}");
    }
}
