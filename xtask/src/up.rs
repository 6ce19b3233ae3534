//! The four services as programs of their own, over PostgreSQL and RabbitMQ, until Ctrl-C.

use std::net::TcpStream;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::interrupt;
use crate::process::{self, Outcome};
use crate::servers::Servers;

/// The programs, each with the name of its database.
const SERVICES: [(&str, Option<&str>); 4] = [
    ("quittance-issues", Some("ISSUES")),
    ("quittance-payouts", Some("PAYOUTS")),
    ("quittance-balance", Some("BALANCE")),
    ("quittance-gateway", None),
];

/// Where the gateway listens unless it is told otherwise.
const GATEWAY: &str = "127.0.0.1:8080";

/// How long everything may take to come up.
const PATIENCE: Duration = Duration::from_mins(1);

/// Does the chore `up`.
pub(crate) fn run(release: bool) -> Result<Outcome> {
    let mut build = process::cargo();
    build.arg("build").args(SERVICES.iter().flat_map(|(name, _)| ["--package", name]));
    if release {
        build.arg("--release");
    }
    let outcome = process::run(&mut build)?;
    if outcome != Outcome::Succeeded {
        return Ok(outcome);
    }
    let servers = Servers::provide()?;
    let folder = process::target().join(if release { "release" } else { "debug" });
    let mut running = Programs(Vec::new());
    for (name, _) in SERVICES {
        let mut command = process::command(folder.join(name));
        tell(&mut command, &servers);
        running.0.push((name, process::spawn(&mut command)?));
    }
    let up = interrupt::poll(PATIENCE, || {
        running.check()?;
        Ok(TcpStream::connect(GATEWAY).is_ok())
    })?;
    if !up {
        bail!("the gateway does not listen on {GATEWAY}");
    }
    eprintln!("Quittance serves http://{GATEWAY} with four programs; Ctrl-C stops them.");
    loop {
        running.check()?;
        if interrupt::requested() {
            return Ok(Outcome::Succeeded);
        }
        interrupt::pause(Duration::from_millis(200));
    }
}

/// Tells a program where its database and the broker are.
fn tell(command: &mut Command, servers: &Servers) {
    let variable = |name: &str| format!("QUITTANCE__{name}");
    for database in SERVICES.iter().filter_map(|(_, database)| *database) {
        let url = servers.database(&format!("quittance_{}", database.to_lowercase()));
        command.env(variable(&format!("{database}__DATABASE_URL")), url);
    }
    command.env(variable("BUS__AMQP_URL"), servers.amqp());
}

/// Programs that end with us.
struct Programs(Vec<(&'static str, Child)>);

impl Programs {
    /// Fails when one has ended by itself.
    fn check(&mut self) -> Result<()> {
        for (name, child) in &mut self.0 {
            if let Some(status) = child.try_wait()?
                && !interrupt::requested()
            {
                bail!("{name} has ended ({status})");
            }
        }
        Ok(())
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        // The gateway first, so that it finishes what it has asked the others for.
        for (_, child) in self.0.iter_mut().rev() {
            process::terminate(child);
        }
    }
}
