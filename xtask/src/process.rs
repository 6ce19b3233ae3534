//! Running programs: where they are, what they inherit, how they are stopped.

use std::env;
use std::ffi::OsStr;
use std::io::{IsTerminal as _, stdin};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::interrupt;

/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How a program, or a chore made of several, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeded,
    Failed(u8),
    Interrupted,
}

impl Outcome {
    /// Returns the exit code that says the same, in the way of shells.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::Failed(code) => code,
            Self::Interrupted => 130,
        }
    }

    fn of(status: ExitStatus) -> Self {
        if status.success() {
            return Self::Succeeded;
        }
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Self::Failed(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }
}

/// Returns the root of the workspace.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Returns the folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Prepares a program that runs in the root of the workspace.
///
/// What `cargo run` says about the xtask package is taken away: build scripts that look at those
/// variables would run again each time cargo is called in the other way.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Prepares cargo.
pub(crate) fn cargo() -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a program to its end, or stops it, with all that it started, when we are asked to stop.
pub(crate) fn run(command: &mut Command) -> Result<Outcome> {
    // With a terminal the program stays in our group, so that it may read and gets Ctrl-C itself.
    let own_group = !stdin().is_terminal();
    if own_group {
        command.process_group(0);
    }
    let mut child = spawn(command)?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(if interrupt::requested() {
                Outcome::Interrupted
            } else {
                Outcome::of(status)
            });
        }
        if interrupt::requested() {
            stop(&mut child, own_group)?;
            return Ok(Outcome::Interrupted);
        }
        interrupt::pause(Duration::from_millis(20));
    }
}

/// Runs a program and returns what it printed, or nothing when it failed or is not there.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// Starts a program, and names it when that fails.
pub(crate) fn spawn(command: &mut Command) -> Result<Child> {
    command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))
}

/// Finds a program on the path.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Waits for the end of a program; `false` when the time is over.
pub(crate) fn ends_within(child: &mut Child, time: Duration) -> bool {
    let end = Instant::now() + time;
    while matches!(child.try_wait(), Ok(None)) {
        if end <= Instant::now() {
            return false;
        }
        // Also works after we were asked to stop, when `interrupt::pause` returns at once.
        thread::sleep(Duration::from_millis(20));
    }
    true
}

fn stop(child: &mut Child, own_group: bool) -> Result<()> {
    // A program that shares our terminal has heard Ctrl-C and may be about to end by itself.
    if !own_group && ends_within(child, Duration::from_secs(1)) {
        return Ok(());
    }
    let target = if own_group { format!("-{}", child.id()) } else { child.id().to_string() };
    signal("TERM", &target);
    if !ends_within(child, GRACE) {
        signal("KILL", &target);
        child.wait()?;
    }
    if own_group {
        signal("KILL", &target);
    }
    Ok(())
}

/// Asks a program to end, and ends it when it does not.
pub(crate) fn terminate(child: &mut Child) {
    signal("TERM", &child.id().to_string());
    if !ends_within(child, GRACE) {
        // It is gone, or the system can do no more for us.
        drop(child.kill());
        drop(child.wait());
    }
}

/// Sends a signal by means of the shell, since the call itself is unsafe code.
fn signal(name: &str, target: &str) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "kill -s \"$1\" -- \"$2\" 2>/dev/null", "kill", name, target]);
    drop(command.stdin(Stdio::null()).status());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_is_handed_on() {
        assert_eq!(run(command("true").stdin(Stdio::null())).unwrap(), Outcome::Succeeded);
        assert_eq!(run(command("sh").args(["-c", "exit 7"])).unwrap(), Outcome::Failed(7));
    }

    #[test]
    fn a_signal_becomes_a_code_as_in_a_shell() {
        let outcome = run(command("sh").args(["-c", "kill -s TERM $$"])).unwrap();
        assert_eq!(outcome.code(), 143);
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut command("no-such-program")).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("Cargo.lock").is_file());
    }
}
