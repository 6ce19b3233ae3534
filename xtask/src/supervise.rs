//! Servers that end when we do, in whatever way we end.

use std::env;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::account::{self, Account};
use crate::{interrupt, process};

const SCRIPT: &str = include_str!("supervise.sh");
const LOG: &str = "server.log";

/// A folder of its own for a server, given to the account that it will run as.
pub(crate) struct Home {
    folder: TempDir,
    account: Option<Account>,
}

impl Home {
    /// Makes the folder; `accounts` are tried in this order when we are root.
    pub(crate) fn new(prefix: &str, accounts: &[&str]) -> Result<Self> {
        let account = Account::for_servers(accounts)?;
        // Root's temporary folder may be closed to others.
        let place = if account.is_some() { PathBuf::from("/tmp") } else { env::temp_dir() };
        let folder = tempfile::Builder::new()
            .prefix(prefix)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&place)
            .with_context(|| format!("cannot make a folder in {}", place.display()))?;
        if let Some(account) = &account {
            account.own(folder.path())?;
        }
        Ok(Self { folder, account })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a program to its end as the account, in the folder; its output goes to the log.
    pub(crate) fn prepare(&self, program: &mut Command) -> Result<()> {
        let log = self.log()?;
        let mut command = account::shell(self.account.as_ref(), "exec \"$@\"", "prepare")?;
        copy(program, &mut command);
        command.current_dir(self.path()).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        match process::run(&mut command)? {
            process::Outcome::Succeeded => Ok(()),
            process::Outcome::Interrupted => bail!("interrupted"),
            process::Outcome::Failed(code) => bail!(
                "{} failed with {code}\n{}",
                program.get_program().display(),
                last_lines(&self.log()?)
            ),
        }
    }

    /// Starts a server as the account, in the folder, until the result is dropped.
    pub(crate) fn start(
        self,
        name: &'static str,
        (signal, life): (Signal, Life),
        program: &Command,
    ) -> Result<Server> {
        let log = self.log()?;
        let mut command = account::shell(self.account.as_ref(), SCRIPT, name)?;
        command.arg(signal.name()).arg(self.path()).arg(life.name());
        copy(program, &mut command);
        command.process_group(0).stdin(Stdio::piped());
        command.stdout(log.try_clone()?).stderr(log.try_clone()?);
        let child = process::spawn(&mut command)?;
        Ok(Server { name, child, log, home: self })
    }

    /// Opens the log in our own name. It stays readable after a server took its folder along.
    fn log(&self) -> Result<File> {
        let path = self.path().join(LOG);
        let log = File::options().create(true).append(true).read(true).open(&path);
        log.with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The signal that makes a server give up its data and end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    Quit,
    Kill,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
        }
    }
}

/// What happens when a server dies before its time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Life {
    /// It is over, and its data with it.
    Once,
    /// It is started again over the same data, as an orchestrator does.
    Again,
}

impl Life {
    fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Again => "again",
        }
    }
}

/// A running server and its folder. Both are gone when it is dropped.
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    log: File,
    home: Home,
}

impl Server {
    /// The path of a file in the server's folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Waits until the server answers.
    pub(crate) fn wait_until(
        &mut self,
        time: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let in_time = interrupt::poll(time, || {
            if self.child.try_wait()?.is_some() {
                bail!("{} has ended at once\n{}", self.name, last_lines(&self.log));
            }
            Ok(ready())
        })?;
        if !in_time {
            let seconds = time.as_secs();
            bail!("{} is silent after {seconds} s\n{}", self.name, last_lines(&self.log));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The supervising script reads the end of this pipe as the wish to stop.
        drop(self.child.stdin.take());
        if !process::ends_within(&mut self.child, Duration::from_secs(15)) {
            eprintln!("xtask: {} does not stop; killing it", self.name);
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Returns ports of the local host that nobody uses, each another.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Hands program, arguments and environment on to a script that runs its arguments.
fn copy(program: &Command, script: &mut Command) {
    script.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
}

fn last_lines(mut log: &File) -> String {
    let mut bytes = Vec::new();
    // A log that cannot be read has nothing to add to the error that it is wanted for.
    drop(log.rewind().and_then(|()| log.read_to_end(&mut bytes)));
    tail(&String::from_utf8_lossy(&bytes), 20)
}

fn tail(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    let first = lines.len().saturating_sub(count);
    lines.get(first..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Home {
        Home::new("quittance-test-", &["nobody"]).unwrap()
    }

    #[test]
    fn ports_differ() {
        let [a, b, c] = free_ports().unwrap();
        assert!(a != b && b != c && a != c);
    }

    #[test]
    fn only_the_end_of_a_log_is_shown() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("", 2), "");
    }

    #[test]
    fn a_dropped_server_is_gone_with_its_children_and_its_folder() {
        let home = home();
        let folder = home.path().to_owned();
        let mut program = Command::new("/bin/sh");
        program.args(["-c", "sleep 600 & echo $! > child; echo up > up; wait"]);
        let mut server = home.start("sleeper", (Signal::Kill, Life::Once), &program).unwrap();
        let up = folder.join("up");
        server.wait_until(Duration::from_secs(10), || up.exists()).unwrap();
        let child = fs::read_to_string(folder.join("child")).unwrap();
        let mut alive = Command::new("/bin/sh");
        alive.args(["-c", "kill -0 \"$1\" 2>/dev/null", "alive", child.trim()]);
        assert!(alive.status().unwrap().success());

        drop(server);

        assert!(!folder.exists());
        // Whoever inherits an orphan needs a moment to bury it.
        assert!(
            interrupt::poll(Duration::from_secs(10), || Ok(!alive.status()?.success())).unwrap()
        );
    }

    #[test]
    fn a_server_that_is_killed_comes_again_until_it_is_to_end() {
        let home = home();
        let (folder, lives) = (home.path().to_owned(), home.path().join("lives"));
        let mut program = Command::new("/bin/sh");
        program.args(["-c", "echo $$ >> lives; exec sleep 600"]);
        let mut server = home.start("phoenix", (Signal::Kill, Life::Again), &program).unwrap();
        let pids = || fs::read_to_string(&lives).unwrap_or_default();
        for life in 1..=3 {
            server.wait_until(Duration::from_secs(10), || pids().lines().count() == life).unwrap();
            let pid = pids().lines().last().unwrap_or_default().to_owned();
            if life < 3 {
                let mut kill = Command::new("/bin/sh");
                kill.args(["-c", "kill -9 \"$1\"", "kill", &pid]);
                assert!(kill.status().unwrap().success());
            }
        }

        drop(server);

        assert!(!folder.exists());
    }

    #[test]
    fn a_server_that_ends_shows_its_last_words() {
        let mut program = Command::new("/bin/sh");
        program.args(["-c", "echo no space left; exit 3"]);
        let mut server = home().start("sayer", (Signal::Quit, Life::Once), &program).unwrap();

        let error = server.wait_until(Duration::from_secs(10), || false).unwrap_err().to_string();

        assert!(error.contains("sayer has ended at once\nno space left"), "{error}");
    }
}
