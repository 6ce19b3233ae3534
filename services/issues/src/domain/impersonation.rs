//! Viewing as somebody else (product.md, rule 18): for a reason, for a short time, and only to read.

use chrono::TimeDelta;
use quittance_kernel::{MemberId, Principal, Role, Timestamp};
use uuid::Uuid;

use super::member::Member;

/// How long an admin may view as somebody before they have to give a reason again.
const LASTS: TimeDelta = TimeDelta::minutes(15);

/// An admin who views, or has viewed, as a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonation {
    pub id: Uuid,
    pub admin: MemberId,
    pub member: MemberId,
    pub reason: String,
    pub started_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When somebody ended it before that.
    pub ended_at: Option<Timestamp>,
    pub version: i64,
}

/// Why somebody may not view as somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImpersonationError {
    #[error("whoever views as somebody else may not go on to a third")]
    Chained,
    #[error("nobody views as themselves")]
    Yourself,
    #[error("the member has a role beyond the organization")]
    BeyondTheOrganization,
    #[error("the impersonation has ended")]
    Ended,
}

impl Impersonation {
    /// Begins to view as a member of the same organization.
    pub fn start(
        by: &Principal,
        member: &Member,
        reason: String,
        now: Timestamp,
    ) -> Result<Self, ImpersonationError> {
        if by.impersonator.is_some() {
            return Err(ImpersonationError::Chained);
        }
        if by.member == member.id {
            return Err(ImpersonationError::Yourself);
        }
        // They see other organizations, which the admin may not.
        if member.roles.any_of(&[Role::PlatformAdmin, Role::Service]) {
            return Err(ImpersonationError::BeyondTheOrganization);
        }
        Ok(Self {
            id: Uuid::now_v7(),
            admin: by.member,
            member: member.id,
            reason,
            started_at: now,
            expires_at: now + LASTS,
            ended_at: None,
            version: 0,
        })
    }

    /// Whether this is what the caller views by, and has not ended.
    pub fn admits(&self, caller: &Principal, now: Timestamp) -> Result<(), ImpersonationError> {
        let theirs = caller.impersonator == Some(self.admin) && caller.member == self.member;
        if theirs && self.ended_at.is_none() && now < self.expires_at {
            Ok(())
        } else {
            Err(ImpersonationError::Ended)
        }
    }
}

#[cfg(test)]
mod tests {
    use quittance_kernel::{OrganizationId, Roles};

    use super::*;

    fn noon() -> Timestamp {
        "2026-05-08T12:00:00Z".parse().unwrap()
    }

    fn member(role: Role) -> Member {
        Member {
            id: MemberId::new(),
            organization: OrganizationId::default(),
            name: "Dana".to_owned(),
            email: "dana@example.com".to_owned(),
            roles: Roles::new([role]),
            version: 1,
            created_at: noon(),
            updated_at: noon(),
        }
    }

    fn admin() -> Principal {
        let mut admin = Principal::service(OrganizationId::default());
        admin.member = MemberId::new();
        admin
    }

    fn start(by: &Principal, member: &Member) -> Result<Impersonation, ImpersonationError> {
        Impersonation::start(by, member, "a question".to_owned(), noon())
    }

    #[test]
    fn nobody_views_as_themselves_as_operators_or_over_a_third() {
        let by = admin();
        for role in [Role::Member, Role::Lead, Role::Admin, Role::Finance, Role::Auditor] {
            assert!(start(&by, &member(role)).is_ok(), "{role}");
        }
        for role in [Role::PlatformAdmin, Role::Service] {
            let refused = start(&by, &member(role));
            assert_eq!(refused, Err(ImpersonationError::BeyondTheOrganization));
        }
        let myself = Member { id: by.member, ..member(Role::Admin) };
        assert_eq!(start(&by, &myself), Err(ImpersonationError::Yourself));
        let viewing = Principal { impersonator: Some(MemberId::new()), ..by };
        assert_eq!(start(&viewing, &member(Role::Member)), Err(ImpersonationError::Chained));
    }

    #[test]
    fn it_admits_whom_it_was_made_for_until_it_ends() {
        let (by, dana) = (admin(), member(Role::Member));
        let begun = start(&by, &dana).unwrap();
        let viewing = |impersonator, member| Principal { impersonator, member, ..by.clone() };
        let viewer = viewing(Some(by.member), dana.id);
        let late = noon() + LASTS;
        assert_eq!(begun.admits(&viewer, late - TimeDelta::microseconds(1)), Ok(()));
        let ended = Impersonation { ended_at: Some(noon()), ..begun.clone() };
        let stranger = MemberId::new();
        for (at, who, impersonation) in [
            (late, &viewer, &begun),
            (noon(), &viewer, &ended),
            (noon(), &viewing(Some(stranger), dana.id), &begun),
            (noon(), &viewing(Some(by.member), stranger), &begun),
            (noon(), &by, &begun),
        ] {
            assert_eq!(impersonation.admits(who, at), Err(ImpersonationError::Ended));
        }
    }
}
