//! Programs that measure and break the system. They live in `system-tests`; this provides for them.

use std::ffi::{OsStr, OsString};

use anyhow::Result;

use crate::process::{self, Outcome};
use crate::servers::Servers;

/// Does the chore `bench`.
pub(crate) fn bench(name: &OsStr, args: &[OsString]) -> Result<Outcome> {
    let build = [
        "build",
        "--release",
        "--package",
        "system-tests",
        "--bins",
        // Without the fail points, which are for faults only.
        "--no-default-features",
    ];
    provided("bench", &build, Servers::provide, name, args)
}

/// Does the chore `fault`: the programs are built with their fail points.
pub(crate) fn fault(name: &OsStr, args: &[OsString]) -> Result<Outcome> {
    let build = ["build", "--release", "--bins", "--package", "system-tests"];
    // What kills servers gets some of its own.
    let servers = if name == "servers" { Servers::to_be_killed } else { Servers::provide };
    provided("fault", &build, servers, name, args)
}

fn provided(
    program: &str,
    build: &[&str],
    servers: fn() -> Result<Servers>,
    name: &OsStr,
    args: &[OsString],
) -> Result<Outcome> {
    // First what can fail without servers.
    let outcome = process::run(process::cargo().args(build))?;
    if outcome != Outcome::Succeeded {
        return Ok(outcome);
    }
    let servers = servers()?;
    let program = process::target().join("release").join(program);
    process::run(servers.tell(process::command(program).arg(name).args(args)))
}
