//! A provider that moves nothing and behaves as the account's id says. What it remembers is in a
//! table, so that it survives a crash of ours as a real one would.
//!
//! It charges as the payment method's id says: `pm_decline_…` declines, `pm_flaky_…` is busy twice,
//! `pm_timeout_…` takes the money and says nothing, `pm_slow_…` is slow, `pm_action_…` has to be
//! confirmed (`pm_action_never_…` never is, `pm_action_decline_…` is refused then); any other one
//! succeeds.

mod charges;

use std::time::Duration;

use async_trait::async_trait;
use quittance_chassis::clock;
use quittance_chassis::db::{Column, Db, Insert, WriteError, WriteSet};
use sea_orm::{DbErr, FromQueryResult};
use uuid::Uuid;

use super::{Asked, AskedCharge, Charge, GiveBack, Rail, Transfer};
use crate::domain::attempt::Answer;
use crate::domain::charge::Charged;
use crate::store::Sql;

/// How long `acct_slow_…` takes.
const SLOW: Duration = Duration::from_millis(500);
/// How often `acct_flaky_…` fails before it pays.
const FLAKY: i64 = 2;

#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    db: Db,
}

#[derive(FromQueryResult)]
struct Row {
    moved: bool,
    retryable: bool,
    code: String,
}

impl Row {
    fn answer(self, attempt: Uuid) -> Answer {
        match (self.moved, self.retryable) {
            (true, _) => Answer::Sent { reference: format!("tr_{}", attempt.simple()) },
            (false, true) => Answer::Retryable { code: self.code },
            (false, false) => Answer::Declined { code: self.code },
        }
    }
}

impl Sandbox {
    pub(crate) fn new(db: Db) -> Self {
        Self { db }
    }

    /// Takes a call: decides by the account, once per key, and counts it.
    async fn take(&self, transfer: &Transfer) -> Result<Answer, WriteError> {
        let is = |prefix: &str| transfer.account.starts_with(prefix);
        let (moved, retryable, code) = if is("acct_flaky_") {
            let failed = self.failures(transfer).await?;
            (failed >= FLAKY, true, "provider_busy")
        } else if is("acct_ok_") || is("acct_slow_") || is("acct_timeout_") {
            (true, false, "")
        } else if is("acct_decline_") {
            (false, false, "account_closed")
        } else if is("acct_transferfail_") {
            (false, false, "transfer_failed")
        } else {
            (false, false, "no_such_account")
        };
        let mut set = WriteSet::new();
        set.insert(
            Insert::into("sandbox_transfers")
                .column("attempt_id", Column::Uuid(vec![transfer.attempt]))
                .column("payout_id", Column::same_uuid(Some(transfer.payout.0)))
                .column("account_id", Column::same_text(Some(&transfer.account)))
                .column("amount_minor", Column::same_i64(Some(transfer.amount.minor())))
                .column("currency", Column::same_text(Some(transfer.amount.currency().code())))
                .column("moved", Column::Same(moved.into(), "boolean"))
                .column("retryable", Column::Same(retryable.into(), "boolean"))
                .column("code", Column::same_text(Some(code)))
                .column("calls", Column::same_i64(Some(1)))
                .column("created_at", Column::same_time(Some(clock::now())))
                .on_conflict(
                    "ON CONFLICT (attempt_id) DO UPDATE SET calls = sandbox_transfers.calls + 1",
                ),
        );
        set.commit(&self.db).await?;
        let known = self.find(transfer.attempt).await?;
        Ok(known.map_or(Answer::Unknown, |row| row.answer(transfer.attempt)))
    }

    /// Earlier calls for the same payout that failed.
    async fn failures(&self, transfer: &Transfer) -> Result<i64, DbErr> {
        let text = "SELECT count(*) FROM sandbox_transfers WHERE NOT moved AND payout_id = ";
        let sql = Sql::new(self.db.backend(), "")
            .bind(text, transfer.payout.0)
            .bind(" AND attempt_id <> ", transfer.attempt);
        let rows = sql.rows(self.db.conn()).await?;
        rows.first().map_or(Ok(0), |row| row.try_get_by_index(0))
    }

    async fn find(&self, attempt: Uuid) -> Result<Option<Row>, DbErr> {
        let text = "SELECT moved, retryable, code FROM sandbox_transfers WHERE attempt_id = ";
        Sql::new(self.db.backend(), "").bind(text, attempt).one(self.db.conn()).await
    }
}

#[async_trait]
impl Rail for Sandbox {
    async fn send(&self, transfer: &Transfer) -> Answer {
        let charge = transfer.charge.as_deref().unwrap_or_default();
        tracing::debug!(group = transfer.group(), charge, "the sandbox is to pay");
        if transfer.account.starts_with("acct_slow_") {
            tokio::time::sleep(SLOW).await;
        }
        match self.take(transfer).await {
            // It was accepted, and the answer is lost on its way.
            Ok(Answer::Sent { .. }) if transfer.account.starts_with("acct_timeout_") => {
                Answer::Unknown
            }
            Ok(answer) => answer,
            Err(error) => {
                noticed(&error);
                Answer::Unknown
            }
        }
    }

    async fn ask(&self, transfer: &Transfer) -> Asked {
        match self.find(transfer.attempt).await {
            Ok(Some(row)) => Asked::Known(row.answer(transfer.attempt)),
            Ok(None) => Asked::NeverArrived,
            Err(_) => Asked::Unclear,
        }
    }

    async fn charge(&self, charge: &Charge) -> Charged {
        let is = |prefix: &str| charge.payment_method.starts_with(prefix);
        if is("pm_slow_") {
            tokio::time::sleep(SLOW).await;
        }
        match self.take_charge(charge).await {
            // The money was taken, and the answer is lost on its way.
            Ok(Charged::Succeeded { .. }) if is("pm_timeout_") => Charged::Unknown,
            Ok(charged) => charged,
            Err(error) => {
                noticed(&error);
                Charged::Unknown
            }
        }
    }

    async fn ask_charge(&self, charge: &Charge) -> AskedCharge {
        match self.asked_charge(charge.attempt).await {
            Ok(Some(charged)) => AskedCharge::Known(charged),
            Ok(None) => AskedCharge::NeverArrived,
            Err(error) => {
                noticed(&error);
                AskedCharge::Unclear
            }
        }
    }

    async fn reverse(&self, back: &GiveBack) -> Answer {
        self.give_back("trr", back).await
    }

    async fn refund(&self, back: &GiveBack) -> Answer {
        self.give_back("re", back).await
    }

    fn test_payer(&self) -> Option<&'static str> {
        Some("pm_card_visa")
    }
}

fn noticed(error: &WriteError) {
    tracing::warn!(error = %quittance_chassis::problem::chain(error), "sandbox");
}
