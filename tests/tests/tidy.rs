//! Conventions that matter are tests.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", ".git", "node_modules"].contains(&name.as_str()) {
            files(&path, ending, found);
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in ["crates", "services", "proto", "tests", "xtask"] {
        files(&root().join(folder), ".rs", &mut found);
    }
    assert!(found.len() > 50, "the sources were not found");
    found.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|_| panic!("{path} is missing"))
}

#[test]
fn no_file_is_longer_than_400_lines() {
    let long: Vec<_> = sources()
        .iter()
        .filter(|(_, text)| text.lines().count() > 400)
        .map(|(path, text)| format!("{}: {}", path.display(), text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

/// The document of the API calls a schema as its type is called: of two with one name it has one.
#[test]
fn no_two_types_of_the_api_have_one_name() {
    let (mut seen, mut count) = (BTreeSet::new(), 0);
    for (path, text) in sources() {
        let described = text.split("#[derive(").skip(1).filter(|part| {
            part.split(')').next().is_some_and(|derived| derived.contains("ToSchema"))
        });
        for part in described.filter(|_| path.to_string_lossy().contains("gateway/src/rest")) {
            let named = ["struct ", "enum "]
                .iter()
                .filter_map(|word| part.split_once(word))
                .min_by_key(|(before, _)| before.len());
            let (_, named) = named.unwrap();
            let name = named.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned();
            assert!(seen.insert(name.clone()), "{}: {name}", path.display());
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn the_domain_does_no_io_and_reads_no_clock() {
    let forbidden = ["sea_orm", "tonic", "prost", "lapin", "axum", "tokio", ".await", "now()"];
    let mut read = 0;
    for (path, text) in sources() {
        let folder = path.parent().unwrap();
        if !folder.ends_with("domain") && !path.ends_with("domain.rs") {
            continue;
        }
        read += 1;
        // A word of the business, and no await.
        let text = text.replace(".awaiting", "");
        for word in forbidden {
            assert!(!text.contains(word), "{} mentions `{word}`", path.display());
        }
    }
    assert!(read >= 6, "the domains were not found");
}

#[test]
fn nothing_is_unfinished_or_skipped() {
    // Written in two parts, so that this file does not find itself.
    let forbidden =
        ["todo!", "unimplemented!", "#[ig", "FIX", "XX"].iter().zip(["(", "(", "nore", "ME", "X"]);
    let forbidden: Vec<String> = forbidden.map(|(a, b)| format!("{a}{b}")).collect();
    for (path, text) in sources() {
        for word in &forbidden {
            assert!(!text.contains(word.as_str()), "{} has `{word}`", path.display());
        }
    }
}

#[test]
fn every_event_is_documented_and_nothing_else_is() {
    let text = read("docs/events.md");
    let documented: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .filter(|name| name.contains('.'))
        .collect();
    let published: BTreeSet<&str> = quittance_events::kind::ALL.iter().copied().collect();
    assert_eq!(documented, published);
}

/// Texts in `UPPER_SNAKE_CASE` between quotes, in files that give errors their reasons.
fn reasons() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, text) in sources() {
        let gives = text.contains("fn reason(") || path.to_string_lossy().contains("gateway/src");
        if !gives || path.to_string_lossy().contains("tests") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for part in code.split('"').skip(1).step_by(2) {
            let upper = part.len() > 4
                && !part.starts_with('_')
                // Kinds of notifications, and a word of serde.
                && !["SCREAMING_SNAKE_CASE", "ISSUE_PAID", "ISSUE_VERIFIED", "ISSUE_APPROVED", "ISSUE_REJECTED", "PAYOUT_FAILED"].contains(&part)
                && part.contains('_')
                && part.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit());
            if upper {
                found.insert(part.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_reason_is_documented() {
    let text = read("docs/errors.md");
    let reasons = reasons();
    assert!(reasons.len() > 15, "the reasons were not found");
    let missing: Vec<_> =
        reasons.iter().filter(|reason| !text.contains(&format!("| `{reason}`"))).collect();
    assert!(missing.is_empty(), "docs/errors.md does not explain {missing:#?}");
}

#[test]
fn coverage_names_each_statement_once_and_only_tests_that_exist() {
    let text = read("docs/coverage.md");
    let mut seen = BTreeSet::new();
    let all: String = sources().into_iter().map(|(_, text)| text).collect();
    let (mut statements, mut incidents) = (0, 0);
    for line in text.lines().filter(|line| line.starts_with("| ") && !line.contains("| proof |")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        assert!(cells.len() >= 4 && !cells[2].is_empty(), "a row says nothing: {line}");
        let (id, _) = cells[1].split_once(':').unwrap_or((cells[1], ""));
        assert!(seen.insert(id.to_owned()), "{id} stands twice");
        *(if id.starts_with('S') { &mut statements } else { &mut incidents }) += 1;
        for name in cells[2].split('`').skip(1).step_by(2) {
            let found = all.contains(&format!("fn {name}("));
            assert!(found, "{}: there is no test `{name}`", cells[1]);
        }
    }
    // The number of statements in the checklist, and of incidents.
    assert_eq!((statements, incidents), (STATEMENTS, 20));
}

const STATEMENTS: usize = 224;

#[test]
fn documents_hold_no_machine_paths() {
    let mut found = Vec::new();
    files(&root(), ".md", &mut found);
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in ["/root/", "/home/", "/work/"] {
            assert!(!text.contains(word), "{} mentions {word}", path.display());
        }
    }
}
