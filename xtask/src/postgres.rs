//! PostgreSQL: one that runs and lets us create databases, or a private one.

use std::env;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::supervise::{Home, Life, Server, Signal, free_ports};
use crate::{account, process};

const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];
const SOCKETS: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];
/// Where packages put one folder per version, the part before and after the version.
const VERSIONED: [(&str, &str); 6] = [
    ("/usr/lib/postgresql/", "/bin"),
    ("/usr/pgsql-", "/bin"),
    ("/opt/homebrew/opt/postgresql@", "/bin"),
    ("/usr/local/opt/postgresql@", "/bin"),
    ("/home/linuxbrew/.linuxbrew/opt/postgresql@", "/bin"),
    ("/Applications/Postgres.app/Contents/Versions/", "/bin"),
];

/// What is installed: the folder of `initdb`, `postgres` and `psql`.
pub(crate) struct Installed {
    bin: PathBuf,
}

/// Finds the newest installed server.
pub(crate) fn find() -> Option<Installed> {
    let versioned = VERSIONED.iter().flat_map(|(before, after)| {
        let (parent, start) = before.rsplit_once('/').unwrap_or((".", before));
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        entries.filter_map(move |entry| {
            let name = entry.file_name();
            let version = version(name.to_str()?.strip_prefix(start)?)?;
            let bin = entry.path().join(after.trim_start_matches('/'));
            complete(&bin).then_some((version, bin))
        })
    });
    let newest = versioned.max_by(|(left, _), (right, _)| left.cmp(right)).map(|(_, bin)| bin);
    let on_path = || {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).find(|folder| complete(folder))
    };
    newest.or_else(on_path).map(|bin| Installed { bin })
}

/// Returns the address of a server at the usual place, if we may create databases there.
pub(crate) fn running() -> Option<String> {
    let psql = find().map(|found| found.bin.join("psql")).or_else(|| process::find("psql"))?;
    let sockets = SOCKETS.into_iter().filter(|folder| has_socket(Path::new(folder)));
    let mut hosts: Vec<String> = sockets.map(|folder| folder.replace('/', "%2F")).collect();
    let address = ([127, 0, 0, 1], 5432).into();
    if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
        hosts.insert(0, "127.0.0.1".to_owned());
    }
    if hosts.is_empty() {
        return None;
    }
    let users = [Some("quittance".to_owned()), account::own_name(), Some("postgres".to_owned())];
    let urls = hosts.iter().flat_map(|host| {
        let users = users.iter().flatten();
        users.map(move |user| format!("postgres://{user}@{host}/postgres"))
    });
    let usable = urls.into_iter().find(|url| may_create_databases(&psql, url));
    if usable.is_none() {
        eprintln!("PostgreSQL runs on this machine, but we may not create databases there.");
    }
    usable
}

impl Installed {
    /// Starts a private server and returns it with its address.
    pub(crate) fn start(&self, life: Life) -> Result<(Server, String)> {
        let home = Home::new("quittance-postgres-", &ACCOUNTS)?;
        let data = home.path().join("data");
        let mut initdb = clean(&self.bin.join("initdb"));
        initdb.args(["--username=quittance", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
        // The flush of the empty cluster is skipped, not the durability of what is written later.
        initdb.args(["--no-sync", "--pgdata"]).arg(&data);
        home.prepare(&mut initdb)?;

        let [port] = free_ports()?;
        let mut postgres = clean(&self.bin.join("postgres"));
        postgres.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        let sockets = format!("unix_socket_directories={}", home.path().display());
        let settings = ["listen_addresses=127.0.0.1", "max_connections=300", "max_wal_size=4GB"];
        for setting in settings.into_iter().chain([sockets.as_str()]) {
            postgres.args(["-c", setting]);
        }
        // An immediate shutdown: the data is thrown away, so nothing needs to be written first.
        let mut server = home.start("PostgreSQL", (Signal::Quit, life), &postgres)?;
        let url = url(port);
        let psql = self.bin.join("psql");
        server.wait_until(Duration::from_mins(1), || may_create_databases(&psql, &url))?;
        Ok((server, url))
    }
}

fn url(port: u16) -> String {
    format!("postgres://quittance@127.0.0.1:{port}/postgres")
}

fn may_create_databases(psql: &Path, url: &str) -> bool {
    let question = "select rolcreatedb or rolsuper from pg_roles \
        where rolname = current_user and not pg_is_in_recovery()";
    let mut command = clean(psql);
    command.env("PGCONNECT_TIMEOUT", "3");
    command.args(["--no-psqlrc", "--no-password", "--no-align", "--tuples-only"]);
    command.args(["--command", question, url]);
    process::output(&mut command).as_deref() == Some("t")
}

/// Prepares a program without the settings that the user may have for other databases.
fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    command
}

fn complete(bin: &Path) -> bool {
    ["initdb", "postgres", "psql"].iter().all(|name| bin.join(name).is_file())
}

fn has_socket(folder: &Path) -> bool {
    folder.join(".s.PGSQL.5432").exists()
}

/// Reads `15`, `9.6` or `17-beta1` as numbers that can be compared.
fn version(text: &str) -> Option<Vec<u32>> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let numbers = text.get(..end)?.split('.').map(str::parse);
    numbers.collect::<Result<Vec<u32>, _>>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("9.6") < version("15"));
        assert!(version("15") < version("16.1"));
        assert_eq!(version("17-beta1"), Some(vec![17]));
    }

    #[test]
    fn what_is_no_version_is_left_out() {
        assert_eq!(version("latest"), None);
        assert_eq!(version(""), None);
        assert_eq!(version("15."), None);
    }

    #[test]
    fn the_address_is_one_that_tests_understand() {
        assert_eq!(url(5433), "postgres://quittance@127.0.0.1:5433/postgres");
    }
}
