//! Rows of both sides, written in the same way.

use std::collections::BTreeMap;

use quittance_chassis::db::Db;
use quittance_kernel::{OrganizationId, Timestamp};
use uuid::Uuid;

use super::super::owners::{Entity, Snapshot};
use super::super::project::Change;
use super::super::rebuild::read;
use super::ReconcileError;
use crate::domain::Row;
use crate::domain::partner::EntryKind;
use crate::store::{self, CycleEntry, MemberEntry, Which};

fn of_cycle(cycle: &CycleEntry) -> Row {
    Row { version: cycle.version, says: format!("{} {:?}", cycle.name, cycle.rates) }
}

fn of_member(member: &MemberEntry) -> Row {
    Row { version: member.version, says: member.name.clone() }
}

/// Reads what an owner says, each row with when it last changed.
pub(super) fn of_owner(
    entity: Entity,
    page: &[Snapshot],
) -> Result<BTreeMap<Uuid, (Row, Timestamp)>, ReconcileError> {
    let mut rows = BTreeMap::new();
    for snapshot in page {
        for fact in read(std::slice::from_ref(snapshot))? {
            let row = match &fact.change {
                Change::Issue(_, filing) => Some(Row::of_filing(filing)),
                Change::Earning(_, earning) => Some(Row::of_earning(earning)),
                Change::Cycle(_, cycle) => Some(of_cycle(cycle)),
                Change::Member(_, member) => Some(of_member(member)),
                Change::Partner(_, entry) if entity == Entity::Receivable => Row::of_debt(entry),
                Change::Partner(_, entry) => Row::of_entry(entry),
                // It stands in the ledger.
                Change::Source(..) => None,
            };
            if let Some(row) = row {
                rows.insert(snapshot.id, (row, snapshot.changed_at));
            }
        }
    }
    Ok(rows)
}

/// Reads what is kept.
pub(super) async fn of_ours(
    db: &Db,
    organization: OrganizationId,
    entity: Entity,
    which: &Which,
) -> Result<BTreeMap<Uuid, Row>, ReconcileError> {
    let rows = match entity {
        Entity::Member => {
            let members = store::kept_members(db, organization, which).await?;
            members.iter().map(|(id, member)| (*id, of_member(member))).collect()
        }
        Entity::Cycle => {
            let cycles = store::kept_cycles(db, organization, which).await?;
            cycles.iter().map(|(id, cycle)| (*id, of_cycle(cycle))).collect()
        }
        Entity::Issue => {
            let lines = store::kept_lines(db, organization, which).await?;
            let filed = lines.iter().filter_map(|(id, line)| Some((*id, line.filing.as_ref()?)));
            filed.map(|(id, filing)| (id, Row::of_filing(filing))).collect()
        }
        Entity::Earning | Entity::Schedule => {
            let lines = store::kept_lines(db, organization, which).await?;
            let earned = lines.iter().filter_map(|(id, line)| Some((*id, line.earning.as_ref()?)));
            // What no issue has earned has no cycle.
            let of_issue = entity == Entity::Earning;
            earned
                .filter(|(_, earning)| earning.cycle.0.is_nil() != of_issue)
                .map(|(id, earning)| (id, Row::of_earning(earning)))
                .collect()
        }
        Entity::Payout | Entity::Commission | Entity::Receivable => {
            let entries = store::kept_entries(db, organization, which).await?;
            let rows = entries.iter().filter_map(|(id, entry)| {
                let kind = entry.standing.as_ref().map(|standing| standing.kind);
                let commission = kind == Some(EntryKind::Commission);
                let row = match entity {
                    Entity::Receivable => Row::of_debt(entry),
                    Entity::Commission if commission => Row::of_entry(entry),
                    Entity::Payout if !commission => Row::of_entry(entry),
                    Entity::Commission
                    | Entity::Payout
                    | Entity::Member
                    | Entity::Cycle
                    | Entity::Issue
                    | Entity::Earning
                    | Entity::Schedule => None,
                };
                Some((*id, row?))
            });
            rows.collect()
        }
    };
    Ok(rows)
}
