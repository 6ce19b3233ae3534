//! Links between members and identities of external providers: each is made once and stays.

use quittance_chassis::db::{Column, Entry, Insert, Tx};

use super::StoreError;
use crate::domain::identity::ExternalIdentity;
use crate::domain::member::Member;

/// Links an identity to a member. A second link of either is a duplicate.
pub(crate) async fn link(
    tx: &mut Tx,
    identity: &ExternalIdentity,
    member: &Member,
) -> Result<(), StoreError> {
    let row = Insert::into("member_identities")
        .column("organization_id", Column::same_uuid(Some(member.organization.0)))
        .column("issuer", Column::same_text(Some(&identity.issuer)))
        .column("subject", Column::same_text(Some(&identity.subject)))
        .column("member_id", Column::same_uuid(Some(member.id.0)))
        .column("email", Column::same_text(Some(&identity.email)))
        .column("linked_at", Column::same_time(Some(tx.ctx().now)));
    tx.insert(row).await?;
    tx.note(Entry::new("member.linked", "member", member.id.0).after(audited(identity)));
    Ok(())
}

/// Notes that somebody else came with the address of a member.
pub(crate) fn note_conflict(tx: &mut Tx, identity: &ExternalIdentity, member: &Member) {
    let entry = Entry::new("member.link_refused", "member", member.id.0);
    tx.note(entry.after(audited(identity)));
}

fn audited(identity: &ExternalIdentity) -> String {
    serde_json::json!({ "issuer": identity.issuer, "subject": identity.subject }).to_string()
}
