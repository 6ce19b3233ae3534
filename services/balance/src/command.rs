//! What the command line does beside serving.

use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;

use anyhow::Context as _;

use crate::domain::{Proof, Prover, Unproven};

/// A line that is longer is none of ours.
const MAX_LINE: u64 = 1024 * 1024;

/// Checks an exported file by its own trailer.
pub fn prove(file: impl BufRead) -> anyhow::Result<Result<Proof, Unproven>> {
    let (mut file, mut prover, mut line) = (file, Prover::new(), Vec::new());
    loop {
        line.clear();
        let mut bounded = std::io::Read::take(&mut file, MAX_LINE);
        if bounded.read_until(b'\n', &mut line)? == 0 {
            return Ok(prover.finish());
        }
        if let Err(flaw) = prover.line(&line) {
            return Ok(Err(flaw));
        }
    }
}

/// `export verify FILE`: tells what the file holds, or fails with what is wrong with it.
pub fn verify_export(path: &Path) -> anyhow::Result<()> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("{name} cannot be opened"))?;
    let proof = prove(BufReader::new(file)).with_context(|| format!("{name} cannot be read"))?;
    let Proof { rows, sums, sha256 } = proof.with_context(|| format!("{name} is not proven"))?;
    let sums: Vec<String> = sums.iter().map(ToString::to_string).collect();
    let sums = if sums.is_empty() { "nothing".to_owned() } else { sums.join(", ") };
    // A reader that has seen enough is no failure.
    let _ = writeln!(std::io::stdout(), "{name}: ok, {rows} rows, {sums}, SHA-256 {sha256}");
    Ok(())
}
