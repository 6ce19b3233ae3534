//! The tests of the workspace.

use std::ffi::OsString;

use anyhow::Result;

use crate::install::{self, Package};
use crate::process::{self, Outcome};
use crate::servers::{AMQP, DATABASE, Servers};

/// Does the chore `test`.
pub(crate) fn run(no_db: bool, args: &[OsString]) -> Result<Outcome> {
    let mut cargo = process::cargo();
    cargo.arg("test");
    if !names_a_package(args) {
        cargo.arg("--workspace");
    }
    cargo.args(args);
    provide_browser()?;
    if no_db {
        return process::run(cargo.env_remove(DATABASE).env_remove(AMQP));
    }
    let servers = Servers::provide()?;
    process::run(servers.tell(&mut cargo))
}

/// Installs a browser and its driver where they are missing: the dashboard is tested in one.
fn provide_browser() -> Result<()> {
    let is_there = |names: &[&str]| names.iter().any(|name| process::find(name).is_some());
    let mut missing = Vec::new();
    if !is_there(&["chromium", "chromium-browser", "google-chrome"]) {
        missing.push(Package::Chromium);
    }
    if !is_there(&["chromedriver"]) {
        missing.push(Package::ChromeDriver);
    }
    if missing.is_empty() { Ok(()) } else { install::install(&missing) }
}

/// Tells whether the arguments, up to those of the test programs, choose packages.
fn names_a_package(args: &[OsString]) -> bool {
    let own = args.iter().map(|arg| arg.to_string_lossy()).take_while(|arg| arg != "--");
    own.into_iter().any(|arg| {
        arg.starts_with("--package") || (arg.starts_with("-p") && !arg.starts_with("--"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(args: &[&str]) -> bool {
        names_a_package(&args.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_package_replaces_the_workspace() {
        assert!(names(&["-p", "quittance-kernel"]));
        assert!(names(&["--lib", "--package=quittance-kernel"]));
        assert!(names(&["-pquittance-kernel"]));
    }

    #[test]
    fn anything_else_does_not() {
        assert!(!names(&[]));
        assert!(!names(&["money", "--no-fail-fast"]));
        assert!(!names(&["--", "-p"]));
    }
}
