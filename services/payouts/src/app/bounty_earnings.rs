//! What contributors have earned by bounties.

use quittance_kernel::{Ctx, MemberId, PayoutId};

use super::bounty_payments::ShownPayment;
use super::read_payouts::sees;
use super::{Error, Payouts};
use crate::domain::account::AccountError;
use crate::store;
use crate::store::bounty_earnings::{Line, Total};

/// How many payouts of each kind are listed.
const SHOWN: u32 = 200;

/// What a member has earned.
#[derive(Clone, Debug)]
pub(crate) struct Earned {
    pub(crate) lines: Vec<Line>,
    pub(crate) totals: Vec<Total>,
}

impl Payouts {
    /// Shows what a member has earned. Members see their own.
    #[tracing::instrument(name = "bounties.earnings", skip_all)]
    pub(crate) async fn bounty_earnings(
        &self,
        ctx: &Ctx,
        member: MemberId,
    ) -> Result<Earned, Error> {
        if !sees(ctx, member) {
            return Err(AccountError::MemberNotFound(member).into());
        }
        let organization = ctx.organization();
        let read =
            |fixed| store::bounty_earnings::lines(&self.db, organization, member, fixed, SHOWN);
        let mut lines = read(true).await?;
        lines.extend(read(false).await?);
        let totals = store::bounty_earnings::totals(&self.db, organization, member).await?;
        Ok(Earned { lines, totals })
    }

    /// Shows the payment of a bounty by its payout; none if the payout is of something else.
    pub(crate) async fn payment_of_payout(
        &self,
        ctx: &Ctx,
        id: PayoutId,
    ) -> Result<Option<ShownPayment>, Error> {
        let (conn, organization) = (self.db.conn(), ctx.organization());
        match store::bounty_payment::of_payout(conn, organization, id).await? {
            Some(payment) => self.bounty_payment(ctx, payment.issue).await,
            None => Ok(None),
        }
    }
}
