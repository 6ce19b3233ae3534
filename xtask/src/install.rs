//! Installing servers with the package manager of the system, after saying so.

use std::fmt::{self, Display, Formatter};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::{account, interrupt, process};

/// Debian would start each server at once, on the usual port, and let it run forever. A policy that
/// denies it stands for the time of the installation, unless the machine has one already.
const APT: &str = r#"set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 update
apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
"#;

/// Something that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Package {
    Postgres,
    RabbitMq,
    /// A browser for the tests of the dashboard.
    Chromium,
    /// What drives it.
    ChromeDriver,
}

/// The user has to do something before we can go on.
#[derive(Debug)]
pub(crate) struct NeedsHands(String);

impl Display for NeedsHands {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NeedsHands {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    Apt,
    Brew,
    Dnf,
    Apk,
    Pacman,
}

const MANAGERS: [(&str, Manager); 5] = [
    ("apt-get", Manager::Apt),
    ("brew", Manager::Brew),
    ("dnf", Manager::Dnf),
    ("apk", Manager::Apk),
    ("pacman", Manager::Pacman),
];

/// Installs what is missing, or says which command does.
pub(crate) fn install(missing: &[Package]) -> Result<()> {
    let manager = MANAGERS.into_iter().find(|(name, _)| process::find(name).is_some());
    let Some((_, manager)) = manager else {
        let names = missing.iter().map(|package| package.plain()).collect::<Vec<_>>();
        return Err(NeedsHands(format!(
            "{} missing and no known package manager found; install it, or set \
             TEST_DATABASE_URL and TEST_AMQP_URL to servers elsewhere",
            names.join(" and ")
        ))
        .into());
    };
    let root = account::is_root();
    let by_hand = manager.by_hand(missing, root);
    let Some(mut command) = manager.command(missing, root) else {
        return Err(NeedsHands(format!(
            "servers are missing; run this, then try again:\n  {by_hand}"
        ))
        .into());
    };
    eprintln!("Installing what is missing: {by_hand}");
    eprintln!("(Nothing is started now; the package may start its server when the machine boots.)");
    // In a session of its own terminal group Ctrl-C does not reach it: half an installation is
    // worse than a late end.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    // Standard output is for addresses and test results.
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let status = process::spawn(&mut command)?.wait()?;
    interrupt::check()?;
    if !status.success() {
        bail!("the installation failed ({status}); fix what it says, or run it by hand: {by_hand}");
    }
    Ok(())
}

impl Package {
    fn plain(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::RabbitMq => "RabbitMQ",
            Self::Chromium => "Chromium",
            Self::ChromeDriver => "ChromeDriver",
        }
    }

    fn name(self, manager: Manager) -> &'static str {
        match (self, manager) {
            (Self::Postgres, Manager::Apt | Manager::Apk | Manager::Pacman) => "postgresql",
            (Self::Postgres, Manager::Brew) => "postgresql@17",
            (Self::Postgres, Manager::Dnf) => "postgresql-server",
            (Self::RabbitMq, Manager::Brew | Manager::Pacman) => "rabbitmq",
            (Self::RabbitMq, Manager::Apt | Manager::Dnf | Manager::Apk) => "rabbitmq-server",
            (Self::Chromium, Manager::Brew) => "google-chrome",
            (Self::Chromium, Manager::Apt | Manager::Dnf | Manager::Apk | Manager::Pacman)
            // Arch has both in one package.
            | (Self::ChromeDriver, Manager::Pacman) => "chromium",
            (Self::ChromeDriver, Manager::Apt) => "chromium-driver",
            (Self::ChromeDriver, Manager::Brew | Manager::Dnf) => "chromedriver",
            (Self::ChromeDriver, Manager::Apk) => "chromium-chromedriver",
        }
    }
}

impl Manager {
    /// Prepares the installation, if we may do it without asking.
    fn command(self, missing: &[Package], root: bool) -> Option<Command> {
        let names = missing.iter().map(|package| package.name(self));
        match self {
            Self::Apt if root => {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", APT, "install"]).args(names);
                Some(command)
            }
            Self::Apt if may_become_root() => {
                let mut command = Command::new("sudo");
                command.args(["-n", "/bin/sh", "-c", APT, "install"]).args(names);
                Some(command)
            }
            Self::Brew if !root => {
                let mut command = Command::new("brew");
                command.arg("install").args(names);
                Some(command)
            }
            Self::Apt | Self::Brew | Self::Dnf | Self::Apk | Self::Pacman => None,
        }
    }

    /// Writes the installation as one command for a person.
    fn by_hand(self, missing: &[Package], root: bool) -> String {
        let names = missing.iter().map(|package| package.name(self)).collect::<Vec<_>>().join(" ");
        let sudo = if root { "" } else { "sudo " };
        match self {
            Self::Apt => format!(
                "{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends {names}"
            ),
            Self::Brew => format!("brew install {names}"),
            Self::Dnf => format!("{sudo}dnf install -y {names}"),
            Self::Apk => format!("{sudo}apk add {names}"),
            Self::Pacman => format!("{sudo}pacman -S --noconfirm {names}"),
        }
    }
}

fn may_become_root() -> bool {
    process::output(Command::new("sudo").args(["-n", "true"])).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Package; 2] = [Package::Postgres, Package::RabbitMq];

    #[test]
    fn a_person_is_told_one_command() {
        assert_eq!(
            Manager::Apt.by_hand(&BOTH, false),
            "sudo apt-get update && \
             sudo apt-get install -y --no-install-recommends postgresql rabbitmq-server"
        );
        assert_eq!(Manager::Brew.by_hand(&BOTH[1..], false), "brew install rabbitmq");
    }

    #[test]
    fn root_installs_by_itself_on_debian_and_never_with_brew() {
        let apt = Manager::Apt.command(&BOTH, true).unwrap();
        assert_eq!(apt.get_args().last().unwrap(), "rabbitmq-server");
        assert!(Manager::Brew.command(&BOTH, true).is_none());
    }

    #[test]
    fn a_browser_comes_with_its_driver() {
        let browser = [Package::Chromium, Package::ChromeDriver];
        let by_hand = Manager::Apt.by_hand(&browser, true);
        assert!(by_hand.ends_with("chromium chromium-driver"), "{by_hand}");
    }

    #[test]
    fn managers_that_were_not_tried_are_left_to_the_user() {
        assert!(Manager::Dnf.command(&BOTH, true).is_none());
    }
}
