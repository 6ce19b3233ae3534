//! The manifests of Kubernetes, built and compared with its schemas.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::lint::Verdict;
use crate::process::{self, Outcome};
use crate::tools;

/// The oldest version that has everything the manifests use (a pause before the stop: 1.30).
const KUBERNETES: &str = "1.32";

/// Builds every overlay and validates what comes out. Resources of operators are only built: their
/// schemas are not Kubernetes' own.
pub(crate) fn lint() -> Result<Verdict> {
    let Some(kubectl) = process::find("kubectl") else {
        return Ok(Verdict::NotRun("there is no kubectl to build the overlays".to_owned()));
    };
    let built = tempfile::tempdir().context("cannot make a temporary folder")?;
    let overlays = overlays()?;
    let mut files = Vec::new();
    for overlay in &overlays {
        let file = built.path().join(overlay.file_name().unwrap_or_default());
        let mut kustomize = process::command(&kubectl);
        kustomize.arg("kustomize").arg(overlay);
        let text = fs::File::create(&file).context("cannot write what kubectl builds")?;
        let outcome = process::run(kustomize.stdout(text))?;
        if outcome != Outcome::Succeeded {
            return Ok(Verdict::Ended(outcome));
        }
        files.push(file);
    }
    match tools::kubernetes_validate()? {
        Ok(validate) => {
            let mut command = process::command(validate);
            command.args(["--strict", "--quiet", "--no-warn"]);
            command.args(["--kubernetes-version", KUBERNETES]).args(files);
            process::run(&mut command).map(Verdict::Ended)
        }
        Err(reason) => Ok(Verdict::NotRun(format!("built, but not validated: {reason}"))),
    }
}

fn overlays() -> Result<Vec<PathBuf>> {
    let folder: &Path = &process::root().join("k8s/overlays");
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    let mut found = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    found.sort();
    if found.is_empty() {
        bail!("{} holds no overlay", folder.display());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_overlays_are_found() {
        let names: Vec<_> =
            overlays().unwrap().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["dev", "production"]);
    }
}
