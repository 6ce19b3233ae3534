//! What a change leaves behind: one audit row, and one outbox row that carries its event.

use std::borrow::Cow;

use quittance_events::{Envelope, Payload, encode};
use quittance_kernel::{Ctx, EventId};
use uuid::Uuid;

use super::{Column, Insert, WriteSet};

/// One decision, for the audit log (product.md, rule 16).
#[derive(Clone, Debug)]
pub struct Entry {
    /// What was done, such as `issue.approved`.
    pub action: Cow<'static, str>,
    pub entity: Cow<'static, str>,
    pub entity_id: Uuid,
    /// JSON of what was there, where something was.
    pub before: Option<String>,
    /// JSON of what is there now.
    pub after: Option<String>,
    pub reason: Option<String>,
}

impl Entry {
    #[must_use]
    pub fn new(
        action: impl Into<Cow<'static, str>>,
        entity: impl Into<Cow<'static, str>>,
        entity_id: Uuid,
    ) -> Self {
        let (action, entity) = (action.into(), entity.into());
        Self { action, entity, entity_id, before: None, after: None, reason: None }
    }

    /// What was there and what is there now, as JSON.
    #[must_use]
    pub fn change(mut self, before: impl Into<String>, after: impl Into<String>) -> Self {
        self.before = Some(before.into());
        self.after = Some(after.into());
        self
    }

    #[must_use]
    pub fn after(mut self, after: impl Into<String>) -> Self {
        self.after = Some(after.into());
        self
    }

    #[must_use]
    pub fn because(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }
}

/// Collects entries and events, and writes them as two sets.
#[derive(Debug)]
pub struct Journal {
    service: &'static str,
    entries: Vec<Noted>,
    events: Vec<Outgoing>,
}

#[derive(Debug)]
struct Noted {
    entry: Entry,
    event: Option<Uuid>,
    /// Jobs write for many organizations at once.
    organization: Uuid,
}

#[derive(Debug)]
struct Outgoing {
    organization: Uuid,
    id: Uuid,
    kind: &'static str,
    subject: Uuid,
    body: String,
}

impl Journal {
    #[must_use]
    pub fn new(service: &'static str) -> Self {
        Self { service, entries: Vec::new(), events: Vec::new() }
    }

    /// Notes a change and its event, and returns the id of the event.
    pub fn record<T: Payload>(
        &mut self,
        ctx: &Ctx,
        entry: Entry,
        kind: &'static str,
        payload: T,
    ) -> EventId {
        let id = EventId::new();
        let organization = ctx.organization().0;
        self.entries.push(Noted { entry, event: Some(id.0), organization });
        self.push_event(ctx, id.0, kind, payload);
        id
    }

    /// Notes a decision that has no event of its own.
    pub fn note(&mut self, ctx: &Ctx, entry: Entry) {
        self.entries.push(Noted { entry, event: None, organization: ctx.organization().0 });
    }

    /// Adds an event that tells more of a change already noted.
    pub fn tell<T: Payload>(&mut self, ctx: &Ctx, kind: &'static str, payload: T) {
        self.push_event(ctx, EventId::new().0, kind, payload);
    }

    fn push_event<T: Payload>(&mut self, ctx: &Ctx, id: Uuid, kind: &'static str, payload: T) {
        let subject = payload.subject();
        let organization = ctx.organization().0;
        let trace = ctx.traceparent.clone();
        let envelope = Envelope::new(id, self.service, kind, organization, ctx.now, trace, payload);
        self.events.push(Outgoing { organization, id, kind, subject, body: encode(&envelope) });
    }

    /// Adds the rows to a set. Actor and request are those of `ctx`; each row belongs to the
    /// organization that it was noted for.
    pub fn write_to(self, ctx: &Ctx, set: &mut WriteSet) {
        if !self.entries.is_empty() {
            set.insert(audit_rows(ctx, self.entries));
        }
        if !self.events.is_empty() {
            set.insert(outbox_rows(ctx, self.events));
        }
    }
}

/// One value if all rows have the same, which is the rule.
fn organizations(all: Vec<Uuid>) -> Column {
    match all.first() {
        Some(first) if all.iter().all(|other| other == first) => Column::same_uuid(Some(*first)),
        Some(_) | None => Column::Uuid(all),
    }
}

fn audit_rows(ctx: &Ctx, entries: Vec<Noted>) -> Insert {
    let count = entries.len();
    let mut ids = Vec::with_capacity(count);
    let mut events = Vec::with_capacity(count);
    let (mut actions, mut entities, mut entity_ids) = (vec![], vec![], vec![]);
    let (mut befores, mut afters, mut reasons) = (vec![], vec![], vec![]);
    let mut owners = Vec::with_capacity(count);
    for Noted { entry, event, organization } in entries {
        owners.push(organization);
        ids.push(Uuid::now_v7());
        events.push(event);
        actions.push(entry.action.into_owned());
        entities.push(entry.entity.into_owned());
        entity_ids.push(entry.entity_id);
        befores.push(entry.before);
        afters.push(entry.after);
        reasons.push(entry.reason);
    }
    let principal = &ctx.principal;
    let role = principal.roles.highest().map_or("none", quittance_kernel::Role::as_str);
    Insert::into("audit_log")
        .column("id", Column::Uuid(ids))
        .column("organization_id", organizations(owners))
        .column("occurred_at", Column::same_time(Some(ctx.now)))
        .column("actor_id", Column::same_uuid(Some(principal.member.0)))
        .column("actor_role", Column::same_text(Some(role)))
        .column("impersonator_id", Column::same_uuid(principal.impersonator.map(|id| id.0)))
        .column("request_id", Column::same_text(Some(&ctx.request_id)))
        .column("event_id", Column::OptUuid(events))
        .column("action", Column::Text(actions))
        .column("entity", Column::Text(entities))
        .column("entity_id", Column::Uuid(entity_ids))
        .column("before", Column::OptText(befores))
        .column("after", Column::OptText(afters))
        .column("reason", Column::OptText(reasons))
}

fn outbox_rows(ctx: &Ctx, events: Vec<Outgoing>) -> Insert {
    let count = events.len();
    let (mut ids, mut subjects) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let (mut kinds, mut bodies) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut owners = Vec::with_capacity(count);
    for event in events {
        owners.push(event.organization);
        ids.push(event.id);
        kinds.push(event.kind.to_owned());
        subjects.push(event.subject);
        bodies.push(event.body);
    }
    Insert::into("outbox")
        .column("id", Column::Uuid(ids))
        .column("organization_id", organizations(owners))
        .column("kind", Column::Text(kinds))
        .column("subject", Column::Uuid(subjects))
        .column("body", Column::Text(bodies))
        .column("traceparent", Column::same_text(ctx.traceparent.as_deref()))
        .column("created_at", Column::same_time(Some(ctx.now)))
}
