//! Everything that can go wrong here, and what a caller may know of it.

use std::collections::HashMap;

use quittance_chassis::db::{IdempotencyError, WriteError};
use quittance_chassis::problem::{Problem, status};
use quittance_kernel::{MoneyError, PageError, PayoutId};
use sea_orm::DbErr;
use tonic::{Code, Status};

use crate::domain::account::AccountError;
use crate::domain::hold::HoldError;
use crate::domain::job::JobError;
use crate::domain::lifecycle::LifecycleError;
use crate::domain::order::OrderError;
use crate::domain::partner::PartnerError;
use crate::domain::payer::PayerError;
use crate::domain::plan::PlanError;
use crate::domain::pre_fund::PreFundError;
use crate::domain::profit::ProfitError;
use crate::domain::rail::RailError;
use crate::domain::schedule::ScheduleError;
use crate::keyring::SealError;
use crate::store::StoreError;

/// An error of this service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("a total is out of range")]
    Total(#[from] MoneyError),
    #[error("leads may not pay in this organization")]
    LeadMayNotPay,
    #[error("only admins may run batches")]
    AdminOnly,
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Partner(#[from] PartnerError),
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    #[error(transparent)]
    Rail(#[from] RailError),
    #[error(transparent)]
    Profit(#[from] ProfitError),
    #[error(transparent)]
    Payer(#[from] PayerError),
    #[error(transparent)]
    PreFund(#[from] PreFundError),
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Job(#[from] JobError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("payout {0} not found")]
    PayoutNotFound(PayoutId),
    #[error(transparent)]
    Page(#[from] PageError),
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// Every try met another change of the same earnings.
    #[error("the earnings are being changed by others, try again")]
    Contended,
    /// The issues service could not tell the facts.
    #[error("the issues service did not answer")]
    Facts(#[source] Box<Status>),
    /// An answer that this service does not understand.
    #[error("{0} cannot be read")]
    Unreadable(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("database failure")]
    Database(#[from] DbErr),
    #[error("database failure")]
    Write(#[source] WriteError),
}

impl Problem for Error {
    const DOMAIN: &'static str = "payouts";

    fn code(&self) -> Code {
        match self {
            Self::Order(_)
            | Self::Total(_)
            | Self::Payer(_)
            | Self::PreFund(_)
            | Self::Page(_)
            | Self::Idempotency(IdempotencyError::Reused | IdempotencyError::BadKey) => {
                Code::InvalidArgument
            }
            Self::LeadMayNotPay | Self::AdminOnly => Code::PermissionDenied,
            Self::Plan(error) => error.code(),
            Self::Partner(error) => error.code(),
            Self::Lifecycle(error) => error.code(),
            Self::Rail(error) => error.code(),
            Self::Account(error) => error.code(),
            Self::Job(error) => error.code(),
            Self::Schedule(error) => error.code(),
            Self::Hold(error) => error.code(),
            Self::Profit(error) => error.code(),
            Self::PayoutNotFound(_) => Code::NotFound,
            Self::Contended => Code::Aborted,
            Self::Facts(cause) => facts_code(cause.code()),
            Self::Unreadable(_)
            | Self::Store(_)
            | Self::Seal(_)
            | Self::Database(_)
            | Self::Write(_)
            | Self::Idempotency(IdempotencyError::Database(_)) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Order(OrderError::Empty { .. }) => "EMPTY_BATCH",
            Self::Order(OrderError::TooLarge(_)) => "BATCH_TOO_LARGE",
            Self::Order(OrderError::Duplicate { .. }) => "DUPLICATE_ISSUE",
            Self::Order(OrderError::NotManual { .. }) => "METHOD_NOT_ALLOWED",
            Self::Order(OrderError::Reference { .. })
            | Self::Payer(_)
            | Self::PreFund(_)
            | Self::Page(PageError::NegativeSize)
            | Self::Idempotency(IdempotencyError::BadKey) => "INVALID_FIELD",
            Self::Total(_) => "AMOUNT_OUT_OF_RANGE",
            Self::Page(PageError::BadToken) => "PAGE_TOKEN_INVALID",
            Self::Idempotency(IdempotencyError::Reused) => "IDEMPOTENCY_KEY_REUSED",
            Self::LeadMayNotPay => "LEAD_MAY_NOT_PAY",
            Self::AdminOnly => "ROLE_REQUIRED",
            Self::Plan(error) => error.reason(),
            Self::Partner(error) => error.reason(),
            Self::Lifecycle(error) => error.reason(),
            Self::Rail(error) => error.reason(),
            Self::Account(error) => error.reason(),
            Self::Job(error) => error.reason(),
            Self::Schedule(error) => error.reason(),
            Self::Hold(error) => error.reason(),
            Self::Profit(error) => error.reason(),
            Self::PayoutNotFound(_) => "PAYOUT_NOT_FOUND",
            Self::Contended => "CONTENDED",
            Self::Facts(cause) => facts_reason(facts_code(cause.code())),
            Self::Unreadable(_)
            | Self::Store(_)
            | Self::Seal(_)
            | Self::Database(_)
            | Self::Write(_)
            | Self::Idempotency(IdempotencyError::Database(_)) => "INTERNAL",
        }
    }

    fn fields(&self) -> Vec<(String, String)> {
        let field = |name: &str, text: String| vec![(name.to_owned(), text)];
        match self {
            Self::Order(OrderError::Empty { field: name }) => {
                field(name, "must not be empty".to_owned())
            }
            Self::Order(OrderError::TooLarge(_)) => field("groups", self.to_string()),
            Self::Order(
                OrderError::Duplicate { field: name, .. }
                | OrderError::NotManual { field: name, .. },
            ) => field(name, self.to_string()),
            Self::Order(OrderError::Reference { field: name, detail }) => {
                field(name, (*detail).to_owned())
            }
            Self::Page(PageError::NegativeSize) => field("page_size", self.to_string()),
            Self::Page(PageError::BadToken) => field("page_token", self.to_string()),
            Self::Idempotency(IdempotencyError::BadKey) => field("request_id", self.to_string()),
            Self::Plan(error) => error.fields(),
            Self::Partner(error) => error.fields(),
            Self::Lifecycle(error) => error.fields(),
            Self::Account(error) => error.fields(),
            Self::Job(error) => error.fields(),
            Self::Schedule(error) => error.fields(),
            Self::Hold(error) => error.fields(),
            Self::Profit(error) => error.fields(),
            Self::Payer(error) => field(error.field, error.detail.to_owned()),
            Self::PreFund(error) => field(error.field, error.detail.to_owned()),
            Self::Total(_)
            | Self::Rail(_)
            | Self::LeadMayNotPay
            | Self::AdminOnly
            | Self::PayoutNotFound(_)
            | Self::Contended
            | Self::Facts(_)
            | Self::Unreadable(_)
            | Self::Store(_)
            | Self::Seal(_)
            | Self::Database(_)
            | Self::Write(_)
            | Self::Idempotency(IdempotencyError::Reused | IdempotencyError::Database(_)) => vec![],
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::Order(OrderError::Duplicate { issue, .. }) => {
                HashMap::from([("issue_id".to_owned(), issue.to_string())])
            }
            Self::Plan(error) => error.metadata(),
            Self::Partner(error) => error.metadata(),
            Self::Lifecycle(error) => error.metadata(),
            Self::Schedule(error) => error.metadata(),
            Self::Hold(error) => error.metadata(),
            Self::Order(_)
            | Self::Rail(_)
            | Self::Total(_)
            | Self::Account(_)
            | Self::Job(_)
            | Self::Profit(_)
            | Self::Payer(_)
            | Self::PreFund(_)
            | Self::LeadMayNotPay
            | Self::AdminOnly
            | Self::PayoutNotFound(_)
            | Self::Page(_)
            | Self::Idempotency(_)
            | Self::Contended
            | Self::Facts(_)
            | Self::Unreadable(_)
            | Self::Store(_)
            | Self::Seal(_)
            | Self::Database(_)
            | Self::Write(_) => HashMap::new(),
        }
    }
}

/// What a caller can do when the issues service refused us.
fn facts_code(code: Code) -> Code {
    match code {
        // A client that waits no longer reports its own timeout as a cancellation.
        Code::DeadlineExceeded | Code::Cancelled => Code::DeadlineExceeded,
        // A connection that breaks during the call is `Unknown`.
        Code::Unavailable | Code::ResourceExhausted | Code::Unknown => Code::Unavailable,
        Code::PermissionDenied => Code::PermissionDenied,
        Code::Unauthenticated => Code::Unauthenticated,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => Code::Internal,
    }
}

fn facts_reason(code: Code) -> &'static str {
    if code == Code::DeadlineExceeded {
        return "DEADLINE_EXCEEDED";
    }
    if code == Code::Unavailable {
        return "ISSUES_UNAVAILABLE";
    }
    if code == Code::Internal { "INTERNAL" } else { "ISSUES_REFUSED" }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        status(&error)
    }
}
