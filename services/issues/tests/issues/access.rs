//! The role table.

use quittance_issues::ACCESS;
use quittance_kernel::Role;

#[test]
fn auditors_and_finance_write_nothing() {
    let reads = ["Get", "List", "Stream", "Preview", "BatchGet", "Count"];
    // Viewing is written down and can be ended whoever is viewed; refusals are noted for everybody.
    let notes = ["EndImpersonation", "NoteImpersonation", "NoteDenial"];
    for (path, roles) in ACCESS {
        let method = path.rsplit('/').next().unwrap_or_default();
        // A key opens nothing that its member may not do.
        if path.contains(".ApiKeyService/") {
            continue;
        }
        if !notes.contains(&method) && !reads.iter().any(|read| method.starts_with(read)) {
            assert!(!roles.contains(&Role::Auditor) && !roles.contains(&Role::Finance), "{path}");
        }
    }
}
