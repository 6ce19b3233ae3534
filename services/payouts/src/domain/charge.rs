//! Taking money from whoever pays for a product (product.md, rule 10): a fact of its own beside the
//! transfer that it pays for.

/// What a provider says of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Charged {
    /// The money was taken; the provider's name for it.
    Succeeded { reference: String },
    /// The payer has to confirm it at their bank first.
    NeedsAction { reference: String },
    /// It never will be.
    Declined { code: String },
    /// It was not, and may be the next time.
    Retryable { code: String },
    /// Nobody can tell.
    Unknown,
}
