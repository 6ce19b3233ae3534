//! All that has to pass before a change is accepted.

use std::time::Instant;

use anyhow::Result;

use crate::lint::{self, Verdict};
use crate::process::Outcome;
use crate::test;

/// Does the chore `ci`. The tests run also when a check has failed: one run shows everything.
pub(crate) fn run() -> Result<Outcome> {
    let start = Instant::now();
    let mut verdicts = lint::all()?;
    if lint::outcome(&verdicts) != Outcome::Interrupted {
        eprintln!("── tests");
        let tests = test::run(false, &["--no-fail-fast".into()])?;
        verdicts.push(("tests", Verdict::Ended(tests)));
    }
    lint::report(&verdicts);
    let minutes = start.elapsed().as_secs() / 60;
    let seconds = start.elapsed().as_secs() % 60;
    eprintln!("{:<12} {minutes} min {seconds} s", "time");
    Ok(lint::outcome(&verdicts))
}
