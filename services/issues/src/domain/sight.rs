//! Who may see which issues (product.md, rule 19).

use quittance_kernel::{Ctx, MemberId, Role};

/// The part of an organization's issues that a caller may see. What is outside does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All of the organization.
    All,
    /// Those of the cycles that the member leads, and their own.
    OwnAndLed(MemberId),
    /// Those of the cycles that the member leads.
    Led(MemberId),
    /// Their own.
    Own(MemberId),
}

/// Roles that oversee the whole organization.
const OVERSEERS: [Role; 5] =
    [Role::Admin, Role::Finance, Role::Auditor, Role::PlatformAdmin, Role::Service];

impl Sight {
    /// What the caller may read.
    #[must_use]
    pub fn of(ctx: &Ctx) -> Self {
        if ctx.principal.roles.any_of(&OVERSEERS) {
            Self::All
        } else if ctx.has(Role::Lead) {
            Self::OwnAndLed(ctx.member())
        } else {
            Self::Own(ctx.member())
        }
    }

    /// What concerns the caller as a judge or a payer: one's own work does not.
    #[must_use]
    pub fn in_charge(ctx: &Ctx) -> Self {
        match Self::of(ctx) {
            Self::All => Self::All,
            Self::OwnAndLed(member) | Self::Led(member) | Self::Own(member) => Self::Led(member),
        }
    }
}

#[cfg(test)]
mod tests {
    use quittance_kernel::{OrganizationId, Principal, Roles};

    use super::*;

    fn ctx(roles: &[Role]) -> Ctx {
        let principal = Principal {
            organization: OrganizationId::new(),
            member: MemberId::new(),
            roles: Roles::new(roles.iter().copied()),
            email: None,
            impersonator: None,
        };
        Ctx::new(principal, "2026-05-08T12:00:00Z".parse().unwrap(), "r".into())
    }

    #[test]
    fn each_role_sees_its_part() {
        let lead = ctx(&[Role::Member, Role::Lead]);
        assert_eq!(Sight::of(&lead), Sight::OwnAndLed(lead.member()));
        assert_eq!(Sight::in_charge(&lead), Sight::Led(lead.member()));
        let member = ctx(&[Role::Member]);
        assert_eq!(Sight::of(&member), Sight::Own(member.member()));
        let nobody = ctx(&[]);
        assert_eq!(Sight::of(&nobody), Sight::Own(nobody.member()));
        for role in OVERSEERS {
            assert_eq!(Sight::of(&ctx(&[role, Role::Lead])), Sight::All);
        }
    }
}
