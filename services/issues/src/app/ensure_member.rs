use quittance_chassis::db::Tx;
use quittance_kernel::{Ctx, MemberId, OrganizationId, Principal, Role, Roles, Timestamp};

use super::Issues;
use crate::domain::member::Member;
use crate::domain::text::{FieldError, MAX_NAME, email, line};
use crate::error::{Error, StoreError};
use crate::store::member::{by_email, found, organization, save};

/// The organization of whoever names none.
const DEFAULT_ORGANIZATION: &str = "Demo";

/// How often a race for the same name or address is run again.
const TRIES: u32 = 3;

/// Who signs in.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    pub email: String,
    /// The part of the e-mail before "@" when empty.
    pub name: String,
    /// "Demo" when empty.
    pub organization: String,
    /// Replaces the roles when not empty.
    pub roles: Vec<String>,
}

struct Checked {
    email: String,
    name: Option<String>,
    organization: String,
    roles: Option<Roles>,
}

fn check(identity: &Identity) -> Result<Checked, FieldError> {
    let named = |field, text: &str| -> Result<Option<String>, FieldError> {
        if text.is_empty() { Ok(None) } else { line(field, text, MAX_NAME).map(Some) }
    };
    let roles = parse_roles(&identity.roles)?;
    Ok(Checked {
        email: email("email", &identity.email)?,
        name: named("name", &identity.name)?,
        organization: named("organization", &identity.organization)?
            .unwrap_or_else(|| DEFAULT_ORGANIZATION.to_owned()),
        roles: if roles.is_empty() { None } else { Some(Roles::new(roles)) },
    })
}

/// Reads names of roles.
pub(crate) fn parse_roles(names: &[String]) -> Result<Vec<Role>, FieldError> {
    let mut roles = Vec::with_capacity(names.len());
    for (place, role) in names.iter().enumerate() {
        let role: Result<Role, _> = role.parse();
        roles.push(
            role.map_err(|error| FieldError::new(format!("roles[{place}]"), error.to_string()))?,
        );
    }
    Ok(roles)
}

impl Issues {
    /// Creates the organization and the member where they are missing. Only for development
    /// sign-in: whoever may call it can be anyone.
    #[tracing::instrument(name = "members.ensure", skip_all)]
    pub async fn ensure_member(
        &self,
        identity: &Identity,
        now: Timestamp,
        request_id: &str,
    ) -> Result<Member, Error> {
        if !self.development {
            return Err(Error::DevelopmentOnly);
        }
        let wanted = check(identity)?;
        let mut tries = 1;
        loop {
            match self.try_ensure(&wanted, now, request_id).await {
                // Somebody else made the same organization or member meanwhile: it is there now.
                Err(Error::Store(StoreError::Duplicate(_) | StoreError::Stale))
                    if tries < TRIES =>
                {
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    async fn try_ensure(
        &self,
        wanted: &Checked,
        now: Timestamp,
        request_id: &str,
    ) -> Result<Member, Error> {
        let conn = self.db.conn();
        let known = organization(conn, &wanted.organization).await?;
        let before = match known {
            Some(id) => by_email(conn, id, &wanted.email).await?,
            None => None,
        };
        let id = known.unwrap_or_default();
        let after = wanted_member(wanted, id, before.as_ref(), now);
        if before.as_ref() == Some(&after) {
            return Ok(after);
        }
        let ctx = Ctx::new(Principal::service(id), now, request_id.to_owned());
        let mut tx = Tx::begin(&self.db, &ctx).await?;
        if known.is_none() {
            found(&mut tx, &wanted.organization).await?;
        }
        let member = save(&mut tx, before.as_ref(), after).await?;
        tx.commit().await?;
        Ok(member)
    }
}

fn wanted_member(
    wanted: &Checked,
    organization: OrganizationId,
    before: Option<&Member>,
    now: Timestamp,
) -> Member {
    let known = before.cloned().unwrap_or_else(|| Member {
        id: MemberId::new(),
        organization,
        name: wanted.email.split('@').next().unwrap_or_default().to_owned(),
        email: wanted.email.clone(),
        roles: Roles::new([Role::Member]),
        version: 0,
        created_at: now,
        updated_at: now,
    });
    Member {
        name: wanted.name.clone().unwrap_or_else(|| known.name.clone()),
        roles: wanted.roles.clone().unwrap_or_else(|| known.roles.clone()),
        ..known
    }
}
