//! Who may call what. A method that is not listed does not exist.

use quittance_chassis::grpc::Access;
use quittance_kernel::Role;

use Role::{Admin, Auditor, Finance, Lead, Member, PlatformAdmin, Service};

const ANYONE: &[Role] = &[Member, Lead, Admin, Finance, Auditor, PlatformAdmin, Service];
/// Whoever signs in.
const PEOPLE: &[Role] = &[Member, Lead, Admin, Finance, Auditor, PlatformAdmin];
/// Those who see more than their own.
const OVERSIGHT: &[Role] = &[Lead, Admin, Finance, Auditor, PlatformAdmin, Service];
const REPORTERS: &[Role] = &[Member, Lead, Admin];
const JUDGES: &[Role] = &[Lead, Admin];
const PAYERS: &[Role] = &[Lead, Admin, Finance, Service];
/// Our own services, in whose name the development sign-in asks before anyone has a token.
const OURSELVES: &[Role] = &[Service];

const AUDITORS: &[Role] = &[Admin, Auditor, PlatformAdmin];

/// The table of this service.
pub const ACCESS: Access = &[
    ("/quittance.issues.v1.MemberService/EnsureMember", OURSELVES),
    ("/quittance.issues.v1.MemberService/GetMember", ANYONE),
    ("/quittance.issues.v1.MemberService/ListMembers", OVERSIGHT),
    ("/quittance.issues.v1.MemberService/UpdateMember", &[Admin]),
    ("/quittance.issues.v1.MemberService/ListMemberCycles", OVERSIGHT),
    ("/quittance.issues.v1.MemberService/AssignMember", &[Admin]),
    ("/quittance.issues.v1.MemberService/UnassignMember", &[Admin]),
    ("/quittance.issues.v1.ProductService/CreateProduct", &[Admin]),
    ("/quittance.issues.v1.ProductService/GetProduct", ANYONE),
    ("/quittance.issues.v1.ProductService/ListProducts", ANYONE),
    ("/quittance.issues.v1.ProductService/UpdateProduct", &[Admin]),
    ("/quittance.issues.v1.CycleService/CreateCycle", &[Admin]),
    ("/quittance.issues.v1.CycleService/GetCycle", ANYONE),
    ("/quittance.issues.v1.CycleService/ListCycles", ANYONE),
    ("/quittance.issues.v1.CycleService/UpdateCycle", &[Admin]),
    ("/quittance.issues.v1.CycleService/GetCycleTotals", OVERSIGHT),
    ("/quittance.issues.v1.CycleService/ListRateChanges", OVERSIGHT),
    ("/quittance.issues.v1.CycleService/PreviewGate", OVERSIGHT),
    ("/quittance.issues.v1.IssueService/CreateIssue", REPORTERS),
    ("/quittance.issues.v1.IssueService/GetIssue", ANYONE),
    ("/quittance.issues.v1.IssueService/ListIssues", ANYONE),
    ("/quittance.issues.v1.IssueService/SetIssueStatus", REPORTERS),
    ("/quittance.issues.v1.IssueService/ApproveIssue", JUDGES),
    ("/quittance.issues.v1.IssueService/RejectIssue", JUDGES),
    ("/quittance.issues.v1.IssueService/ListTriage", JUDGES),
    ("/quittance.issues.v1.IssueService/DecideTriage", JUDGES),
    ("/quittance.issues.v1.IssueService/BulkVerify", JUDGES),
    ("/quittance.issues.v1.IssueService/ListSimilarIssues", ANYONE),
    ("/quittance.issues.v1.IssueService/ListPendingReview", &[Lead, Admin, Finance, Auditor]),
    ("/quittance.issues.v1.IssueService/BatchGetPayFacts", PAYERS),
    ("/quittance.issues.v1.BountyService/CreateBounty", &[Admin]),
    ("/quittance.issues.v1.BountyService/GetBounty", ANYONE),
    ("/quittance.issues.v1.BountyService/ListBounties", ANYONE),
    ("/quittance.issues.v1.BountyService/UpdateBounty", &[Admin]),
    ("/quittance.issues.v1.BountyService/CreateClaim", REPORTERS),
    ("/quittance.issues.v1.BountyService/DeleteClaim", REPORTERS),
    ("/quittance.issues.v1.BountyService/CreateSubmission", REPORTERS),
    ("/quittance.issues.v1.BountyService/ApproveSubmission", JUDGES),
    ("/quittance.issues.v1.BountyService/RejectSubmission", JUDGES),
    ("/quittance.issues.v1.BountyService/GetSubmissionTerms", ANYONE),
    ("/quittance.issues.v1.RewardPoolService/GetRewardPool", ANYONE),
    ("/quittance.issues.v1.AttachmentService/UploadAttachment", REPORTERS),
    ("/quittance.issues.v1.AttachmentService/ListAttachments", ANYONE),
    ("/quittance.issues.v1.AttachmentService/StreamAttachment", ANYONE),
    ("/quittance.issues.v1.AttachmentService/DeleteAttachment", REPORTERS),
    ("/quittance.issues.v1.NotificationService/ListNotifications", ANYONE),
    ("/quittance.issues.v1.NotificationService/MarkNotificationsRead", REPORTERS),
    ("/quittance.issues.v1.NotificationService/CountUnread", ANYONE),
    ("/quittance.issues.v1.NotificationService/StreamNotifications", ANYONE),
    ("/quittance.issues.v1.IdentityService/SignIn", OURSELVES),
    ("/quittance.issues.v1.ApiKeyService/CreateApiKey", PEOPLE),
    ("/quittance.issues.v1.ApiKeyService/ListApiKeys", PEOPLE),
    ("/quittance.issues.v1.ApiKeyService/RevokeApiKey", PEOPLE),
    ("/quittance.issues.v1.ApiKeyService/ResolveApiKey", OURSELVES),
    ("/quittance.issues.v1.WebhookService/CreateEndpoint", &[Admin]),
    ("/quittance.issues.v1.WebhookService/ListEndpoints", &[Admin, Auditor]),
    ("/quittance.issues.v1.WebhookService/GetEndpoint", &[Admin, Auditor]),
    ("/quittance.issues.v1.WebhookService/UpdateEndpoint", &[Admin]),
    ("/quittance.issues.v1.WebhookService/DeleteEndpoint", &[Admin]),
    ("/quittance.issues.v1.WebhookService/ListDeliveries", &[Admin, Auditor]),
    ("/quittance.issues.v1.WebhookService/ReplayDelivery", &[Admin]),
    ("/quittance.issues.v1.ImpersonationService/StartImpersonation", &[Admin]),
    // Whoever views has the roles of the member; what is not theirs is not found.
    ("/quittance.issues.v1.ImpersonationService/EndImpersonation", ANYONE),
    ("/quittance.issues.v1.ImpersonationService/NoteImpersonation", ANYONE),
    ("/quittance.issues.v1.ImpersonationService/ListImpersonations", &[Admin, Auditor]),
    ("/quittance.issues.v1.IssueService/StreamSnapshots", &[Admin, PlatformAdmin, Service]),
    ("/quittance.snapshots.v1.SnapshotService/ListSnapshots", OURSELVES),
    ("/quittance.snapshots.v1.SnapshotService/GetSnapshotTotals", OURSELVES),
    ("/quittance.audit.v1.AuditService/ListAuditEntries", AUDITORS),
    ("/quittance.audit.v1.AuditService/GetAuditVerification", AUDITORS),
    ("/quittance.audit.v1.AuditService/NoteDenial", ANYONE),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_method_has_a_row_and_every_row_a_method() {
        let set = FileDescriptorSet::decode(quittance_proto::DESCRIPTORS).unwrap();
        let mut declared = BTreeSet::new();
        let ours = ["quittance.issues.v1", "quittance.audit.v1", "quittance.snapshots.v1"];
        for file in set.file.iter().filter(|file| ours.contains(&file.package())) {
            for service in &file.service {
                for method in &service.method {
                    let name = (file.package(), service.name(), method.name());
                    declared.insert(format!("/{}.{}/{}", name.0, name.1, name.2));
                }
            }
        }
        let listed: BTreeSet<String> = ACCESS.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, declared);
        assert_eq!(listed.len(), ACCESS.len());
    }

    #[test]
    fn nobody_signs_in_as_somebody_by_a_role_of_people() {
        let (_, roles) = ACCESS.iter().find(|(path, _)| path.ends_with("/EnsureMember")).unwrap();
        assert_eq!(*roles, [Service]);
        assert!(ACCESS.iter().all(|(_, roles)| !roles.is_empty()));
    }
}
