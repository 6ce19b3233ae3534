//! The tables of this service: rows are private to the modules below.

pub(crate) mod account;
pub(crate) mod approval;
pub(crate) mod attempt;
pub(crate) mod bounty_earnings;
pub(crate) mod bounty_payment;
pub(crate) mod candidates;
pub(crate) mod charge;
pub(crate) mod charge_outcome;
pub(crate) mod commission;
pub(crate) mod due;
pub(crate) mod earning;
pub(crate) mod execution;
pub(crate) mod hold;
pub(crate) mod job;
pub(crate) mod lifecycle;
pub(crate) mod lifecycle_read;
pub(crate) mod outcome;
pub(crate) mod partner;
pub(crate) mod partner_read;
pub(crate) mod partner_undo;
pub(crate) mod payer;
pub(crate) mod payout;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod pre_fund;
pub(crate) mod profit;
pub(crate) mod queue;
pub(crate) mod quote;
pub(crate) mod rail;
pub(crate) mod receivable;
pub(crate) mod review;
pub(crate) mod rules;
pub(crate) mod schedule;
pub(crate) mod settlement;
mod sql;
pub(crate) mod stream;

pub(crate) use self::sql::Sql;
use quittance_kernel::Money;
use sea_orm::DbErr;
use uuid::Uuid;

/// What can go wrong when rows are read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("row {id} of `{table}` is inconsistent in `{column}`")]
    Corrupt { table: &'static str, id: Uuid, column: &'static str },
    #[error("database failure")]
    Database(#[from] DbErr),
}

/// Reads an amount back.
fn money(table: &'static str, id: Uuid, minor: i64, code: &str) -> Result<Money, StoreError> {
    let currency =
        code.parse().map_err(|_| StoreError::Corrupt { table, id, column: "currency" })?;
    Ok(Money::signed(minor, currency))
}
