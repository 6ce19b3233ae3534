//! Who pays for a product, and how (S4-37).

use quittance_kernel::{MemberId, ProductId, Timestamp};

/// The longest id of a provider.
const MAX_ID: usize = 255;
/// How many characters of an id are shown.
const SHOWN: usize = 4;

/// Why nobody is named as a payer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct PayerError {
    pub field: &'static str,
    pub detail: &'static str,
}

/// Who pays for a product. The provider knows their card; we know its name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payer {
    pub(crate) product: ProductId,
    /// Who has named this payment method: it is taken to be theirs.
    pub(crate) member: MemberId,
    /// Empty where the provider needs none.
    pub(crate) customer: String,
    pub(crate) payment_method: String,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Payer {
    /// The end of the payment method's id.
    #[must_use]
    pub(crate) fn masked(&self) -> String {
        let skip = self.payment_method.chars().count().saturating_sub(SHOWN);
        format!("pm_…{}", self.payment_method.chars().skip(skip).collect::<String>())
    }
}

/// Checks the ids of a provider: no card number gets in by mistake.
pub(crate) fn check(payment_method: &str, customer: &str) -> Result<(), PayerError> {
    let plain = |text: &str| {
        text.len() <= MAX_ID
            && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter))
    };
    if !payment_method.starts_with("pm_") || !plain(payment_method) {
        let detail = "must be the provider's id of a payment method: pm_…";
        return Err(PayerError { field: "payment_method_id", detail });
    }
    if !(customer.is_empty() || customer.starts_with("cus_")) || !plain(customer) {
        let detail = "must be the provider's id of a customer: cus_…";
        return Err(PayerError { field: "customer_id", detail });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_of_a_provider_name_a_payer() {
        assert_eq!(check("pm_card_visa", ""), Ok(()));
        assert_eq!(check("pm_1", "cus_1"), Ok(()));
        for (method, customer) in
            [("4242424242424242", ""), ("", ""), ("pm_ 1", ""), ("pm_1", "Mr Smith")]
        {
            assert!(check(method, customer).is_err(), "{method} {customer}");
        }
    }
}
