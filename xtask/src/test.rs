//! The tests of the workspace.

use std::ffi::OsString;

use anyhow::Result;

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
    if no_db {
        return process::run(cargo.env_remove(DATABASE).env_remove(AMQP));
    }
    let servers = Servers::provide()?;
    process::run(servers.tell(&mut cargo))
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
