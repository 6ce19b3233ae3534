//! Half-written files in a folder: what an upload leaves behind when the process dies under it.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use quittance_kernel::Timestamp;

/// How the store marks what is not whole yet.
const MARK: char = '#';

/// Removes half-written files that were last written before this instant. Returns how many.
pub(super) async fn remove_halves(folder: PathBuf, before: Timestamp) -> usize {
    let before = SystemTime::from(before);
    let swept = tokio::task::spawn_blocking(move || {
        let tenants = entries(&folder).into_iter().flat_map(|tenant| entries(&tenant));
        tenants
            .filter(|file| is_old_half(file, before) && std::fs::remove_file(file).is_ok())
            .count()
    });
    swept.await.unwrap_or_default()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn is_old_half(file: &Path, before: SystemTime) -> bool {
    let marked = file.file_name().is_some_and(|name| name.to_string_lossy().contains(MARK));
    let written = || file.metadata().ok()?.modified().ok();
    marked && written().is_some_and(|written| written < before)
}
