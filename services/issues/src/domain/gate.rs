//! The verification gate (product.md, rule 3): the product is the policy, the cycle the exception.

/// Where the effective gate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateSource {
    Default,
    Product,
    Cycle,
}

/// Whether an issue must be verified before it is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    pub required: bool,
    pub source: GateSource,
}

/// Resolves the gate of a cycle of a product.
#[must_use]
pub fn effective(cycle: Option<bool>, product: Option<bool>) -> Gate {
    match (cycle, product) {
        (Some(required), _) => Gate { required, source: GateSource::Cycle },
        (None, Some(required)) => Gate { required, source: GateSource::Product },
        (None, None) => Gate { required: false, source: GateSource::Default },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cycle_beats_the_product_and_the_product_beats_the_default() {
        let cases = [
            (None, None, false, GateSource::Default),
            (None, Some(true), true, GateSource::Product),
            (None, Some(false), false, GateSource::Product),
            (Some(false), Some(true), false, GateSource::Cycle),
            (Some(true), Some(false), true, GateSource::Cycle),
            (Some(true), None, true, GateSource::Cycle),
        ];
        for (cycle, product, required, source) in cases {
            assert_eq!(effective(cycle, product), Gate { required, source });
        }
    }
}
