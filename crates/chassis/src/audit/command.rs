//! `audit verify` on the command line.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::verify::{Verdict, verify};
use crate::clock::now;
use crate::db::Db;

/// How often the bar is drawn anew.
const FRAME: Duration = Duration::from_millis(100);
const WIDTH: i64 = 30;

/// Verifies the logs of these databases one after the other and tells what it has found. Fails if
/// one of them is broken, after all were looked at.
pub async fn run(databases: &[Db]) -> anyhow::Result<()> {
    let mut broken = Vec::new();
    for db in databases {
        let name = db.service();
        let mut bar = Bar::new(name);
        let found = verify(db, |done, total| bar.draw(done, total)).await;
        bar.wipe();
        let found = found.with_context(|| format!("the audit log of {name} cannot be read"))?;
        tell(&line(name, &found))?;
        if !found.ok() {
            broken.push(name);
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    bail!("the audit log was tampered with: {}", broken.join(", "))
}

/// What was found, on one line.
fn line(name: &str, found: &Verdict) -> String {
    let Verdict { sealed, unsealed, oldest_unsealed, head, broken } = found;
    let age = oldest_unsealed.map_or(0, |oldest| (now() - oldest).num_seconds().max(0));
    let tail = match unsealed {
        0 => "nothing unsealed".to_owned(),
        rows => format!("{rows} unsealed for up to {age} s"),
    };
    match broken {
        None => format!("{name}: ok, {sealed} rows sealed, {tail}, head {head}"),
        Some(broken) => format!(
            "{name}: BROKEN at seal {} (row {}: {}), {sealed} rows before it hold, {tail}",
            broken.ordinal,
            broken.audit_id,
            broken.flaw.as_str()
        ),
    }
}

/// Writes to standard output. A reader that has seen enough is no failure.
fn tell(line: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A progress bar, if somebody is watching.
struct Bar {
    name: &'static str,
    shown: bool,
    drawn: Instant,
}

impl Bar {
    fn new(name: &'static str) -> Self {
        Self { name, shown: std::io::stderr().is_terminal(), drawn: Instant::now() }
    }

    fn draw(&mut self, done: i64, total: i64) {
        if self.shown && FRAME <= self.drawn.elapsed() {
            self.drawn = Instant::now();
            // Nobody can be told if this fails.
            let _ = write!(std::io::stderr(), "\r{}", bar(self.name, done, total));
        }
    }

    fn wipe(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn bar(name: &str, done: i64, total: i64) -> String {
    let full = if total <= 0 { WIDTH } else { done.saturating_mul(WIDTH) / total };
    let text: String = (0..WIDTH).map(|at| if at < full { '#' } else { '.' }).collect();
    format!("{name} [{text}] {done}/{total}")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::audit::{Broken, Flaw};

    #[test]
    fn the_first_broken_row_is_named() {
        let broken = Broken { ordinal: 3, audit_id: Uuid::max(), flaw: Flaw::Changed };
        let found = Verdict {
            sealed: 2,
            unsealed: 0,
            oldest_unsealed: None,
            head: "ab".into(),
            broken: Some(broken),
        };
        let text = line("payouts", &found);
        assert!(text.contains("BROKEN at seal 3") && text.contains("changed"), "{text}");
        assert!(text.contains("ffffffff-ffff-ffff-ffff-ffffffffffff"), "{text}");
        let text = line("payouts", &Verdict { broken: None, ..found });
        assert_eq!(text, "payouts: ok, 2 rows sealed, nothing unsealed, head ab");
    }

    #[test]
    fn the_bar_fills() {
        assert!(bar("x", 0, 10).contains(&".".repeat(30)));
        assert!(bar("x", 10, 10).contains(&"#".repeat(30)));
        assert!(bar("x", 0, 0).contains("0/0"));
    }
}
