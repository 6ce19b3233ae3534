//! The ledger against itself, and, when it is to be deep, against the lines.

use std::collections::BTreeMap;

use quittance_chassis::db::Tx;
use quittance_kernel::{Ctx, IssueId, OrganizationId, Principal};
use uuid::Uuid;

use super::super::Balances;
use super::{Care, ReconcileError};
use crate::domain::{Finding, FindingKind, Position, Reconciliation};
use crate::store::{self, SourceKey};

/// How many lines are held against their entries at once.
const PAGE: u32 = 500;

impl Balances {
    /// Proves the chain and the balances; looks into the entries of each line when it is to be deep.
    pub(super) async fn compare_ledger(
        &self,
        ctx: &Ctx,
        organization: OrganizationId,
        care: Care,
        report: &mut Reconciliation,
    ) -> Result<(), ReconcileError> {
        let principal = Principal { organization, ..ctx.principal.clone() };
        let whose = Ctx { principal, ..ctx.clone() };
        let verdict = self.verify_ledger(&whose).await?;
        if !verdict.ok() {
            report.find(Finding {
                kind: FindingKind::Ledger,
                entity: "ledger".to_owned(),
                id: None,
                ours: format!("{:?}, sums {:?}", verdict.broken, verdict.totals),
                theirs: "an unbroken chain that sums to zero".to_owned(),
            });
        }
        if !care.deep {
            return Ok(());
        }
        let mut after = IssueId(Uuid::nil());
        loop {
            let page = store::line_page(&self.db, organization, after, PAGE).await?;
            let Some(last) = page.keys().next_back() else { return Ok(()) };
            after = IssueId(*last);
            let mut suspects: Vec<Uuid> = page.keys().copied().collect();
            // A second look under a lock: a batch of events moves lines and entries together.
            suspects = self.unlike(ctx, organization, &suspects, false).await?;
            for id in self.unlike(ctx, organization, &suspects, true).await? {
                report.find(Finding {
                    kind: FindingKind::Ledger,
                    entity: "line".to_owned(),
                    id: Some(id),
                    ours: "entries that do not add up to where the line stands".to_owned(),
                    theirs: String::new(),
                });
            }
        }
    }

    /// The lines whose entries do not add up to where they stand.
    async fn unlike(
        &self,
        ctx: &Ctx,
        organization: OrganizationId,
        issues: &[Uuid],
        hold: bool,
    ) -> Result<Vec<Uuid>, ReconcileError> {
        if issues.is_empty() {
            return Ok(Vec::new());
        }
        let book = store::current(&self.db, organization).await?;
        let tx = Tx::begin(&self.db, ctx).await?;
        let keys: Vec<_> = issues.iter().map(|issue| (book, IssueId(*issue))).collect();
        let lines = store::look(&tx, &keys, hold).await?;
        let sources: Vec<SourceKey> = issues.iter().map(|issue| (organization, *issue)).collect();
        let posted: BTreeMap<SourceKey, _> = store::posted(&tx, &sources).await?;
        tx.commit().await?;
        let mut unlike = Vec::new();
        for (key, line) in &lines {
            let nothing = Position::default();
            let had = posted.get(&(organization, key.1.0)).map_or(&nothing, |had| &had.position);
            let wanted = line.position().map_err(crate::domain::LedgerError::from)?;
            if !had.to(&wanted)?.is_empty() {
                unlike.push(key.1.0);
            }
        }
        Ok(unlike)
    }
}
