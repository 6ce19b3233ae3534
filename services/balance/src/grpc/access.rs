//! Who may call what.

use quittance_chassis::grpc::Access;
use quittance_kernel::Role;

/// Everyone may read what is their own.
const OWN: &[Role] = &[
    Role::Member,
    Role::Lead,
    Role::Admin,
    Role::Finance,
    Role::Auditor,
    Role::PlatformAdmin,
    Role::Service,
];

/// Who sees all money of the organization.
const TREASURY: &[Role] = &[Role::Admin, Role::Finance, Role::Auditor];

/// Who compares it with what others say. An auditor writes nothing, not even a report.
const ACCOUNTANTS: &[Role] = &[Role::Admin, Role::Finance, Role::Service];

/// Who reads the audit log.
const AUDITORS: &[Role] = &[Role::Admin, Role::Auditor, Role::PlatformAdmin];

/// The methods of this service and the roles that may call each.
pub const ACCESS: Access = &[
    ("/quittance.balance.v1.BalanceService/GetBalance", OWN),
    ("/quittance.balance.v1.BalanceService/ListHistory", OWN),
    ("/quittance.balance.v1.BalanceService/ExportPayments", OWN),
    ("/quittance.balance.v1.BalanceService/GetOrganizationTotals", TREASURY),
    ("/quittance.balance.v1.ExplanationService/ExplainBalance", OWN),
    ("/quittance.balance.v1.ExplanationService/GetStatement", OWN),
    ("/quittance.balance.v1.LedgerService/ListLedgerAccounts", TREASURY),
    ("/quittance.balance.v1.LedgerService/ListLedgerEntries", TREASURY),
    ("/quittance.balance.v1.LedgerService/GetLedgerVerification", TREASURY),
    ("/quittance.balance.v1.ReconciliationService/GetReconciliation", TREASURY),
    ("/quittance.balance.v1.ReconciliationService/Reconcile", ACCOUNTANTS),
    ("/quittance.balance.v1.ReconciliationService/ImportStatement", ACCOUNTANTS),
    ("/quittance.balance.v1.ReconciliationService/ListStatements", TREASURY),
    ("/quittance.balance.v1.ReconciliationService/GetImportedStatement", TREASURY),
    ("/quittance.balance.v1.StatisticsService/GetEarningsOverTime", TREASURY),
    ("/quittance.balance.v1.StatisticsService/ListTopEarners", TREASURY),
    ("/quittance.audit.v1.AuditService/ListAuditEntries", AUDITORS),
    ("/quittance.audit.v1.AuditService/GetAuditVerification", AUDITORS),
    ("/quittance.audit.v1.AuditService/NoteDenial", OWN),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_method_says_who_may_call_it() {
        let files = FileDescriptorSet::decode(quittance_proto::DESCRIPTORS).unwrap().file;
        let mut methods = BTreeSet::new();
        let ours = ["quittance.balance.v1", "quittance.audit.v1"];
        for file in files.iter().filter(|file| ours.contains(&file.package())) {
            for service in &file.service {
                for method in &service.method {
                    let (package, service) = (file.package(), service.name());
                    methods.insert(format!("/{package}.{service}/{}", method.name()));
                }
            }
        }
        let table: BTreeSet<String> = ACCESS.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(table, methods);
        assert_eq!(ACCESS.len(), methods.len());
        assert!(ACCESS.iter().all(|(_, roles)| !roles.is_empty()));
    }
}
