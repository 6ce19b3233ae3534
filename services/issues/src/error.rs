//! What can go wrong in this service, and what a caller may know of it.

use std::collections::HashMap;

use quittance_chassis::db::{Idempotency, IdempotencyError, WriteError};
use quittance_chassis::problem::{INVALID_FIELD, Problem, status};
use quittance_kernel::{CycleId, MemberId, MoneyError, PageError, ParseIdError};
use sea_orm::DbErr;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::domain::api_key::ApiKeyError;
use crate::domain::attachment::{AttachmentError, Media};
use crate::domain::bounty::BountyError;
use crate::domain::identity::IdentityError;
use crate::domain::impersonation::ImpersonationError;
use crate::domain::issue::IssueError;
use crate::domain::rates::RatesError;
use crate::domain::text::FieldError;
use crate::domain::webhook::WebhookError;
use crate::files::FilesError;
pub use crate::store::StoreError;

/// What was looked for and is not there, or not for this caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Member,
    Product,
    Cycle,
    Issue,
    Attachment,
    Bounty,
    Claim,
    ApiKey,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Member => "member",
            Self::Product => "product",
            Self::Cycle => "cycle",
            Self::Issue => "issue",
            Self::Attachment => "attachment",
            Self::Bounty => "bounty",
            Self::Claim => "claim",
            Self::ApiKey => "key",
        })
    }
}

/// Every refusal and failure of this service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Field(#[from] FieldError),
    #[error(transparent)]
    Rule(#[from] IssueError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Impersonation(#[from] ImpersonationError),
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error(transparent)]
    Bounty(#[from] BountyError),
    #[error(transparent)]
    Rates(#[from] RatesError),
    #[error("{field}: {error}")]
    Money { field: &'static str, error: MoneyError },
    #[error("{field}: {error}")]
    Id { field: String, error: ParseIdError },
    #[error("{0} {1} not found")]
    NotFound(Kind, Uuid),
    #[error("cycle {0} is closed")]
    CycleClosed(CycleId),
    #[error("member {0} is the last admin of the organization")]
    LastAdmin(MemberId),
    #[error("the key {0} is taken by another product")]
    ProductKeyTaken(String),
    #[error("{0} is in the request more than once")]
    DuplicateId(Uuid),
    #[error("{field} has {found} entries; between {least} and {most} are accepted")]
    Count { field: &'static str, found: usize, least: usize, most: usize },
    #[error("version {wanted} was expected, it is {found}")]
    StaleVersion { wanted: i64, found: i64 },
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
    #[error("the files of attachments cannot be used")]
    Files(#[from] FilesError),
    #[error("only in development mode")]
    DevelopmentOnly,
    #[error(transparent)]
    Page(#[from] PageError),
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        Self::Store(error.into())
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        status(&error)
    }
}

impl Error {
    /// Whether a write was refused because its idempotency key was used in the meantime.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        match self {
            Self::Store(StoreError::Duplicate(text)) => Idempotency::refused_by(text),
            Self::Store(
                StoreError::Stale | StoreError::Corrupt { .. } | StoreError::Database(_),
            )
            | Self::Field(_)
            | Self::Rule(_)
            | Self::Identity(_)
            | Self::Impersonation(_)
            | Self::ApiKey(_)
            | Self::Webhook(_)
            | Self::Bounty(_)
            | Self::Rates(_)
            | Self::Money { .. }
            | Self::Id { .. }
            | Self::NotFound(..)
            | Self::CycleClosed(_)
            | Self::LastAdmin(_)
            | Self::ProductKeyTaken(_)
            | Self::DuplicateId(_)
            | Self::Count { .. }
            | Self::StaleVersion { .. }
            | Self::Attachment(_)
            | Self::Files(_)
            | Self::DevelopmentOnly
            | Self::Page(_)
            | Self::Idempotency(_) => false,
        }
    }
}

impl Problem for Error {
    const DOMAIN: &'static str = "issues";

    fn code(&self) -> Code {
        match self {
            Self::Field(_)
            | Self::Rates(_)
            | Self::Money { .. }
            | Self::Id { .. }
            | Self::DuplicateId(_)
            | Self::Count { .. }
            | Self::Page(_)
            | Self::Rule(IssueError::ReasonRequired(_) | IssueError::BadOriginal(_))
            | Self::Attachment(AttachmentError::Type | AttachmentError::Broken)
            | Self::Idempotency(IdempotencyError::Reused | IdempotencyError::BadKey) => {
                Code::InvalidArgument
            }
            Self::Bounty(error) => error.code(),
            Self::Attachment(AttachmentError::TooLarge(_)) => Code::OutOfRange,
            Self::Files(_) => Code::Unavailable,
            Self::Attachment(AttachmentError::TooMany | AttachmentError::Kept)
            | Self::Rule(IssueError::Transition(_) | IssueError::DuplicateLoop(_))
            | Self::CycleClosed(_)
            | Self::LastAdmin(_)
            | Self::ApiKey(ApiKeyError::Full)
            | Self::Webhook(WebhookError::Full | WebhookError::Disabled) => {
                Code::FailedPrecondition
            }
            Self::Rule(IssueError::SelfApproval(_) | IssueError::NotPermitted(_))
            | Self::Identity(IdentityError::EmailNotVerified)
            | Self::ApiKey(ApiKeyError::Roles | ApiKeyError::Viewing)
            | Self::Impersonation(
                ImpersonationError::Chained
                | ImpersonationError::Yourself
                | ImpersonationError::BeyondTheOrganization,
            )
            | Self::DevelopmentOnly => Code::PermissionDenied,
            Self::Impersonation(ImpersonationError::Ended) | Self::ApiKey(ApiKeyError::Dead) => {
                Code::Unauthenticated
            }
            Self::NotFound(..)
            | Self::Identity(IdentityError::Stranger)
            | Self::Webhook(WebhookError::NoEndpoint | WebhookError::NoDelivery) => Code::NotFound,
            Self::ProductKeyTaken(_) | Self::Identity(IdentityError::Conflict) => {
                Code::AlreadyExists
            }
            Self::StaleVersion { .. }
            | Self::Store(StoreError::Stale | StoreError::Duplicate(_)) => Code::Aborted,
            Self::Store(error) if error.is_transient() => Code::Unavailable,
            Self::Store(StoreError::Corrupt { .. } | StoreError::Database(_))
            | Self::Idempotency(IdempotencyError::Database(_)) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Field(_)
            | Self::Id { .. }
            | Self::Rule(IssueError::ReasonRequired(_) | IssueError::BadOriginal(_))
            | Self::Idempotency(IdempotencyError::BadKey)
            | Self::Page(PageError::NegativeSize) => INVALID_FIELD,
            Self::Bounty(error) => error.reason(),
            Self::Rates(RatesError::Incomplete { .. }) => "RATES_INCOMPLETE",
            Self::Money { error: MoneyError::UnknownCurrency(_), .. } => "UNKNOWN_CURRENCY",
            Self::Rates(RatesError::OutOfRange(_))
            | Self::Money {
                error:
                    MoneyError::NotPositive | MoneyError::OutOfRange | MoneyError::CurrencyMismatch(..),
                ..
            } => "INVALID_AMOUNT",
            Self::DuplicateId(_) => "DUPLICATE_ID",
            Self::Count { .. } => "COUNT_OUT_OF_RANGE",
            Self::Page(PageError::BadToken) => "PAGE_TOKEN_INVALID",
            Self::Idempotency(IdempotencyError::Reused) => "IDEMPOTENCY_KEY_REUSED",
            Self::Rule(IssueError::Transition(_)) => "INVALID_TRANSITION",
            Self::Rule(IssueError::SelfApproval(_)) => "SELF_APPROVAL",
            Self::Rule(IssueError::NotPermitted(_)) => "ROLE_REQUIRED",
            Self::Rule(IssueError::DuplicateLoop(_)) => "DUPLICATE_LOOP",
            Self::CycleClosed(_) => "CYCLE_CLOSED",
            Self::LastAdmin(_) => "LAST_ADMIN",
            Self::DevelopmentOnly => "DEVELOPMENT_ONLY",
            Self::Identity(IdentityError::EmailNotVerified) => "EMAIL_NOT_VERIFIED",
            Self::Identity(IdentityError::Conflict) => "IDENTITY_CONFLICT",
            Self::Impersonation(ImpersonationError::Chained)
            | Self::ApiKey(ApiKeyError::Viewing) => "IMPERSONATION_READ_ONLY",
            Self::Webhook(WebhookError::Full) => "WEBHOOKS_FULL",
            Self::Webhook(WebhookError::Disabled) => "WEBHOOK_DISABLED",
            Self::Webhook(WebhookError::NoEndpoint) => "WEBHOOK_NOT_FOUND",
            Self::Webhook(WebhookError::NoDelivery) => "DELIVERY_NOT_FOUND",
            Self::ApiKey(ApiKeyError::Roles) => "API_KEY_ROLES",
            Self::ApiKey(ApiKeyError::Full) => "API_KEYS_FULL",
            Self::ApiKey(ApiKeyError::Dead) => "API_KEY_INVALID",
            Self::NotFound(Kind::ApiKey, _) => "API_KEY_NOT_FOUND",
            Self::Impersonation(
                ImpersonationError::Yourself | ImpersonationError::BeyondTheOrganization,
            ) => "IMPERSONATION_NOT_ALLOWED",
            Self::Impersonation(ImpersonationError::Ended) => "IMPERSONATION_ENDED",
            Self::Identity(IdentityError::Stranger) | Self::NotFound(Kind::Member, _) => {
                "MEMBER_NOT_FOUND"
            }
            Self::NotFound(Kind::Product, _) => "PRODUCT_NOT_FOUND",
            Self::NotFound(Kind::Cycle, _) => "CYCLE_NOT_FOUND",
            Self::NotFound(Kind::Issue, _) => "ISSUE_NOT_FOUND",
            Self::NotFound(Kind::Attachment, _) => "ATTACHMENT_NOT_FOUND",
            Self::NotFound(Kind::Bounty, _) => "BOUNTY_NOT_FOUND",
            Self::NotFound(Kind::Claim, _) => "CLAIM_NOT_FOUND",
            Self::Attachment(AttachmentError::TooLarge(_)) => "ATTACHMENT_TOO_LARGE",
            Self::Attachment(AttachmentError::Type) => "ATTACHMENT_TYPE_REFUSED",
            Self::Attachment(AttachmentError::TooMany) => "ATTACHMENTS_FULL",
            Self::Attachment(AttachmentError::Kept) => "ATTACHMENT_KEPT",
            Self::Attachment(AttachmentError::Broken) => "BODY_UNREADABLE",
            Self::Files(_) => "FILES_UNAVAILABLE",
            Self::ProductKeyTaken(_) => "PRODUCT_KEY_TAKEN",
            Self::StaleVersion { .. }
            | Self::Store(StoreError::Stale | StoreError::Duplicate(_)) => "STALE_VERSION",
            Self::Store(error) if error.is_transient() => "DATABASE_BUSY",
            Self::Store(StoreError::Corrupt { .. } | StoreError::Database(_))
            | Self::Idempotency(IdempotencyError::Database(_)) => "INTERNAL",
        }
    }

    fn fields(&self) -> Vec<(String, String)> {
        match self {
            Self::Field(error) => vec![(error.field.clone(), error.detail.clone())],
            Self::Bounty(error) => error.fields(),
            Self::Id { field, error } => vec![(field.clone(), error.to_string())],
            Self::Money { field, error } => vec![((*field).to_owned(), error.to_string())],
            Self::Rates(error) => vec![("payout_rates".to_owned(), error.to_string())],
            Self::Rule(IssueError::ReasonRequired(_)) => {
                vec![("reason".to_owned(), "must not be empty when reopening".to_owned())]
            }
            Self::Rule(IssueError::BadOriginal(detail)) => {
                vec![("duplicate_of".to_owned(), (*detail).to_owned())]
            }
            Self::Count { field, least, most, .. } => {
                vec![((*field).to_owned(), format!("must have {least} to {most} entries"))]
            }
            Self::Page(error @ PageError::NegativeSize) => {
                vec![("page_size".to_owned(), error.to_string())]
            }
            Self::Page(error @ PageError::BadToken) => {
                vec![("page_token".to_owned(), error.to_string())]
            }
            Self::Idempotency(error @ (IdempotencyError::Reused | IdempotencyError::BadKey)) => {
                vec![("request_id".to_owned(), error.to_string())]
            }
            Self::Rule(
                IssueError::Transition(_)
                | IssueError::SelfApproval(_)
                | IssueError::NotPermitted(_)
                | IssueError::DuplicateLoop(_),
            )
            | Self::Identity(_)
            | Self::Impersonation(_)
            | Self::ApiKey(_)
            | Self::Webhook(_)
            | Self::NotFound(..)
            | Self::CycleClosed(_)
            | Self::LastAdmin(_)
            | Self::ProductKeyTaken(_)
            | Self::DuplicateId(_)
            | Self::StaleVersion { .. }
            | Self::Attachment(_)
            | Self::Files(_)
            | Self::DevelopmentOnly
            | Self::Idempotency(IdempotencyError::Database(_))
            | Self::Store(_) => Vec::new(),
        }
    }

    fn metadata(&self) -> HashMap<String, String> {
        let pairs: Vec<(&str, String)> = match self {
            Self::Bounty(error) => error.metadata(),
            Self::Rule(IssueError::Transition(refused)) => vec![
                ("from", refused.from.to_owned()),
                ("to", refused.to.to_owned()),
                ("allowed", refused.allowed.join(",")),
            ],
            Self::Rates(RatesError::Incomplete { currency, missing }) => {
                vec![("currency", currency.to_string()), ("missing", missing.join(","))]
            }
            Self::StaleVersion { wanted, found } => {
                vec![("expected", wanted.to_string()), ("version", found.to_string())]
            }
            Self::DuplicateId(id) => vec![("id", id.to_string())],
            Self::Attachment(AttachmentError::TooLarge(most)) => {
                vec![("max_bytes", most.to_string())]
            }
            Self::Attachment(AttachmentError::Type) => {
                vec![("allowed", Media::ALL.map(Media::as_str).join(","))]
            }
            Self::Field(_)
            | Self::Rule(
                IssueError::SelfApproval(_)
                | IssueError::NotPermitted(_)
                | IssueError::ReasonRequired(_)
                | IssueError::BadOriginal(_)
                | IssueError::DuplicateLoop(_),
            )
            | Self::Rates(RatesError::OutOfRange(_))
            | Self::Identity(_)
            | Self::Impersonation(_)
            | Self::ApiKey(_)
            | Self::Webhook(_)
            | Self::Money { .. }
            | Self::Id { .. }
            | Self::NotFound(..)
            | Self::CycleClosed(_)
            | Self::LastAdmin(_)
            | Self::ProductKeyTaken(_)
            | Self::Count { .. }
            | Self::Attachment(
                AttachmentError::TooMany | AttachmentError::Kept | AttachmentError::Broken,
            )
            | Self::Files(_)
            | Self::DevelopmentOnly
            | Self::Page(_)
            | Self::Idempotency(_)
            | Self::Store(_) => Vec::new(),
        };
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
