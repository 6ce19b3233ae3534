//! Drawing what is too large for memory: piece by piece, into lines that nobody sees yet.
//!
//! A draft is written outside of any transaction of its own length: the facts of each piece are
//! asked for between two short ones. It becomes a plan, or what a plan is compared with.

use std::collections::HashMap;

use chrono::TimeDelta;
use quittance_chassis::db::Tx;
use quittance_chassis::grpc::Caller;
use quittance_kernel::{BatchId, Ctx, EarningId, IssueId, MemberId, Money, PlanId, Totals};

use super::{Error, Payouts};
use crate::domain::decision::Known;
use crate::domain::earning::Earning;
use crate::domain::eligibility::Facts;
use crate::domain::limits::Limits;
use crate::domain::order::Source;
use crate::domain::plan::{
    Digester, Lines, MAX_CANDIDATES, Netted, PlanError, PlanItem, Run, Sums, lines, payout_of,
};
use crate::domain::settlement::{NewPayout, Settlement};
use crate::store;
use crate::store::plan::draft::{self, DuePayee};

/// How many earnings are decided on at once.
const PIECE: usize = 2_000;

/// How many rows are read of a draft at once.
pub(super) const PAGE: usize = 1_000;

/// After so many hours nobody is writing a draft any more.
const ABANDONED: TimeDelta = TimeDelta::hours(24);

/// A draft that is to be drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft<'a> {
    pub(super) run: &'a Run,
    /// Whose run it is.
    pub(super) author: MemberId,
    /// Its lines are of this plan, which is not there yet.
    pub(super) id: PlanId,
    /// The plan that it is compared with: what is included is only read, not written, as it will be
    /// the same. Only where no sums by payee decide.
    pub(super) like: Option<PlanId>,
}

/// Earnings, the facts of their issues, and which earning was the last.
type Piece = (Vec<Earning>, HashMap<IssueId, Facts>, EarningId);

/// What was drawn so far.
struct Drawing<'a> {
    draft: Draft<'a>,
    known: Known,
    digester: Digester,
    seen: usize,
    excluded: usize,
}

impl Drawing<'_> {
    /// Decides about the next piece and returns what is to be written of it.
    fn piece(&mut self, found: Vec<Earning>, facts: HashMap<IssueId, Facts>) -> Lines {
        self.seen += found.len();
        self.known.facts = facts;
        self.known.earnings = found.into_iter().map(|earning| (earning.issue, earning)).collect();
        let mut lines = lines(self.draft.run, &self.known, self.draft.author);
        lines.included.iter().for_each(|item| self.digester.item(item));
        self.excluded += lines.excluded.len();
        if self.draft.like.is_some() {
            lines.included.clear();
        }
        lines
    }
}

impl Payouts {
    /// Draws a run piece by piece.
    #[tracing::instrument(name = "payouts.draft", skip_all)]
    pub(super) async fn draft(&self, caller: &Caller, draft: Draft<'_>) -> Result<Sums, Error> {
        let ctx = &caller.ctx;
        self.begin_draft(ctx, draft.id).await?;
        let limits = self.limits(ctx).await?;
        let minimums = minimums(&limits, draft.run);
        let known = Known { limits: Limits { minimums: [].into(), ..limits }, ..Known::default() };
        let digester = Digester::default();
        let mut drawing = Drawing { draft, known, digester, seen: 0, excluded: 0 };
        let mut next = self.piece(caller, draft.run, None).await?;
        while let Some((found, facts, last)) = next {
            if drawing.seen + found.len() > MAX_CANDIDATES {
                return Err(PlanError::TooMany.into());
            }
            let lines = drawing.piece(found, facts);
            let items: Vec<&PlanItem> = lines.included.iter().chain(&lines.excluded).collect();
            let set = draft::lines(ctx, draft.id, &items);
            // The next piece is read while this one is written, which is never given up midway.
            let read = self.piece(caller, draft.run, Some(last));
            let (wrote, read) = tokio::join!(set.commit(&self.db), read);
            wrote.map_err(Error::Write)?;
            next = read?;
        }
        let Drawing { digester, excluded, .. } = drawing;
        match draft.like {
            Some(like) => {
                let excluded = i64::try_from(excluded).unwrap_or(i64::MAX);
                self.sums(ctx, draft.run, like, digester, excluded).await
            }
            None => self.summed(ctx, draft, digester, minimums).await,
        }
    }

    /// Reads the next earnings and the facts of their issues, and says which was the last.
    async fn piece(
        &self,
        caller: &Caller,
        run: &Run,
        after: Option<EarningId>,
    ) -> Result<Option<Piece>, Error> {
        let organization = caller.ctx.organization();
        let found =
            store::candidates::due(&self.db, organization, &run.filters, after, PIECE).await?;
        let Some(last) = found.last().map(|earning| earning.id) else { return Ok(None) };
        let facts = self.facts(caller, found.iter().map(|earning| earning.issue)).await?;
        Ok(Some((found, facts, last)))
    }

    /// Sums lines that are all there, and leaves out what does not reach a minimum.
    async fn summed(
        &self,
        ctx: &Ctx,
        draft: Draft<'_>,
        mut digester: Digester,
        minimums: Vec<Money>,
    ) -> Result<Sums, Error> {
        let (organization, id) = (ctx.organization(), draft.id);
        let tx = Tx::begin(&self.db, ctx).await?;
        draft::sum_payees(tx.conn(), organization, id).await?;
        for minimum in &minimums {
            let (currency, minor) = (minimum.currency(), minimum.minor());
            draft::leave_out_small(tx.conn(), organization, id, currency, minor).await?;
        }
        tx.commit().await.map_err(Error::Write)?;
        if !minimums.is_empty() {
            digester = self.digest_lines(ctx, id).await?;
        }
        let excluded = draft::count_excluded(self.db.conn(), organization, id).await?;
        self.sums(ctx, draft.run, id, digester, excluded).await
    }

    /// What lines of a plan come to.
    async fn sums(
        &self,
        ctx: &Ctx,
        run: &Run,
        lines: PlanId,
        mut digester: Digester,
        excluded_count: i64,
    ) -> Result<Sums, Error> {
        let mut totals = draft::totals(self.db.conn(), ctx.organization(), lines).await?;
        let item_count = totals.iter().map(|(_, count)| count).sum();
        let nettings = if run.nets() { self.nettings(ctx, run, lines).await? } else { vec![] };
        for netted in &nettings {
            digester.netted(netted);
            for (sum, _) in &mut totals {
                if sum.currency() == netted.amount.currency() {
                    *sum = sum.checked_add(netted.amount.checked_neg()?)?;
                }
            }
        }
        let digest = digester.finish();
        Ok(Sums { digest, totals, nettings, item_count, excluded_count })
    }

    /// The digest of what a draft includes, as it is stored.
    async fn digest_lines(&self, ctx: &Ctx, id: PlanId) -> Result<Digester, Error> {
        let (mut digester, mut after) = (Digester::default(), None);
        loop {
            let (conn, organization) = (self.db.conn(), ctx.organization());
            let items = store::plan::told_apart(conn, organization, id, true, after, PIECE).await?;
            let Some(last) = items.last() else { return Ok(digester) };
            after = Some(last.earning);
            for item in &items {
                digester.item(item);
            }
        }
    }

    /// What is kept back of the payees of a draft: as many as owe something.
    async fn nettings(&self, ctx: &Ctx, run: &Run, lines: PlanId) -> Result<Vec<Netted>, Error> {
        let (mut nettings, mut after): (Vec<Netted>, Option<DuePayee>) = (vec![], None);
        loop {
            let (conn, organization) = (self.db.conn(), ctx.organization());
            let payees = draft::payees(conn, organization, lines, after.as_ref(), PAGE).await?;
            let Some(last) = payees.last() else { return Ok(nettings) };
            after = Some(*last);
            let settlement = self.payouts_of(ctx, run, BatchId::new(), &payees).await?;
            let kept = settlement.payouts.iter().filter(|payout| payout.netted > 0);
            nettings.extend(kept.map(|payout| Netted {
                payee: payout.payee,
                amount: Money::signed(payout.netted, payout.total.currency()),
            }));
        }
    }

    /// Payouts of these payees, without their items; what they owe is kept back if the run says so.
    pub(super) async fn payouts_of(
        &self,
        ctx: &Ctx,
        run: &Run,
        batch: BatchId,
        payees: &[DuePayee],
    ) -> Result<Settlement, Error> {
        let mut totals = Totals::default();
        payees.iter().try_for_each(|due| totals.add(due.sum))?;
        let payout = |due: &DuePayee| NewPayout {
            id: payout_of(batch, due.payee, due.sum.currency()),
            payee: due.payee,
            total: due.sum,
            netted: 0,
            method: run.method,
            reference: run.reference.clone(),
            issues: vec![],
            item_count: usize::try_from(due.count).unwrap_or_default(),
        };
        let mut settlement = Settlement {
            batch: Some(batch),
            source: Source::RunBatch,
            payouts: payees.iter().map(payout).collect(),
            items: vec![],
            excluded: vec![],
            totals,
            receivables: vec![],
            nettings: vec![],
        };
        if run.nets() {
            let payees = settlement.payees().iter().map(|payee| payee.0).collect();
            let owed = store::receivable::open(&self.db, ctx.organization(), payees).await?;
            settlement.keep_back(owed)?;
        }
        Ok(settlement)
    }

    async fn begin_draft(&self, ctx: &Ctx, id: PlanId) -> Result<(), Error> {
        let abandoned = ctx.now - ABANDONED;
        let tx = Tx::begin(&self.db, ctx).await?;
        draft::remove(tx.conn(), ctx.organization(), Some(id), abandoned).await?;
        tx.insert(draft::begin(ctx, id)).await.map_err(Error::Write)?;
        tx.commit().await.map_err(Error::Write)
    }

    /// Takes a draft away with its lines.
    pub(super) async fn forget_draft(&self, ctx: &Ctx, id: PlanId) -> Result<(), Error> {
        let abandoned = ctx.now - ABANDONED;
        let tx = Tx::begin(&self.db, ctx).await?;
        draft::remove(tx.conn(), ctx.organization(), Some(id), abandoned).await?;
        tx.commit().await.map_err(Error::Write)
    }
}

/// The minimums that this run has to reach.
pub(super) fn minimums(limits: &Limits, run: &Run) -> Vec<Money> {
    let ours = limits.minimums.iter().filter(|((_, method), _)| *method == run.method);
    ours.map(|((currency, _), minor)| Money::signed(*minor, *currency)).collect()
}
