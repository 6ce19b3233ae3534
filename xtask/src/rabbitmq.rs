//! RabbitMQ: one that runs and welcomes guests, or a private one.

use std::env;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::supervise::{Home, Life, Server, Signal, free_ports};
use crate::{amqp, process};

const ACCOUNTS: [&str; 2] = ["rabbitmq", "nobody"];
/// The real scripts. What Debian puts on the path insists on an account and a folder of its own.
const SCRIPTS: [&str; 5] = [
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/opt/rabbitmq/sbin/rabbitmq-server",
    "/home/linuxbrew/.linuxbrew/opt/rabbitmq/sbin/rabbitmq-server",
    "/opt/rabbitmq/sbin/rabbitmq-server",
];

/// Where a node says which process it is.
pub(crate) const PID: &str = "pid";

/// What is installed.
pub(crate) struct Installed {
    script: PathBuf,
    epmd: PathBuf,
}

/// Finds the installed server, and Erlang's port mapper.
pub(crate) fn find() -> Option<Installed> {
    let known = SCRIPTS.into_iter().map(PathBuf::from).find(|script| script.is_file());
    let script = known.or_else(|| process::find("rabbitmq-server"))?;
    let brew = ["/opt/homebrew/bin/epmd", "/usr/local/bin/epmd"].map(PathBuf::from);
    let epmd = process::find("epmd").or_else(|| brew.into_iter().find(|epmd| epmd.is_file()))?;
    Some(Installed { script, epmd })
}

/// Returns the address of a server at the usual place, if it welcomes guests.
pub(crate) fn running() -> Option<String> {
    let address = ([127, 0, 0, 1], 5672).into();
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    let welcome = amqp::welcomes_guest(5672);
    if !welcome {
        eprintln!("Something listens on port 5672, but it is no RabbitMQ that welcomes guest.");
    }
    welcome.then(|| url(5672))
}

impl Installed {
    /// Starts a private server and returns its processes, last first, with its address.
    pub(crate) fn start(&self, life: Life) -> Result<(Vec<Server>, String)> {
        let [port, distribution, mapper] = free_ports()?;

        // Left alone, the first Erlang node would start a mapper that nobody stops.
        let mut epmd = Command::new(&self.epmd);
        epmd.args(["-port", &mapper.to_string(), "-address", "127.0.0.1"]);
        epmd.env("ERL_EPMD_RELAXED_COMMAND_CHECK", "1");
        let home = Home::new("quittance-epmd-", &ACCOUNTS)?;
        let signal = (Signal::Kill, Life::Once);
        let mut epmd = home.start("Erlang's port mapper", signal, &epmd)?;
        epmd.wait_until(Duration::from_secs(20), || {
            TcpStream::connect(("127.0.0.1", mapper)).is_ok()
        })?;

        let home = Home::new("quittance-rabbitmq-", &ACCOUNTS)?;
        let program = self.program(&home, port, distribution, mapper);
        let mut server = home.start("RabbitMQ", (Signal::Kill, life), &program)?;
        server.wait_until(Duration::from_mins(3), || amqp::welcomes_guest(port))?;
        Ok((vec![server, epmd], url(port)))
    }

    /// Prepares a node that shares nothing with any other: ports, cookie, files, settings.
    fn program(&self, home: &Home, port: u16, distribution: u16, mapper: u16) -> Command {
        let mut program = Command::new(&self.script);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("RABBITMQ_") {
                program.env_remove(name);
            }
        }
        let folder = home.path();
        program
            .env("HOME", folder)
            .env("ERL_EPMD_PORT", mapper.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", format!("quittance-{port}@localhost"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port.to_string())
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            )
            // These need not exist: they keep the machine's own settings and plugins out.
            .env("RABBITMQ_CONF_ENV_FILE", folder.join("rabbitmq-env.conf"))
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", folder.join("advanced.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"));
        for (name, part) in [
            ("RABBITMQ_MNESIA_BASE", "data"),
            ("RABBITMQ_LOG_BASE", "log"),
            ("RABBITMQ_SCHEMA_DIR", "schema"),
            ("RABBITMQ_GENERATED_CONFIG_DIR", "config"),
        ] {
            program.env(name, folder.join(part));
        }
        program.env("RABBITMQ_PID_FILE", folder.join(PID));
        program
    }
}

fn url(port: u16) -> String {
    format!("amqp://guest:guest@127.0.0.1:{port}/%2f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_names_guest_and_the_default_host() {
        assert_eq!(url(5672), "amqp://guest:guest@127.0.0.1:5672/%2f");
    }
}
