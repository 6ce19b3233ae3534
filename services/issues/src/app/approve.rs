use quittance_chassis::db::Tx;
use quittance_kernel::{Ctx, Money, MoneyError};

use super::{Answer, IssueDetail, Issues, Target};
use crate::domain::bounty::BountyError;
use crate::domain::issue::{Actor, Change, Issue};
use crate::domain::rates::{self, CUSTOM_RULE, MAX_AMOUNT, Price};
use crate::domain::view::Frame;
use crate::error::Error;
use crate::{instruments, store};

impl Issues {
    /// Approves an issue at the suggested amount, or at a custom one.
    #[tracing::instrument(name = "issues.approve", skip_all, fields(issue.id = %target.issue))]
    pub async fn approve(
        &self,
        ctx: &Ctx,
        target: Target,
        amount: Option<Money>,
        reason: Option<String>,
        answer: Answer<IssueDetail>,
    ) -> Result<IssueDetail, Error> {
        let mut tx = Tx::begin(&self.db, ctx).await?;
        let (found, actor) = self.open(&tx, target).await?;
        let change = approved(found.issue, &found.frame, amount, actor, reason)?;
        let issue = store::issue::save(&mut tx, change, &found.frame).await?;
        let detail = IssueDetail::from((issue, found.frame));
        answer.leave(&tx, &detail).await?;
        tx.commit().await?;
        self.bell.ring(&[detail.issue.reporter]);
        instruments::decided("approved");
        Ok(detail)
    }
}

/// Approves an issue that was loaded, without saving it.
pub(super) fn approved(
    issue: Issue,
    frame: &Frame,
    amount: Option<Money>,
    actor: Actor,
    reason: Option<String>,
) -> Result<Change, Error> {
    if issue.bounty.is_some() {
        return Err(BountyError::Submission(issue.id).into());
    }
    let price = match amount {
        None => rates::suggest(frame.rates.as_ref(), issue.severity),
        Some(amount) => custom(amount)?,
    };
    Ok(issue.approve(price, actor, reason)?)
}

fn custom(amount: Money) -> Result<Price, Error> {
    let refused = |error| Error::Money { field: "amount", error };
    let amount = Money::positive(amount.minor(), amount.currency()).map_err(refused)?;
    if MAX_AMOUNT < amount.minor() {
        return Err(refused(MoneyError::OutOfRange));
    }
    Ok(Price { amount, rule: CUSTOM_RULE.to_owned() })
}
