use quittance_chassis::db::Tx;
use quittance_kernel::{Ctx, MemberId, Role, Roles};

use super::ensure_member::parse_roles;
use super::{Answer, Issues, expect_version};
use crate::domain::member::Member;
use crate::domain::text::{FieldError, MAX_NAME, line};
use crate::error::{Error, Kind};
use crate::store;

/// Roles beyond one organization, which its admins cannot give.
const NOT_OURS: [Role; 2] = [Role::PlatformAdmin, Role::Service];

/// What is to change of a member; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct MemberPatch {
    /// When not 0: the version that the caller has seen.
    pub version: i64,
    pub name: Option<String>,
    pub roles: Option<Vec<String>>,
}

impl Issues {
    /// Changes a member. Roles hold from the next token on.
    #[tracing::instrument(name = "members.update", skip_all, fields(member.id = %id))]
    pub async fn update_member(
        &self,
        ctx: &Ctx,
        id: MemberId,
        patch: MemberPatch,
        answer: Answer<Member>,
    ) -> Result<Member, Error> {
        let name = patch.name.as_deref().map(|name| line("name", name, MAX_NAME)).transpose()?;
        let roles = patch.roles.as_deref().map(wanted_roles).transpose()?;
        let mut tx = Tx::begin(&self.db, ctx).await?;
        // Two admins who take each other's role away at once would leave nobody.
        store::member::lock_all(&tx).await?;
        let found = store::member::find(tx.conn(), ctx.organization(), id).await?;
        let before = found.ok_or(Error::NotFound(Kind::Member, id.0))?;
        expect_version(patch.version, before.version)?;
        let roles = roles.unwrap_or_else(|| before.roles.clone());
        check_given(&before.roles, &roles)?;
        let gives_up = before.roles.has(Role::Admin) && !roles.has(Role::Admin);
        if gives_up && !store::member::has_other_admin(&tx, id).await? {
            return Err(Error::LastAdmin(id));
        }
        let name = name.unwrap_or_else(|| before.name.clone());
        let after = Member { name, roles, ..before.clone() };
        let member = store::member::save(&mut tx, Some(&before), after).await?;
        answer.leave(&tx, &member).await?;
        tx.commit().await?;
        Ok(member)
    }
}

fn wanted_roles(names: &[String]) -> Result<Roles, Error> {
    let roles = Roles::new(parse_roles(names)?);
    if roles.iter().next().is_none() {
        return Err(FieldError::new("roles", "must name at least one role").into());
    }
    Ok(roles)
}

fn check_given(before: &Roles, after: &Roles) -> Result<(), Error> {
    match NOT_OURS.into_iter().find(|role| after.has(*role) && !before.has(*role)) {
        Some(role) => {
            let detail = format!("{role} is not for an organization to give");
            Err(FieldError::new("roles", detail).into())
        }
        None => Ok(()),
    }
}
