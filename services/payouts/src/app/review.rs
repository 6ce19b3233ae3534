//! Following the reviews of issues.

use std::collections::{BTreeMap, HashMap};

use quittance_chassis::db::{Tx, WriteError, WriteSet, inbox};
use quittance_kernel::{
    BountyId, Ctx, IssueId, MemberId, OrganizationId, Principal, ProductId, Timestamp,
};
use uuid::Uuid;

use super::{Error, Payouts};
use crate::domain::review::{Decision, Review, fold, step};
use crate::store;
use crate::store::bounty_payment::Approved;
use crate::store::review::Steps;

/// How often a batch is taken up again when payments get in between.
const TRIES: usize = 3;

/// A review as it was heard of.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) event: Uuid,
    pub(crate) organization: OrganizationId,
    pub(crate) product: ProductId,
    pub(crate) review: Review,
    pub(crate) decided_at: Option<Timestamp>,
    /// The bounty that the work was handed in for, and who decided about it.
    pub(crate) bounty: Option<(BountyId, MemberId)>,
    pub(crate) traceparent: Option<String>,
}

impl Payouts {
    /// Takes note of reviews and lets the earnings follow them: one transaction for all.
    #[tracing::instrument(name = "payouts.follow_reviews", skip_all, fields(count = heard.len()))]
    pub(crate) async fn follow_reviews(
        &self,
        consumer: &'static str,
        heard: &[Heard],
        now: Timestamp,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            match self.try_follow(consumer, heard, now).await {
                // A payment has made the row that was about to be made.
                Err(Error::Write(WriteError::Duplicate(_) | WriteError::Stale)) => {}
                done => return done,
            }
        }
        Err(Error::Contended)
    }

    async fn try_follow(
        &self,
        consumer: &'static str,
        heard: &[Heard],
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(first) = heard.first() else { return Ok(()) };
        let tx = Tx::begin(&self.db, &service_ctx(first, now)).await?;
        let ids: Vec<Uuid> = heard.iter().map(|heard| heard.event).collect();
        let fresh = inbox::first_times(&tx, consumer, &ids).await?;
        let mut reviews: HashMap<(OrganizationId, IssueId), Vec<Review>> = HashMap::new();
        let mut contexts: BTreeMap<OrganizationId, Ctx> = BTreeMap::new();
        let mut steps: BTreeMap<OrganizationId, Steps> = BTreeMap::new();
        for heard in heard.iter().filter(|heard| fresh.contains(&heard.event)) {
            let key = (heard.organization, heard.review.issue);
            reviews.entry(key).or_default().push(heard.review);
            let known = steps.entry(heard.organization).or_default();
            known.of_product(heard.review.cycle, heard.product);
            if let Some(at) = heard.decided_at {
                let (issue, version) = (heard.review.issue, heard.review.version);
                known.decided(issue, version, at);
            }
            contexts.entry(heard.organization).or_insert_with(|| service_ctx(heard, now));
        }
        if !reviews.is_empty() {
            write(&tx, self.db.service(), reviews, steps, &contexts).await?;
        }
        let fresh: Vec<&Heard> = heard.iter().filter(|one| fresh.contains(&one.event)).collect();
        let woken = follow_bounties(&tx, &fresh, &contexts, now).await?;
        tx.commit().await.map_err(Error::Write)?;
        if woken {
            self.due.notify_one();
        }
        Ok(())
    }
}

/// Has payments of bounties looked at whose work was approved, verified or changed in any way: in
/// the transaction that takes note of it, so that no approval is lost.
async fn follow_bounties(
    tx: &Tx,
    heard: &[&Heard],
    contexts: &BTreeMap<OrganizationId, Ctx>,
    now: Timestamp,
) -> Result<bool, Error> {
    let mut approved: BTreeMap<OrganizationId, BTreeMap<IssueId, Approved>> = BTreeMap::new();
    let mut others = Vec::new();
    for heard in heard {
        let Some((bounty, by)) = heard.bounty else { continue };
        let Review { issue, version, decision, .. } = heard.review;
        others.push(issue.0);
        if matches!(decision, Decision::Approved(_)) {
            let one = Approved { issue, product: heard.product, bounty, by, version };
            let known = approved.entry(heard.organization).or_default().entry(issue).or_insert(one);
            if known.version < version {
                *known = one;
            }
        }
    }
    if others.is_empty() {
        return Ok(false);
    }
    let mut set = WriteSet::new();
    for (organization, approved) in approved {
        let Some(ctx) = contexts.get(&organization) else { continue };
        let approved: Vec<Approved> = approved.into_values().collect();
        store::bounty_payment::open(ctx, &mut set, &approved);
    }
    tx.write(set).await.map_err(Error::Write)?;
    store::bounty_payment::wake(tx, now, others).await.map_err(Error::Write)?;
    Ok(true)
}

async fn write(
    tx: &Tx,
    service: &'static str,
    reviews: HashMap<(OrganizationId, IssueId), Vec<Review>>,
    mut steps: BTreeMap<OrganizationId, Steps>,
    contexts: &BTreeMap<OrganizationId, Ctx>,
) -> Result<(), Error> {
    let issues: Vec<_> = reviews.keys().copied().collect();
    let mut standings = store::review::standings(tx, &issues).await?;
    for ((organization, issue), reviews) in reviews {
        let before = standings.remove(&(organization, issue)).unwrap_or_default();
        let after = fold(before, reviews);
        if let Some(step) = step(&before, after, issue) {
            steps.entry(organization).or_default().push(step);
        }
    }
    let mut set = WriteSet::new();
    let mut refreshed = Vec::new();
    for (organization, steps) in steps {
        if let Some(ctx) = contexts.get(&organization) {
            refreshed.extend(steps.write_to(ctx, service, &mut set));
        }
    }
    tx.write(set).await.map_err(Error::Write)?;
    store::earning::refresh(tx.conn(), refreshed).await?;
    Ok(())
}

/// The service acts by itself, under the event that made it act.
fn service_ctx(heard: &Heard, now: Timestamp) -> Ctx {
    let mut ctx =
        Ctx::new(Principal::service(heard.organization), now, format!("event:{}", heard.event));
    ctx.traceparent.clone_from(&heard.traceparent);
    ctx
}
