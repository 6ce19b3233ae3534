//! The pay queue (S0-56).

use quittance_kernel::{Ctx, IssueId, MemberId, PageError, PageRequest, token};

use super::{Error, Payouts};
use crate::domain::limits::{Minimum, below};
use crate::store::queue::{self, Sum};

/// The most issues that are named for one payee.
const MAX_ISSUES: i64 = 10_000;

/// The most issues that are named on one page: it ends early rather than grow beyond what a message
/// may hold.
const MAX_PAGE_ISSUES: i64 = 200_000;

const QUERY: &str = "pay-queue";

/// One payee's approved, unpaid work.
#[derive(Debug)]
pub(crate) struct QueueEntry {
    pub(crate) payee: MemberId,
    pub(crate) count: i64,
    pub(crate) totals: Vec<Sum>,
    pub(crate) issues: Vec<IssueId>,
    /// The minimums that the sums do not reach.
    pub(crate) below: Vec<Minimum>,
}

/// One page of the queue, and the sums over all of it.
#[derive(Debug)]
pub(crate) struct QueuePage {
    pub(crate) entries: Vec<QueueEntry>,
    pub(crate) totals: Vec<Sum>,
    pub(crate) next: String,
}

impl Payouts {
    /// Lists what is approved and not paid, by payee.
    #[tracing::instrument(name = "payouts.pay_queue", skip_all)]
    pub(crate) async fn pay_queue(
        &self,
        ctx: &Ctx,
        page_size: i32,
        page_token: &str,
    ) -> Result<QueuePage, Error> {
        let page = PageRequest::parse(page_size, page_token, QUERY)?;
        let after = match page.after.as_deref() {
            Some([payee]) => Some(payee.parse().map_err(|_| PageError::BadToken)?),
            Some(_) => return Err(PageError::BadToken.into()),
            None => None,
        };
        let organization = ctx.organization();
        let (totals, sums, minimums) = tokio::try_join!(
            queue::totals(&self.db, organization),
            queue::by_payee(&self.db, organization, after, page.size + 1),
            crate::store::account::minimums(&self.db, organization),
        )?;
        let mut entries = group(sums);
        let all = entries.len();
        entries.truncate(fitting(&entries, usize::try_from(page.size).unwrap_or(usize::MAX)));
        let next = match entries.last() {
            Some(last) if entries.len() < all => token::encode(&[last.payee.to_string()], QUERY),
            Some(_) | None => String::new(),
        };
        let payees: Vec<_> = entries.iter().map(|entry| entry.payee.0).collect();
        if !payees.is_empty() {
            let mut issues = queue::issues(&self.db, organization, payees, MAX_ISSUES).await?;
            for entry in &mut entries {
                entry.issues = issues.remove(&entry.payee).unwrap_or_default();
                let small = entry.totals.iter().flat_map(|sum| below(&minimums, sum.amount));
                entry.below = small.collect();
            }
        }
        Ok(QueuePage { entries, totals, next })
    }
}

/// Gathers the sums of each payee, which follow each other.
fn group(sums: Vec<(MemberId, Sum)>) -> Vec<QueueEntry> {
    let mut entries: Vec<QueueEntry> = Vec::new();
    for (payee, sum) in sums {
        match entries.last_mut() {
            Some(entry) if entry.payee == payee => {
                entry.count += sum.count;
                entry.totals.push(sum);
            }
            Some(_) | None => entries.push(QueueEntry {
                payee,
                count: sum.count,
                totals: vec![sum],
                issues: vec![],
                below: vec![],
            }),
        }
    }
    entries
}

/// How many entries one page takes: at least one, at most `size`.
fn fitting(entries: &[QueueEntry], size: usize) -> usize {
    let mut named = 0;
    let full = entries.iter().take(size).position(|entry| {
        named += entry.count.min(MAX_ISSUES);
        named > MAX_PAGE_ISSUES
    });
    full.map_or(size.min(entries.len()), |place| place.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_before_it_grows_too_long() {
        let entry = |count| QueueEntry {
            payee: MemberId::new(),
            count,
            totals: vec![],
            issues: vec![],
            below: vec![],
        };
        let entries: Vec<_> = std::iter::repeat_with(|| entry(1_000_000)).take(30).collect();
        assert_eq!(fitting(&entries, 200), 20);
        assert_eq!(fitting(&entries, 3), 3);
        assert_eq!(fitting(&[entry(1), entry(2)], 200), 2);
        assert_eq!(fitting(&[], 200), 0);
    }
}
