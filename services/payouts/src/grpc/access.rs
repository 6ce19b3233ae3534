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

/// Who reads the audit log.
const AUDITORS: &[Role] = &[Role::Admin, Role::Auditor, Role::PlatformAdmin];

/// Who runs jobs, for all organizations.
const JOBS: &[Role] = &[Role::PlatformAdmin, Role::Service];
/// Who keeps schedules and holds.
const PLATFORM: &[Role] = &[Role::PlatformAdmin];

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
    ("/quittance.payouts.v1.ApprovalService/ApprovePlan", &[Role::Admin, Role::Finance]),
    ("/quittance.payouts.v1.ApprovalService/ListPayoutPolicies", TREASURY),
    ("/quittance.payouts.v1.ApprovalService/SetPayoutPolicy", &[Role::Admin]),
    ("/quittance.payouts.v1.ApprovalService/ConfirmPayoutPolicy", &[Role::Admin]),
    ("/quittance.audit.v1.AuditService/ListAuditEntries", AUDITORS),
    ("/quittance.audit.v1.AuditService/GetAuditVerification", AUDITORS),
    ("/quittance.audit.v1.AuditService/NoteDenial", OWN),
    ("/quittance.payouts.v1.PartnerPayoutService/CreatePartnerPayout", &[Role::Admin]),
    ("/quittance.payouts.v1.PartnerPayoutService/ApprovePartnerPayout", &[Role::Admin]),
    ("/quittance.payouts.v1.PartnerPayoutService/RejectPartnerPayout", &[Role::Admin]),
    ("/quittance.payouts.v1.PartnerPayoutService/MarkPartnerPayoutPaid", &[Role::Admin]),
    ("/quittance.payouts.v1.PartnerPayoutService/BulkApprovePartnerPayouts", &[Role::Admin]),
    ("/quittance.payouts.v1.PartnerPayoutService/ListPartnerPayouts", TREASURY),
    ("/quittance.payouts.v1.PartnerPayoutService/GetPayoutStats", TREASURY),
    ("/quittance.payouts.v1.PartnerPayoutService/ListPartners", TREASURY),
    ("/quittance.payouts.v1.PartnerPayoutService/GetPartnerSummary", OWN),
    ("/quittance.payouts.v1.PartnerPayoutService/ExportPartnerPayouts", TREASURY),
    ("/quittance.payouts.v1.CommissionService/CreateAttribution", &[Role::Admin]),
    ("/quittance.payouts.v1.CommissionService/RefundAttribution", &[Role::Admin]),
    ("/quittance.payouts.v1.CommissionService/CreateCommissionRule", &[Role::Admin]),
    ("/quittance.payouts.v1.CommissionService/ListCommissionRules", TREASURY),
    ("/quittance.payouts.v1.CommissionService/ListPendingCommissions", TREASURY),
    ("/quittance.payouts.v1.CommissionService/CreateCommissionPayouts", &[Role::Admin]),
    ("/quittance.payouts.v1.JobService/ProcessDueSchedules", JOBS),
    ("/quittance.payouts.v1.JobService/ProcessDueReleases", JOBS),
    ("/quittance.payouts.v1.JobService/ListJobRuns", JOBS),
    ("/quittance.payouts.v1.JobService/GetJobRun", JOBS),
    ("/quittance.payouts.v1.LifecycleService/VoidPayout", &[Role::Admin]),
    ("/quittance.payouts.v1.LifecycleService/ReturnPayout", &[Role::Admin]),
    ("/quittance.payouts.v1.LifecycleService/CancelPayout", &[Role::Admin]),
    ("/quittance.payouts.v1.LifecycleService/VoidEarnings", &[Role::Admin]),
    ("/quittance.payouts.v1.RailService/GetBatch", TREASURY),
    ("/quittance.payouts.v1.RailService/RetryPayout", &[Role::Admin]),
    ("/quittance.payouts.v1.BountyPayService/GetQuote", OWN),
    ("/quittance.payouts.v1.BountyPayService/PayBounty", &[Role::Lead, Role::Admin]),
    ("/quittance.payouts.v1.BountyPayService/GetBountyPayment", OWN),
    ("/quittance.payouts.v1.BountyPayService/RefundPayout", &[Role::Admin]),
    ("/quittance.payouts.v1.BountyPayService/GetBountyEarnings", OWN),
    ("/quittance.payouts.v1.PreFundService/ListPreFunds", TREASURY),
    ("/quittance.payouts.v1.PreFundService/TopUpPreFund", &[Role::Admin]),
    ("/quittance.payouts.v1.PreFundService/SetLowBalance", &[Role::Admin]),
    ("/quittance.payouts.v1.PayerService/SetPayer", &[Role::Admin]),
    ("/quittance.payouts.v1.PayerService/GetPayer", TREASURY),
    ("/quittance.payouts.v1.ProfitShareService/DistributeProfit", &[Role::Admin]),
    ("/quittance.payouts.v1.PayoutAccountService/ListPayoutAccounts", OWN),
    (
        "/quittance.payouts.v1.PayoutAccountService/SetPayoutAccount",
        &[Role::Member, Role::Lead, Role::Admin],
    ),
    ("/quittance.payouts.v1.PayoutAccountService/ListMinimumAmounts", TREASURY),
    ("/quittance.payouts.v1.PayoutAccountService/SetMinimumAmount", &[Role::Admin]),
    ("/quittance.payouts.v1.ScheduleService/CreateSchedule", PLATFORM),
    ("/quittance.payouts.v1.ScheduleService/GetSchedule", PLATFORM),
    ("/quittance.payouts.v1.ScheduleService/ListSchedules", PLATFORM),
    ("/quittance.payouts.v1.ScheduleService/UpdateSchedule", PLATFORM),
    ("/quittance.payouts.v1.ScheduleService/CancelSchedule", PLATFORM),
    ("/quittance.payouts.v1.ScheduleService/TriggerSchedule", PLATFORM),
    ("/quittance.payouts.v1.EscrowService/CreateHold", PLATFORM),
    ("/quittance.payouts.v1.EscrowService/GetHold", PLATFORM),
    ("/quittance.payouts.v1.EscrowService/ListHolds", PLATFORM),
    ("/quittance.payouts.v1.EscrowService/UpdateHold", PLATFORM),
    ("/quittance.payouts.v1.EscrowService/ReleaseHold", PLATFORM),
    ("/quittance.payouts.v1.EscrowService/CancelHold", PLATFORM),
    ("/quittance.payouts.v1.EscrowService/GetHeldTotal", PLATFORM),
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
        let ours = ["quittance.payouts.v1", "quittance.audit.v1"];
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
