//! Money that the sandbox takes and gives back.

use quittance_chassis::clock;
use quittance_chassis::db::{Column, Insert, WriteError, WriteSet};
use sea_orm::{DbErr, FromQueryResult};
use uuid::Uuid;

use super::{FLAKY, Sandbox};
use crate::domain::attempt::Answer;
use crate::domain::charge::Charged;
use crate::rail::{Charge, GiveBack};
use crate::store::Sql;

/// A payer who has to confirm a charge has done so when it is asked for so often.
const CONFIRMED_AFTER: i64 = 3;

#[derive(FromQueryResult)]
struct Row {
    payment_method: String,
    state: String,
    code: String,
    asked: i64,
}

impl Row {
    fn charged(&self, attempt: Uuid) -> Charged {
        let reference = format!("py_{}", attempt.simple());
        let code = self.code.clone();
        match self.state.as_str() {
            "succeeded" => Charged::Succeeded { reference },
            "needs_action" => Charged::NeedsAction { reference },
            "retryable" => Charged::Retryable { code },
            _ => Charged::Declined { code },
        }
    }

    /// What a payer's bank makes of a charge that waits for them, and why it refuses.
    fn confirmed(&self) -> Option<(&'static str, &'static str)> {
        let is = |prefix: &str| self.payment_method.starts_with(prefix);
        if self.state != "needs_action" || is("pm_action_never_") || self.asked < CONFIRMED_AFTER {
            return None;
        }
        if is("pm_action_decline_") {
            return Some(("declined", "authentication_failed"));
        }
        Some(("succeeded", ""))
    }
}

impl Sandbox {
    /// Takes a charge: decides by the payment method, once per key, and counts it.
    pub(super) async fn take_charge(&self, charge: &Charge) -> Result<Charged, WriteError> {
        let is = |prefix: &str| charge.payment_method.starts_with(prefix);
        let (state, code) = if is("pm_flaky_") && self.busy(charge).await? < FLAKY {
            ("retryable", "provider_busy")
        } else if is("pm_decline_") {
            ("declined", "card_declined")
        } else if is("pm_action_") {
            ("needs_action", "")
        } else {
            ("succeeded", "")
        };
        let mut set = WriteSet::new();
        set.insert(
            Insert::into("sandbox_charges")
                .column("attempt_id", Column::Uuid(vec![charge.attempt]))
                .column("transfer_group", Column::same_text(Some(&charge.group)))
                .column("customer_id", Column::same_text(Some(&charge.customer)))
                .column("payment_method", Column::same_text(Some(&charge.payment_method)))
                .column("amount_minor", Column::same_i64(Some(charge.amount.minor())))
                .column("currency", Column::same_text(Some(charge.amount.currency().code())))
                .column("state", Column::same_text(Some(state)))
                .column("code", Column::same_text(Some(code)))
                .column("calls", Column::same_i64(Some(1)))
                .column("asked", Column::same_i64(Some(0)))
                .column("created_at", Column::same_time(Some(clock::now())))
                .on_conflict(
                    "ON CONFLICT (attempt_id) DO UPDATE SET calls = sandbox_charges.calls + 1",
                ),
        );
        set.commit(&self.db).await?;
        let known = self.find_charge(charge.attempt).await?;
        Ok(known.map_or(Charged::Unknown, |row| row.charged(charge.attempt)))
    }

    /// What is known of a charge. Whoever has to confirm it has done so after a while.
    pub(super) async fn asked_charge(&self, attempt: Uuid) -> Result<Option<Charged>, WriteError> {
        let Some(row) = self.find_charge(attempt).await? else { return Ok(None) };
        if row.state != "needs_action" {
            return Ok(Some(row.charged(attempt)));
        }
        let (state, code) = row.confirmed().unwrap_or(("needs_action", ""));
        Sql::new(self.db.backend(), "UPDATE sandbox_charges SET asked = asked + 1")
            .bind(", state = ", state)
            .bind(", code = ", code)
            .bind(" WHERE state = 'needs_action' AND attempt_id = ", attempt)
            .execute(self.db.conn())
            .await?;
        Ok(self.find_charge(attempt).await?.map(|row| row.charged(attempt)))
    }

    /// Gives money back: what moved moves back, once per key.
    pub(super) async fn give_back(&self, prefix: &str, back: &GiveBack) -> Answer {
        let mut set = WriteSet::new();
        set.insert(
            Insert::into("sandbox_returns")
                .column("attempt_id", Column::Uuid(vec![back.attempt]))
                .column("reference", Column::same_text(Some(&back.reference)))
                .column("amount_minor", Column::same_i64(Some(back.amount.minor())))
                .column("currency", Column::same_text(Some(back.amount.currency().code())))
                .column("calls", Column::same_i64(Some(1)))
                .column("created_at", Column::same_time(Some(clock::now())))
                .on_conflict(
                    "ON CONFLICT (attempt_id) DO UPDATE SET calls = sandbox_returns.calls + 1",
                ),
        );
        match set.commit(&self.db).await {
            Ok(()) => Answer::Sent { reference: format!("{prefix}_{}", back.attempt.simple()) },
            // One name moves back once: the index knows it under another key.
            Err(WriteError::Duplicate(_)) => {
                Answer::Declined { code: "already_given_back".to_owned() }
            }
            Err(error) => {
                super::noticed(&error);
                Answer::Unknown
            }
        }
    }

    /// Earlier calls for the same payment that the provider was too busy for.
    async fn busy(&self, charge: &Charge) -> Result<i64, DbErr> {
        let text = "SELECT count(*) FROM sandbox_charges WHERE state = 'retryable' \
                    AND transfer_group = ";
        let sql = Sql::new(self.db.backend(), "")
            .bind(text, charge.group.as_str())
            .bind(" AND attempt_id <> ", charge.attempt);
        let rows = sql.rows(self.db.conn()).await?;
        rows.first().map_or(Ok(0), |row| row.try_get_by_index(0))
    }

    async fn find_charge(&self, attempt: Uuid) -> Result<Option<Row>, DbErr> {
        let text = "SELECT payment_method, state, code, asked FROM sandbox_charges \
                    WHERE attempt_id = ";
        Sql::new(self.db.backend(), "").bind(text, attempt).one(self.db.conn()).await
    }
}
