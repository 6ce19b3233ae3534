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

/// The methods of this service and the roles that may call each.
pub const ACCESS: Access = &[
    ("/quittance.payouts.v1.PayoutService/BatchPay", &[Role::Admin]),
    ("/quittance.payouts.v1.PayoutService/PayIssue", &[Role::Lead, Role::Admin]),
    ("/quittance.payouts.v1.PayoutService/GetPayout", OWN),
    ("/quittance.payouts.v1.PayoutService/ListPayouts", OWN),
    ("/quittance.payouts.v1.PayoutService/ListPayQueue", TREASURY),
    ("/quittance.payouts.v1.PayoutService/StreamEarnings", &[Role::Admin, Role::Service]),
    ("/quittance.payouts.v1.PlanService/RunBatch", &[Role::Admin]),
    ("/quittance.payouts.v1.PlanService/CommitPlan", &[Role::Admin]),
    ("/quittance.payouts.v1.PlanService/CancelPlan", &[Role::Admin]),
    ("/quittance.payouts.v1.PlanService/GetPlan", TREASURY),
    ("/quittance.payouts.v1.PlanService/ListPlans", TREASURY),
    ("/quittance.payouts.v1.LifecycleService/VoidPayout", &[Role::Admin]),
    ("/quittance.payouts.v1.LifecycleService/ReturnPayout", &[Role::Admin]),
    ("/quittance.payouts.v1.LifecycleService/CancelPayout", &[Role::Admin]),
    ("/quittance.payouts.v1.LifecycleService/VoidEarnings", &[Role::Admin]),
    ("/quittance.payouts.v1.AuditService/ListAuditEntries", &[Role::Admin, Role::Auditor]),
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
        for file in files.iter().filter(|file| file.package() == "quittance.payouts.v1") {
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
