//! One audit row, and the hash that ties it to all rows before it.

use quittance_kernel::Timestamp;
use sea_orm::FromQueryResult;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Every column of the log: what is not hashed could be changed unseen.
pub(super) const COLUMNS: &str = "a.seq, a.id, a.organization_id, a.occurred_at, a.actor_id, \
    a.actor_role, a.impersonator_id, a.action, a.entity, a.entity_id, a.before, a.after, a.reason, \
    a.request_id, a.event_id";

/// What the first seal follows.
pub(super) const GENESIS: Hash = [0; 32];

pub(super) type Hash = [u8; 32];

#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(super) struct Record {
    pub(super) seq: i64,
    pub(super) id: Uuid,
    pub(super) organization_id: Uuid,
    pub(super) occurred_at: Timestamp,
    pub(super) actor_id: Uuid,
    pub(super) actor_role: String,
    pub(super) impersonator_id: Option<Uuid>,
    pub(super) action: String,
    pub(super) entity: String,
    pub(super) entity_id: Uuid,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) request_id: String,
    pub(super) event_id: Option<Uuid>,
}

impl Record {
    /// SHA-256 over the hash before and every column, each with its length: no two different rows
    /// are written as the same bytes. The order of the columns is part of the format.
    pub(super) fn hash(&self, prev: &Hash) -> Hash {
        let mut sha = Sha256::new();
        sha.update(prev);
        let mut put = |value: Option<&[u8]>| match value {
            Some(bytes) => {
                sha.update([1]);
                sha.update((bytes.len() as u64).to_be_bytes());
                sha.update(bytes);
            }
            None => sha.update([0]),
        };
        let text = |value: &'_ Option<String>| value.as_ref().map(|text| text.as_bytes().to_vec());
        put(Some(&self.seq.to_be_bytes()));
        put(Some(self.id.as_bytes()));
        put(Some(self.organization_id.as_bytes()));
        put(Some(&self.occurred_at.timestamp_micros().to_be_bytes()));
        put(Some(self.actor_id.as_bytes()));
        put(Some(self.actor_role.as_bytes()));
        put(self.impersonator_id.as_ref().map(|id| id.as_bytes().as_slice()));
        put(Some(self.action.as_bytes()));
        put(Some(self.entity.as_bytes()));
        put(Some(self.entity_id.as_bytes()));
        put(text(&self.before).as_deref());
        put(text(&self.after).as_deref());
        put(text(&self.reason).as_deref());
        put(Some(self.request_id.as_bytes()));
        put(self.event_id.as_ref().map(|id| id.as_bytes().as_slice()));
        sha.finalize().into()
    }
}

/// Reads a hash as the table keeps it. One that is none is not equal to any.
pub(super) fn parse(text: &str) -> Option<Hash> {
    let mut hash = GENESIS;
    hex::decode_to_slice(text, &mut hash).ok().map(|()| hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            seq: 1,
            id: Uuid::nil(),
            organization_id: Uuid::max(),
            occurred_at: "2026-05-08T12:00:00.123456Z".parse().unwrap(),
            actor_id: Uuid::nil(),
            actor_role: "admin".into(),
            impersonator_id: None,
            action: "issue.approved".into(),
            entity: "issue".into(),
            entity_id: Uuid::max(),
            before: Some("ab".into()),
            after: Some("c".into()),
            reason: None,
            request_id: "r".into(),
            event_id: None,
        }
    }

    #[test]
    fn every_column_and_the_hash_before_change_the_hash() {
        let mut changed: Vec<Record> = vec![record(); 15];
        changed[0].seq = 2;
        changed[1].id = Uuid::max();
        changed[2].organization_id = Uuid::nil();
        changed[3].occurred_at = "2026-05-08T12:00:00.123457Z".parse().unwrap();
        changed[4].actor_id = Uuid::max();
        changed[5].actor_role = "lead".into();
        changed[6].impersonator_id = Some(Uuid::nil());
        changed[7].action = "issue.rejected".into();
        changed[8].entity = "cycle".into();
        changed[9].entity_id = Uuid::nil();
        // The border between two columns counts, not only their text.
        (changed[10].before, changed[10].after) = (Some("a".into()), Some("bc".into()));
        changed[11].after = None;
        changed[12].reason = Some(String::new());
        changed[13].request_id = "s".into();
        changed[14].event_id = Some(Uuid::nil());
        let mut hashes: Vec<Hash> = changed.iter().map(|record| record.hash(&GENESIS)).collect();
        hashes.push(record().hash(&GENESIS));
        hashes.push(record().hash(&[1; 32]));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 17);
    }

    #[test]
    fn a_hash_reads_back_and_nothing_else_does() {
        let hash = record().hash(&GENESIS);
        assert_eq!(parse(&hex::encode(hash)), Some(hash));
        assert_eq!(parse("00"), None);
        assert_eq!(parse("zz"), None);
    }
}
