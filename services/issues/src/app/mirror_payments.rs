use std::collections::{BTreeMap, HashMap, HashSet};

use quittance_chassis::bus::Message;
use quittance_chassis::clock;
use quittance_chassis::db::{Entry, Tx, inbox};
use quittance_events::{DecodeError, EarningState, decode, queue};
use quittance_kernel::{
    Ctx, Currency, CycleId, EventId, IssueId, MemberId, Money, OrganizationId, PayoutId,
    PayoutStatus, Principal,
};
use uuid::Uuid;

use super::Issues;
use crate::domain::notice::{self, About, Notice, Paid};
use crate::error::Error;
use crate::instruments;
use crate::store::mirror::{Mirrored, apply, known};
use crate::store::notification;

/// The name of this consumer, which is also its queue.
const CONSUMER: &str = queue::ISSUES.name;

/// Why payments could not be mirrored.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    #[error("event {0} cannot be read")]
    Unreadable(Uuid, #[source] DecodeError),
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Issues {
    /// Mirrors what payouts said of earnings: set-based, newest word only, each event once. Facts
    /// from payouts win over whatever was decided here meanwhile.
    ///
    /// Events of several organizations are applied one organization after the other; the inbox
    /// makes it harmless when a later one fails and all come again.
    pub async fn mirror_payments(&self, messages: &[&Message]) -> Result<(), MirrorError> {
        let mut batches: BTreeMap<OrganizationId, Vec<(Uuid, EarningState)>> = BTreeMap::new();
        for message in messages {
            let event = decode::<EarningState>(&message.body)
                .map_err(|error| MirrorError::Unreadable(message.id, error))?;
            let organization = OrganizationId(event.organizationid);
            batches.entry(organization).or_default().push((message.id, event.data));
        }
        for (organization, batch) in batches {
            let trace = messages.first().and_then(|message| message.traceparent.clone());
            let ctx = Ctx {
                traceparent: trace,
                ..Ctx::new(Principal::service(organization), clock::now(), CONSUMER.to_owned())
            };
            self.mirror(&ctx, batch).await?;
        }
        Ok(())
    }

    async fn mirror(&self, ctx: &Ctx, batch: Vec<(Uuid, EarningState)>) -> Result<(), Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let ids: Vec<Uuid> = batch.iter().map(|(id, _)| *id).collect();
        let fresh = inbox::first_times(&tx, CONSUMER, &ids).await?;
        let batch = batch.into_iter().filter(|(id, _)| fresh.contains(id));
        let newest = newest(batch);
        let earnings: Vec<EarningState> =
            newest.values().map(|(_, earning)| earning.clone()).collect();
        let changed = apply(&tx, &earnings).await?;
        for row in &changed {
            if let Some((_, earning)) = newest.get(&row.id) {
                tx.note(note(row, earning));
            }
        }
        let told: Vec<(EventId, Notice)> = changed
            .iter()
            .filter_map(|row| newest.get(&row.id).and_then(|(event, paid)| told(row, *event, paid)))
            .collect();
        let members: Vec<MemberId> = told.iter().map(|(_, notice)| notice.member).collect();
        notification::write(&tx, told).await?;
        warn_of_unknown(&tx, &newest, &changed).await?;
        tx.commit().await?;
        self.bell.ring(&members);
        instruments::mirrored(changed.len());
        Ok(())
    }
}

/// The last word on each issue, and the event that said it.
type Words = HashMap<Uuid, (Uuid, EarningState)>;

/// What the reporter is told of a payment. One that was voided before it was heard of is not told.
fn told(row: &Mirrored, event: Uuid, earning: &EarningState) -> Option<(EventId, Notice)> {
    match earning.status {
        PayoutStatus::Paid => {}
        PayoutStatus::Void
        | PayoutStatus::Pending
        | PayoutStatus::Approved
        | PayoutStatus::Rejected => return None,
    }
    // The words of a service that runs another version may name a currency that is new here.
    let currency: Option<Currency> = earning.currency.parse().ok();
    let paid = Paid {
        amount: currency.map(|currency| Money::signed(earning.amount_minor, currency)),
        payout: earning.payout_id.map(PayoutId),
        reference: earning.reference.clone(),
    };
    let about = About {
        member: MemberId(row.reporter_id),
        issue: IssueId(row.id),
        cycle: CycleId(row.cycle_id),
        title: &row.title,
    };
    Some((EventId(event), notice::of_payment(about, paid)))
}

/// Keeps the last word on each issue. Only words that can be mirrored count.
fn newest(earnings: impl Iterator<Item = (Uuid, EarningState)>) -> Words {
    let mut newest = Words::new();
    // What was not earned by an issue has no cycle.
    for (event, earning) in earnings.filter(|(_, earning)| !earning.cycle_id.is_nil()) {
        match earning.status {
            // Approved is what it is again when the money came back.
            PayoutStatus::Paid | PayoutStatus::Void | PayoutStatus::Approved => {}
            PayoutStatus::Pending | PayoutStatus::Rejected => continue,
        }
        let known = newest.get(&earning.issue_id).map(|(_, known)| known.version);
        if known.is_none_or(|known| known < earning.version) {
            newest.insert(earning.issue_id, (event, earning));
        }
    }
    newest
}

fn note(row: &Mirrored, earning: &EarningState) -> Entry {
    let action = match earning.status {
        PayoutStatus::Void => "issue.payment_voided",
        PayoutStatus::Approved => "issue.payment_returned",
        PayoutStatus::Paid | PayoutStatus::Pending | PayoutStatus::Rejected => {
            "issue.payment_mirrored"
        }
    };
    let after = serde_json::json!({
        "payoutStatus": earning.status.as_str(),
        "payoutId": earning.payout_id.map(|id| id.to_string()),
        "review": row.review,
    });
    let disagrees = row.review != PayoutStatus::Approved.as_str();
    let reason = disagrees
        .then(|| format!("payouts says {} while the review is {}", earning.status, row.review));
    Entry::new(action, "issue", row.id).after(after.to_string()).because(reason)
}

async fn warn_of_unknown(tx: &Tx, newest: &Words, changed: &[Mirrored]) -> Result<(), Error> {
    let done: HashSet<Uuid> = changed.iter().map(|row| row.id).collect();
    let rest: Vec<Uuid> = newest.keys().copied().filter(|id| !done.contains(id)).collect();
    if rest.is_empty() {
        return Ok(());
    }
    let known: HashSet<Uuid> = known(tx, rest.clone()).await?.into_iter().collect();
    for id in rest.iter().filter(|id| !known.contains(*id)) {
        tracing::warn!(issue.id = %id, "payouts speaks of an issue that does not exist");
    }
    Ok(())
}
