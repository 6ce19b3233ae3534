//! Issues and payouts as one desk that knows everything, page by page.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use quittance_balance::{Entity, OwnedTotal, Owners, OwnersError, Snapshot};
use quittance_chassis::bus::Message;
use quittance_events::{
    CommissionState, CycleState, EarningState, IssueState, MemberState, PayoutFailed, PayoutState,
    decode, kind,
};
use quittance_kernel::{IssueStatus, OrganizationId, PayoutStatus, Timestamp};
use uuid::Uuid;

/// Small, so that there are many.
const PAGE: usize = 7;

type Key = (Uuid, Entity, Uuid);

/// The newest of each entity.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    known: Mutex<BTreeMap<Key, (i64, Timestamp, Message)>>,
    /// How many pages are answered before the desk goes silent; 0: all of them.
    pages: AtomicUsize,
    answered: AtomicUsize,
}

fn read(message: &Message) -> Option<(Entity, Uuid, i64)> {
    fn of<T: serde::de::DeserializeOwned>(message: &Message) -> T {
        decode::<T>(&message.body).unwrap().data
    }
    Some(match message.kind.as_str() {
        kind::MEMBER_UPDATED => {
            let state: MemberState = of(message);
            (Entity::Member, state.member_id, state.version)
        }
        kind::CYCLE_UPDATED => {
            let state: CycleState = of(message);
            (Entity::Cycle, state.cycle_id, state.version)
        }
        kind::COMMISSION_CREATED => {
            let state: CommissionState = of(message);
            (Entity::Commission, state.commission_id, state.version)
        }
        kind::PAYOUT_FAILED => {
            let state: PayoutFailed = of(message);
            (Entity::Payout, state.payout_id, state.version)
        }
        word if word.starts_with("issue.") => {
            let state: IssueState = of(message);
            (Entity::Issue, state.issue_id, state.version)
        }
        word if word.starts_with("earning.") || word == kind::PAYOUT_ISSUE_PAID => {
            let state: EarningState = of(message);
            (Entity::Earning, state.issue_id, state.version)
        }
        word if word.starts_with("payout.") => {
            let state: PayoutState = of(message);
            (Entity::Payout, state.payout_id, state.version)
        }
        _ => return None,
    })
}

impl Desk {
    /// Takes note of what events tell, as their owner did before it told them.
    pub(crate) fn knows(&self, events: &[Message], changed_at: Timestamp) {
        let mut known = self.known.lock().unwrap();
        for event in events {
            let Some((entity, id, version)) = read(event) else { continue };
            let key = (event.organization, entity, id);
            if known.get(&key).is_none_or(|(before, ..)| *before < version) {
                known.insert(key, (version, changed_at, event.clone()));
            }
        }
    }

    /// Goes silent after so many pages.
    pub(crate) fn dies_after(&self, pages: usize) {
        self.answered.store(0, Ordering::SeqCst);
        self.pages.store(pages, Ordering::SeqCst);
    }

    fn all(&self, organization: OrganizationId, entity: Entity) -> Vec<Snapshot> {
        let known = self.known.lock().unwrap();
        let (from, to) =
            ((organization.0, entity, Uuid::nil()), (organization.0, entity, Uuid::max()));
        known
            .range(from..=to)
            .map(|((_, _, id), (_, changed_at, message))| Snapshot {
                id: *id,
                changed_at: *changed_at,
                // An owner tells it under a new id.
                told: Message { id: Uuid::now_v7(), ..message.clone() },
            })
            .collect()
    }
}

#[async_trait]
impl Owners for Desk {
    async fn organizations(&self) -> Result<Vec<OrganizationId>, OwnersError> {
        let known = self.known.lock().unwrap();
        let mut all: Vec<_> =
            known.keys().map(|(organization, ..)| OrganizationId(*organization)).collect();
        all.dedup();
        Ok(all)
    }

    async fn list(
        &self,
        organization: OrganizationId,
        entity: Entity,
        after: Uuid,
        ids: &[Uuid],
    ) -> Result<Vec<Snapshot>, OwnersError> {
        let pages = self.pages.load(Ordering::SeqCst);
        if pages > 0 && pages < 1 + self.answered.fetch_add(1, Ordering::SeqCst) {
            return Err(OwnersError::Nobody);
        }
        // Others get their turn, as they would while a network is waited for.
        tokio::task::yield_now().await;
        let mut all = self.all(organization, entity);
        all.retain(|found| after < found.id && (ids.is_empty() || ids.contains(&found.id)));
        all.truncate(if ids.is_empty() { PAGE } else { usize::MAX });
        Ok(all)
    }

    async fn paid_between(
        &self,
        organization: OrganizationId,
        (from, to): (Timestamp, Timestamp),
        after: Uuid,
    ) -> Result<Vec<Snapshot>, OwnersError> {
        let mut all = self.all(organization, Entity::Payout);
        all.retain(|found| {
            let state = decode::<PayoutState>(&found.told.body).unwrap().data;
            after < found.id && state.paid_at.is_some_and(|at| from <= at && at < to)
        });
        all.truncate(PAGE);
        Ok(all)
    }

    async fn totals(&self, organization: OrganizationId) -> Result<Vec<OwnedTotal>, OwnersError> {
        let mut totals = Vec::new();
        let mut add = |entity: &str, state: String, currency: String, minor: i64| {
            let entity = entity.to_owned();
            totals.push(OwnedTotal { entity, state, currency, count: 1, minor });
        };
        for found in Entity::ALL.iter().flat_map(|entity| self.all(organization, *entity)) {
            let body = &found.told.body;
            let (entity, ..) = read(&found.told).unwrap();
            match entity {
                Entity::Member => add("member", String::new(), String::new(), 0),
                Entity::Cycle => add("cycle", String::new(), String::new(), 0),
                Entity::Issue => {
                    let state = decode::<IssueState>(body).unwrap().data;
                    let draft = state.status == IssueStatus::Draft;
                    let review = if draft { "draft" } else { state.review.as_str() };
                    let (minor, currency) = (state.amount_minor.unwrap_or(0), state.currency);
                    let stands = format!("{review}/{}", state.severity.as_str());
                    add("issue", stands, currency.unwrap_or_default(), minor);
                }
                Entity::Earning | Entity::Schedule | Entity::Receivable => {
                    let state = decode::<EarningState>(body).unwrap().data;
                    let (code, minor) = (state.currency, state.amount_minor);
                    if state.status == PayoutStatus::Void && state.paid_at.is_some() {
                        add("owed_back", "void".into(), code.clone(), minor);
                    }
                    add("earning", state.status.as_str().into(), code, minor);
                }
                Entity::Payout => {
                    let Ok(told) = decode::<PayoutState>(body) else { continue };
                    let state = told.data;
                    if state.source != "issue" {
                        let stands = format!("{}/{}", state.source, state.status);
                        add("payout", stands, state.currency, state.amount_minor);
                    }
                }
                Entity::Commission => {
                    let state = decode::<CommissionState>(body).unwrap().data;
                    add("commission", String::new(), state.currency, state.amount_minor);
                }
            }
        }
        Ok(totals)
    }
}
