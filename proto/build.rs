//! Compiles the .proto files without `protoc`.

use std::path::PathBuf;

const FILES: &[&str] = &[
    "quittance/common/v1/common.proto",
    "quittance/audit/v1/audit.proto",
    "quittance/issues/v1/members.proto",
    "quittance/issues/v1/products.proto",
    "quittance/issues/v1/cycles.proto",
    "quittance/issues/v1/attachments.proto",
    "quittance/issues/v1/issues.proto",
    "quittance/issues/v1/bounties.proto",
    "quittance/issues/v1/notifications.proto",
    "quittance/issues/v1/identity.proto",
    "quittance/issues/v1/api_keys.proto",
    "quittance/issues/v1/webhooks.proto",
    "quittance/payouts/v1/payouts.proto",
    "quittance/payouts/v1/partners.proto",
    "quittance/payouts/v1/plans.proto",
    "quittance/payouts/v1/lifecycle.proto",
    "quittance/payouts/v1/rails.proto",
    "quittance/payouts/v1/accounts.proto",
    "quittance/payouts/v1/bounty_pay.proto",
    "quittance/payouts/v1/approvals.proto",
    "quittance/payouts/v1/jobs.proto",
    "quittance/payouts/v1/payment_files.proto",
    "quittance/payouts/v1/schedules.proto",
    "quittance/payouts/v1/escrow.proto",
    "quittance/balance/v1/balance.proto",
    "quittance/balance/v1/ledger.proto",
    "quittance/balance/v1/explain.proto",
    "quittance/balance/v1/statistics.proto",
    "quittance/balance/v1/reconciliation.proto",
    "quittance/snapshots/v1/snapshots.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=quittance");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("descriptor.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .include_file("mod.rs")
        .bytes(".quittance.balance.v1.ExportPaymentsResponse.chunk")
        .bytes(".quittance.balance.v1.ImportStatementRequest.content")
        .bytes(".quittance.issues.v1.UploadAttachmentRequest.chunk")
        .bytes(".quittance.issues.v1.StreamAttachmentResponse.chunk")
        .bytes(".quittance.payouts.v1.ExportPartnerPayoutsResponse.chunk")
        .bytes(".quittance.payouts.v1.CreatePaymentFileResponse.content")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
