//! The account that servers run as: ours, or an unprivileged one when we are root.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// An entry of the password file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

/// Tells whether we are root.
pub(crate) fn is_root() -> bool {
    process::output(Command::new("id").arg("-u")).as_deref() == Some("0")
}

/// Returns our own name.
pub(crate) fn own_name() -> Option<String> {
    process::output(Command::new("id").arg("-un"))
}

impl Account {
    /// Returns the first of these accounts that exists, if we are root and so must become another.
    pub(crate) fn for_servers(names: &[&str]) -> Result<Option<Self>> {
        if !is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let account = names.iter().find_map(|name| Self::parse(&passwd, name));
        if account.is_none() {
            bail!("servers must not run as root and there is no account {}", names.join(" or "));
        }
        Ok(account)
    }

    fn parse(passwd: &str, name: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            match fields.as_slice() {
                [found, _, uid, gid, ..] if *found == name => {
                    let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
                    Some(Self { name: name.to_owned(), uid, gid })
                }
                _ => None,
            }
        })
    }

    /// Gives a folder to the account.
    pub(crate) fn own(&self, folder: &Path) -> Result<()> {
        chown(folder, Some(self.uid), Some(self.gid))
            .with_context(|| format!("cannot give {} to {}", folder.display(), self.name))
    }

    /// Prepares a shell script that runs as the account.
    fn shell(&self, script: &str) -> Result<Command> {
        if process::find("setpriv").is_some() {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={}", self.uid)).arg(format!("--regid={}", self.gid));
            command.args(["--clear-groups", "/bin/sh", "-c", script]);
            return Ok(command);
        }
        if process::find("runuser").is_some() {
            let mut command = Command::new("runuser");
            command.args(["-u", &self.name, "--", "/bin/sh", "-c", script]);
            return Ok(command);
        }
        bail!("servers must not run as root: install util-linux, which has setpriv and runuser")
    }
}

/// Prepares a shell script, run as the account if there is one; `$0` is `name`.
pub(crate) fn shell(account: Option<&Account>, script: &str, name: &str) -> Result<Command> {
    let mut command = if let Some(account) = account {
        account.shell(script)?
    } else {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    };
    command.arg(name);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        postgresql:x:7:8::/:/bin/sh\n\
        postgres:x:106:110:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n";

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let account = Account::parse(PASSWD, "postgres").unwrap();
        assert_eq!(account, Account { name: "postgres".to_owned(), uid: 106, gid: 110 });
    }

    #[test]
    fn a_missing_account_and_a_broken_line_are_nobody() {
        assert_eq!(Account::parse(PASSWD, "nobody"), None);
        assert_eq!(Account::parse("nobody:x\nnobody:x:a:b", "nobody"), None);
    }
}
