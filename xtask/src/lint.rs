//! Checks that run no code of ours.

use std::process::Command;

use anyhow::Result;

use crate::process::{self, Outcome};
use crate::{manifests, tools};

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ended(Outcome),
    NotRun(String),
}

type Check = fn() -> Result<Verdict>;

/// Does the chore `lint`.
pub(crate) fn run() -> Result<Outcome> {
    let verdicts = all()?;
    report(&verdicts);
    Ok(outcome(&verdicts))
}

/// Runs every check, also after one that fails, but not after Ctrl-C.
pub(crate) fn all() -> Result<Vec<(&'static str, Verdict)>> {
    let checks: [(&str, Check); 6] = [
        ("format", format),
        ("clippy", clippy),
        ("cargo deny", deny),
        ("buf lint", buf_lint),
        ("buf format", buf_format),
        ("manifests", manifests::lint),
    ];
    let mut verdicts = Vec::new();
    for (name, check) in checks {
        eprintln!("── {name}");
        let verdict = check()?;
        let stop = verdict == Verdict::Ended(Outcome::Interrupted);
        verdicts.push((name, verdict));
        if stop {
            break;
        }
    }
    Ok(verdicts)
}

/// Prints one line per check.
pub(crate) fn report(verdicts: &[(&str, Verdict)]) {
    eprintln!();
    for (name, verdict) in verdicts {
        eprintln!("{name:<12} {}", words(verdict));
    }
}

/// Sums up: interrupted if anything was, failed if anything did. A check not run is no failure.
pub(crate) fn outcome(verdicts: &[(&str, Verdict)]) -> Outcome {
    let mut sum = Outcome::Succeeded;
    for (_, verdict) in verdicts {
        match verdict {
            Verdict::Ended(Outcome::Interrupted) => return Outcome::Interrupted,
            Verdict::Ended(failed @ Outcome::Failed(_)) => sum = *failed,
            Verdict::Ended(Outcome::Succeeded) | Verdict::NotRun(_) => {}
        }
    }
    sum
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Ended(Outcome::Succeeded) => "ok".to_owned(),
        Verdict::Ended(Outcome::Failed(_)) => "FAILED".to_owned(),
        Verdict::Ended(Outcome::Interrupted) => "interrupted".to_owned(),
        Verdict::NotRun(reason) => format!("NOT RUN: {reason}"),
    }
}

fn ended(command: &mut Command) -> Result<Verdict> {
    process::run(command).map(Verdict::Ended)
}

fn format() -> Result<Verdict> {
    ended(process::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<Verdict> {
    let args = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    ended(process::cargo().args(args))
}

/// Advisories need a database from the network that changes by itself, so they are not part of it.
fn deny() -> Result<Verdict> {
    match tools::cargo_deny()? {
        Ok(deny) => {
            let args = ["check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
            ended(process::command(deny).args(args))
        }
        Err(reason) => Ok(Verdict::NotRun(reason)),
    }
}

fn buf_lint() -> Result<Verdict> {
    buf(&["lint", "proto"])
}

fn buf_format() -> Result<Verdict> {
    buf(&["format", "--diff", "--exit-code", "proto"])
}

fn buf(args: &[&str]) -> Result<Verdict> {
    match tools::buf()? {
        Ok(buf) => ended(process::command(buf).args(args)),
        Err(reason) => Ok(Verdict::NotRun(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Verdict = Verdict::Ended(Outcome::Succeeded);
    const FAILED: Verdict = Verdict::Ended(Outcome::Failed(101));

    #[test]
    fn one_failure_fails_the_whole() {
        assert_eq!(outcome(&[("a", OK), ("b", FAILED), ("c", OK)]), Outcome::Failed(101));
        assert_eq!(outcome(&[("a", OK), ("b", OK)]), Outcome::Succeeded);
    }

    #[test]
    fn a_check_that_cannot_run_is_told_and_does_not_fail() {
        let verdict = Verdict::NotRun("no npm".to_owned());
        assert_eq!(words(&verdict), "NOT RUN: no npm");
        assert_eq!(outcome(&[("a", verdict)]), Outcome::Succeeded);
    }

    #[test]
    fn an_interruption_wins() {
        let interrupted = Verdict::Ended(Outcome::Interrupted);
        assert_eq!(outcome(&[("a", FAILED), ("b", interrupted)]), Outcome::Interrupted);
    }
}
