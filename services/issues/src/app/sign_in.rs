use quittance_chassis::db::Tx;
use quittance_kernel::{Ctx, Principal};

use super::Issues;
use crate::domain::identity::{ExternalIdentity, IdentityError};
use crate::domain::member::Member;
use crate::error::{Error, StoreError};
use crate::store::identity::{link, note_conflict};
use crate::store::member::{by_email, by_identity};

impl Issues {
    /// Finds the member of an identity; the first time, links it to the member with its e-mail. Says
    /// whether it was the first time. `ctx` is the gateway's: it tells when, and under which request.
    #[tracing::instrument(name = "members.sign_in", skip_all)]
    pub async fn sign_in(
        &self,
        ctx: &Ctx,
        identity: &ExternalIdentity,
    ) -> Result<(Member, bool), Error> {
        if let Some(member) = self.linked(identity).await? {
            return Ok((member, false));
        }
        let email = identity.proven_email()?;
        let found = by_email(self.db.conn(), identity.organization, email).await?;
        let member = found.ok_or(IdentityError::Stranger)?;
        let principal = Principal {
            organization: member.organization,
            member: member.id,
            roles: member.roles.clone(),
            email: Some(member.email.clone()),
            impersonator: None,
        };
        let ctx = Ctx { principal, ..ctx.clone() };
        let mut tx = Tx::begin(&self.db, &ctx).await?;
        match link(&mut tx, identity, &member).await {
            Ok(()) => {
                tx.commit().await?;
                Ok((member, true))
            }
            Err(StoreError::Duplicate(_)) => {
                drop(tx);
                // The same person, signing in twice at once, or another one with the same address.
                match self.linked(identity).await? {
                    Some(member) => Ok((member, false)),
                    None => Err(self.conflict(&ctx, identity, &member).await),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn linked(&self, identity: &ExternalIdentity) -> Result<Option<Member>, StoreError> {
        let ExternalIdentity { organization, issuer, subject, .. } = identity;
        by_identity(self.db.conn(), *organization, issuer, subject).await
    }

    /// Refuses, and leaves a trace: somebody may be after the account of the member.
    async fn conflict(&self, ctx: &Ctx, identity: &ExternalIdentity, member: &Member) -> Error {
        // Whoever comes is not the member.
        let principal = Principal::service(member.organization);
        let noted = async {
            let mut tx = Tx::begin(&self.db, &Ctx { principal, ..ctx.clone() }).await?;
            note_conflict(&mut tx, identity, member);
            tx.commit().await.map_err(Error::from)
        };
        noted.await.err().unwrap_or_else(|| IdentityError::Conflict.into())
    }
}
