//! What is worked on.

use quittance_kernel::{ProductId, Timestamp};

use super::text::FieldError;

/// Ten percent.
pub const DEFAULT_FEE_BPS: i32 = 1_000;

/// A product carries the policy: the gate's default and the key of issue numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    pub id: ProductId,
    pub name: String,
    pub key: String,
    pub requires_verification: Option<bool>,
    pub platform_fee_bps: i32,
    /// Points of the reward pool.
    pub capacity_points: i64,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Reads a key such as `SHP`: it is said aloud and stands before a number.
pub fn key(text: &str) -> Result<String, FieldError> {
    let well_formed = (2..=10).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if well_formed {
        Ok(text.to_owned())
    } else {
        let detail = "must have 2 to 10 capital letters or digits and begin with a letter";
        Err(FieldError::new("key", detail))
    }
}

/// Reads a fee in basis points.
pub fn fee_bps(bps: i32) -> Result<i32, FieldError> {
    if (0..=10_000).contains(&bps) {
        Ok(bps)
    } else {
        Err(FieldError::new("platform_fee_bps", "must be between 0 and 10000"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_loud() {
        assert!(key("SHP").is_ok() && key("A1").is_ok());
        for bad in ["", "A", "shp", "1A", "SHP-", "ABCDEFGHIJK", "ЯЯ"] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }
}
