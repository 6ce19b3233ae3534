//! PostgreSQL and RabbitMQ for as long as somebody needs them.

use std::env;
use std::ffi::OsString;
use std::io::{Write as _, stdout};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::install::{self, Package};
use crate::process::{self, Outcome};
use crate::supervise::{Life, Server};
use crate::{interrupt, postgres, rabbitmq};

/// The address of a PostgreSQL where databases can be created.
pub(crate) const DATABASE: &str = "TEST_DATABASE_URL";
/// The address of a RabbitMQ.
pub(crate) const AMQP: &str = "TEST_AMQP_URL";

/// Where the process ids of private servers stand, for those who kill them.
const POSTGRES_PID: &str = "TEST_POSTGRES_PID_FILE";
const RABBITMQ_PID: &str = "TEST_RABBITMQ_PID_FILE";

/// A private server can lose the race for its port, which is chosen before it is taken.
const ATTEMPTS: usize = 3;

/// The servers; those that we started end when this is dropped.
pub(crate) struct Servers {
    database_url: String,
    amqp_url: String,
    /// Files that begin with the process id of a server that we started.
    pids: Vec<(&'static str, PathBuf)>,
    _started: Vec<Server>,
}

/// Does the chore `servers`.
pub(crate) fn run(print_env: bool, command: &[OsString]) -> Result<Outcome> {
    let servers = Servers::provide()?;
    if print_env || command.is_empty() {
        let mut out = stdout().lock();
        writeln!(out, "{}", servers.exports())?;
        out.flush()?;
    }
    if let Some((program, args)) = command.split_first() {
        return process::run(servers.tell(process::command(program).args(args)));
    }
    eprintln!("Press Ctrl-C to stop them.");
    interrupt::wait();
    Ok(Outcome::Succeeded)
}

impl Servers {
    /// Takes what is given, else what runs, else starts private ones, else installs first.
    pub(crate) fn provide() -> Result<Self> {
        let database = given(DATABASE)?.or_else(|| said("PostgreSQL", postgres::running()));
        let amqp = given(AMQP)?.or_else(|| said("RabbitMQ", rabbitmq::running()));
        Self::complete(database, amqp, Life::Once)
    }

    /// Starts private ones that may be killed: they come again over what they have written.
    pub(crate) fn to_be_killed() -> Result<Self> {
        Self::complete(None, None, Life::Again)
    }

    fn complete(
        mut database: Option<String>,
        mut amqp: Option<String>,
        life: Life,
    ) -> Result<Self> {
        let (mut started, mut pids) = (Vec::new(), Vec::new());

        let mut missing = Vec::new();
        if database.is_none() && postgres::find().is_none() {
            missing.push(Package::Postgres);
        }
        if amqp.is_none() && rabbitmq::find().is_none() {
            missing.push(Package::RabbitMq);
        }
        if !missing.is_empty() {
            install::install(&missing)?;
        }
        if database.is_none() {
            eprintln!("Starting a private PostgreSQL …");
            let found = postgres::find().context("PostgreSQL is installed, but cannot be found")?;
            let (server, url) = attempt(|| found.start(life))?;
            pids.push((POSTGRES_PID, server.file("data/postmaster.pid")));
            started.push(server);
            database = Some(url);
        }
        if amqp.is_none() {
            eprintln!("Starting a private RabbitMQ …");
            let found = rabbitmq::find().context("RabbitMQ is installed, but cannot be found")?;
            let (servers, url) = attempt(|| found.start(life))?;
            pids.extend(servers.first().map(|node| (RABBITMQ_PID, node.file(rabbitmq::PID))));
            started.extend(servers);
            amqp = Some(url);
        }
        let (Some(database_url), Some(amqp_url)) = (database, amqp) else {
            bail!("there are no servers");
        };
        eprintln!("PostgreSQL and RabbitMQ are ready.");
        Ok(Self { database_url, amqp_url, pids, _started: started })
    }

    /// Tells a program where the servers are.
    pub(crate) fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env(DATABASE, &self.database_url).env(AMQP, &self.amqp_url);
        command.envs(self.pids.iter().map(|(name, path)| (name, path)))
    }

    /// The address of a database of this name on the same server.
    pub(crate) fn database(&self, name: &str) -> String {
        sibling(&self.database_url, name)
    }

    /// The address of RabbitMQ.
    pub(crate) fn amqp(&self) -> &str {
        &self.amqp_url
    }

    fn exports(&self) -> String {
        format!(
            "export {DATABASE}={}\nexport {AMQP}={}",
            quoted(&self.database_url),
            quoted(&self.amqp_url)
        )
    }
}

/// Returns the address that the user gave, if a server answers there.
fn given(variable: &str) -> Result<Option<String>> {
    let Some(url) = env::var_os(variable).filter(|url| !url.is_empty()) else { return Ok(None) };
    let Ok(url) = url.into_string() else { bail!("{variable} is not text") };
    if let Some(place) = authority(&url)
        && let Err(error) = TcpStream::connect(place)
    {
        let (host, port) = place;
        bail!(
            "{variable} names {host}:{port}, where nobody answers ({error}); start it or unset it"
        );
    }
    Ok(Some(url))
}

/// Puts another database's name into an address.
fn sibling(url: &str, name: &str) -> String {
    let (base, query) =
        url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let server = base.rsplit_once('/').map_or(base, |(server, _)| server);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{server}/{name}{query}")
}

fn said(name: &str, url: Option<String>) -> Option<String> {
    if url.is_some() {
        eprintln!("Using the {name} that runs on this machine.");
    }
    url
}

fn attempt<T>(mut start: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..ATTEMPTS {
        match start() {
            Ok(started) => return Ok(started),
            Err(error) => {
                interrupt::check()?;
                eprintln!("{error:#}\nTrying again …");
            }
        }
    }
    start()
}

/// Returns host and port of an address that names both.
fn authority(url: &str) -> Option<(&str, u16)> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = place.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some((host, port.parse().ok()?))
}

/// Writes a word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:@%._-".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_found_behind_user_and_password() {
        let url = "amqp://guest:guest@127.0.0.1:5672/%2f";
        assert_eq!(authority(url), Some(("127.0.0.1", 5672)));
        let url = "postgres://a:p%40ss@[::1]:5433/postgres?sslmode=disable";
        assert_eq!(authority(url), Some(("::1", 5433)));
    }

    #[test]
    fn an_address_without_a_port_or_with_a_socket_is_taken_on_trust() {
        assert_eq!(authority("postgres://db/postgres"), None);
        assert_eq!(authority("postgres://me@%2Fvar%2Frun%2Fpostgresql/postgres"), None);
        assert_eq!(authority("nonsense"), None);
    }

    #[test]
    fn a_sibling_database_keeps_server_and_options() {
        let url = sibling("postgres://a@[::1]:5433/postgres?sslmode=disable", "x");
        assert_eq!(url, "postgres://a@[::1]:5433/x?sslmode=disable");
    }

    #[test]
    fn exports_are_safe_in_a_shell() {
        assert_eq!(quoted("amqp://g:g@127.0.0.1:5/%2f"), "amqp://g:g@127.0.0.1:5/%2f");
        assert_eq!(quoted("postgres://h/p?a=b&c='"), r"'postgres://h/p?a=b&c='\'''");
    }
}
