//! What a caller may know of a refusal about partners.

use std::collections::HashMap;

use tonic::Code;

use crate::domain::partner::PartnerError;

impl PartnerError {
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Field { .. }
            | Self::Amount { .. }
            | Self::Currency(_)
            | Self::NotManual(_)
            | Self::Count
            | Self::Twice(_)
            | Self::RefundTooLarge => Code::InvalidArgument,
            Self::Transition { .. } | Self::NoRule => Code::FailedPrecondition,
            Self::SelfApproval(_) => Code::PermissionDenied,
            Self::PayoutNotFound(_) | Self::PartnerNotFound(_) | Self::AttributionNotFound(_) => {
                Code::NotFound
            }
            Self::SaleRecorded(_) => Code::AlreadyExists,
        }
    }

    /// Stable, and part of the API.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Field { .. } => "INVALID_FIELD",
            Self::Amount { .. } | Self::RefundTooLarge => "INVALID_AMOUNT",
            Self::Currency(_) => "UNKNOWN_CURRENCY",
            Self::NotManual(_) => "METHOD_NOT_ALLOWED",
            Self::Transition { .. } => "INVALID_TRANSITION",
            Self::SelfApproval(_) => "SELF_APPROVAL",
            Self::PayoutNotFound(_) => "PAYOUT_NOT_FOUND",
            Self::PartnerNotFound(_) => "PARTNER_NOT_FOUND",
            Self::Count => "COUNT_OUT_OF_RANGE",
            Self::Twice(_) => "DUPLICATE_ID",
            Self::NoRule => "COMMISSION_RULE_MISSING",
            Self::SaleRecorded(_) => "ATTRIBUTION_EXISTS",
            Self::AttributionNotFound(_) => "ATTRIBUTION_NOT_FOUND",
        }
    }

    pub(super) fn fields(&self) -> Vec<(String, String)> {
        let field = |name: &str, text: String| vec![(name.to_owned(), text)];
        match self {
            Self::Field { field: name, detail } => field(name, (*detail).to_owned()),
            Self::Amount { field: name } => field(name, "must be greater than zero".to_owned()),
            Self::Currency(_) => field("amount.currency_code", self.to_string()),
            Self::NotManual(_) => field("method", self.to_string()),
            Self::Count | Self::Twice(_) => field("payout_ids", self.to_string()),
            Self::RefundTooLarge => field("amount_minor", self.to_string()),
            Self::SaleRecorded(_) => field("external_id", self.to_string()),
            Self::Transition { .. }
            | Self::SelfApproval(_)
            | Self::PayoutNotFound(_)
            | Self::PartnerNotFound(_)
            | Self::NoRule
            | Self::AttributionNotFound(_) => vec![],
        }
    }

    pub(super) fn metadata(&self) -> HashMap<String, String> {
        match self {
            Self::Transition { from, to, allowed } => HashMap::from([
                ("from".to_owned(), (*from).to_owned()),
                ("to".to_owned(), (*to).to_owned()),
                ("allowed".to_owned(), allowed.clone()),
            ]),
            Self::Field { .. }
            | Self::Amount { .. }
            | Self::Currency(_)
            | Self::NotManual(_)
            | Self::SelfApproval(_)
            | Self::PayoutNotFound(_)
            | Self::PartnerNotFound(_)
            | Self::Count
            | Self::Twice(_)
            | Self::NoRule
            | Self::SaleRecorded(_)
            | Self::AttributionNotFound(_)
            | Self::RefundTooLarge => HashMap::new(),
        }
    }
}
